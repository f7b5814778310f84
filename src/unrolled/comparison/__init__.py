"""Several trainings: repeated over seeds, listed, and compared with intervals."""
