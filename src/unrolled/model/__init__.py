"""From an experiment to a compiled Keras model."""
