"""An experiment is a value: data, a network and how to train it. A run is the folder that training it fills."""
