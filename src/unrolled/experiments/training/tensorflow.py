"""Batches of unequal lengths as TensorFlow takes them."""

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf


def as_dataset(batches: keras.utils.PyDataset) -> Any:
    """A ``tf.data.Dataset`` of batches whose second axis may have any length.

    Keras would take the shapes of the first two batches for those of all.
    """
    first = batches[0]
    shapes = [(None, None, *first[0].shape[2:]), *((None, *array.shape[1:]) for array in first[1:])]
    signature = tuple(tf.TensorSpec(shape, array.dtype) for shape, array in zip(shapes, first, strict=True))

    def each() -> Iterator[tuple[Any, ...]]:
        for index in range(batches.num_batches):
            yield batches[index]

    return tf.data.Dataset.from_generator(each, output_signature=signature).prefetch(tf.data.AUTOTUNE)
