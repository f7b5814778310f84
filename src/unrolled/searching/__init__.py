"""Hyperparameter search: many trials of one experiment, by many processes, in one folder."""
