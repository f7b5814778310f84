"""What goes on inside a network, and what goes wrong there."""
