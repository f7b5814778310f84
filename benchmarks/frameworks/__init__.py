"""The programs of a worker: one file per framework, named after it; all use ``keras_layers`` and ``article``."""
