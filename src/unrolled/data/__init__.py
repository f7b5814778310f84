"""Everything that can be learned from becomes a Dataset: inputs, targets, and the names of the classes."""
