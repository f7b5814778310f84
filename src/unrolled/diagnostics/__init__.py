"""Rules that find what goes wrong with a network or its data."""
