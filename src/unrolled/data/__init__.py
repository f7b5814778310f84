"""Data sets: loading files of many formats, and the inputs, targets and class names in them."""
