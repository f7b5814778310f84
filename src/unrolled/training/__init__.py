"""Training from the first batch or from a checkpoint, into a run folder."""
