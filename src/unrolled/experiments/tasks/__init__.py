"""What a network is to do with its data: tell a class, the next token, or the next values."""
