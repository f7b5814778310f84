"""What runs inside a worker: a file per framework, named after it; ``keras_layers`` and ``article`` serve them all."""
