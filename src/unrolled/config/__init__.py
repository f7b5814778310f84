"""Experiment files: their schema, their text, and how two of them differ."""
