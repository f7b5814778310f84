"""The search for settings: many trials of one experiment, by many processes, in one folder."""
