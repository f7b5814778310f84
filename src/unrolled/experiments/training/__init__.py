"""The training of an experiment, from its first batch or from a checkpoint, into a run's folder."""
