"""Batches: shifts, weights and one-hot targets."""

from itertools import pairwise

from unrolled.data.dataset import Split
from unrolled.data.ragged import Ragged
from unrolled.data.splitting import fold_out
from unrolled.tasks.batches import (
    EvaluationBatches,
    TrainingBatches,
    balanced_weights,
    one_hot,
    predict_probabilities,
    shifted,
)

import keras
import numpy as np
import pytest


def split(count: int = 10) -> Split:
    return Split(np.arange(count * 12, dtype=np.uint8).reshape(count, 3, 4), np.arange(count) % 3)


def test_a_shifted_image_is_the_image_moved_with_zeros_coming_in() -> None:
    images = np.random.default_rng(0).integers(1, 255, (200, 5, 6), dtype=np.uint8)
    ways = set()
    for image, moved in zip(images, shifted(images, 1, np.random.default_rng(1)), strict=True):
        padded = np.pad(image, 1)
        positions = {
            (down, right): padded[down : down + 5, right : right + 6] for down in range(3) for right in range(3)
        }
        found = [way for way, position in positions.items() if np.array_equal(position, moved)]
        assert len(found) == 1
        ways.add(found[0])
    assert len(ways) == 9


def test_the_colours_of_an_image_are_shifted_together() -> None:
    images = np.random.default_rng(0).integers(1, 255, (20, 5, 6, 3), dtype=np.uint8)
    moved = shifted(images, 2, np.random.default_rng(1))
    assert moved.shape == images.shape
    for channel in range(3):
        alone = shifted(images[..., channel], 2, np.random.default_rng(1))
        np.testing.assert_array_equal(moved[..., channel], alone)


def test_batches_that_start_later_are_those_of_the_whole_training() -> None:
    whole, rest = (
        TrainingBatches(split(), batch_size=4, epochs=3, seed=5, shift=1, classes=3, start=start) for start in (0, 4)
    )
    assert (whole.num_batches, rest.num_batches) == (9, 5)
    for index in range(5):
        for one, other in zip(whole[index + 4], rest[index], strict=True):
            np.testing.assert_array_equal(one, other)


def series(lengths: list[int]) -> Split:
    """Series whose values are all the index of the example."""
    return Split(
        Ragged.of([np.full((length, 1), index, np.float32) for index, length in enumerate(lengths)]),
        np.arange(len(lengths)),
    )


@pytest.mark.parametrize("lengths", [[5] * 48, [3, 9] * 24], ids=["of one length", "of two lengths"])
def test_series_of_equal_lengths_are_shuffled_in_each_epoch(lengths: list[int]) -> None:
    batches = TrainingBatches(series(lengths), batch_size=4, epochs=2, seed=3)
    epochs = [[batches[12 * epoch + step][1].tolist() for step in range(12)] for epoch in range(2)]
    for epoch in epochs:
        assert sorted(np.ravel(epoch).tolist()) == list(range(48))
        neighbours = sum(abs(one - other) <= 2 for batch in epoch for one, other in pairwise(batch))
        assert neighbours < 12  # of 36; in the order of the file all of them are
    assert {frozenset(batch) for batch in epochs[0]} != {frozenset(batch) for batch in epochs[1]}


def test_batches_of_short_and_of_long_series_follow_in_no_order() -> None:
    batches = TrainingBatches(series(list(range(1, 49))), batch_size=4, epochs=1, seed=3)
    longest = [max(batches[step][1].tolist()) for step in range(12)]
    assert longest not in (sorted(longest), sorted(longest, reverse=True))


@pytest.mark.parametrize("size", [3e4, -3e4, 1.0])
def test_logits_of_any_size_become_probabilities(size: float) -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Activation("linear")])
    logits = np.array([[size, size, size - 2], [size, 0, -size]], np.float32)
    found = predict_probabilities(model, logits, 2)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(found[0], np.array([1, 1, np.exp(-2)]) / (2 + np.exp(-2)), rtol=1e-3)
    assert found[1].argmax() == (0 if size > 0 else 2)


def test_targets_become_one_hot_and_weights_follow_them() -> None:
    weights = np.array([1.0, 2.0, 3.0], dtype=np.float32)
    _, targets, of_examples = TrainingBatches(split(), batch_size=10, epochs=1, seed=0, weights=weights, classes=3)[0]
    assert targets.shape == (10, 3)
    np.testing.assert_array_equal(of_examples, targets @ weights)
    np.testing.assert_array_equal(one_hot(np.array([2, 0]), 3), [[0, 0, 1], [1, 0, 0]])


def test_class_numbers_have_32_bits_as_no_backend_warns_of_them() -> None:
    for batches in (TrainingBatches(split(), batch_size=4, epochs=1, seed=0), EvaluationBatches(split(), 4)):
        assert batches[0][1].dtype == np.int32


def test_balanced_weights_make_every_class_count_the_same() -> None:
    targets = np.array([0] * 90 + [1] * 9 + [3])
    weights = balanced_weights(targets, 5)
    np.testing.assert_allclose(weights[targets].sum(), 100)
    np.testing.assert_allclose([weights[k] * (targets == k).sum() for k in (0, 1, 3)], 100 / 3, rtol=1e-6)
    assert weights[2] == weights[4] == 0


def test_folds_cover_all_examples_once_each_class_evenly() -> None:
    whole = Split(np.arange(103)[:, None, None], np.arange(103) % 4)
    folds = [fold_out(whole, fold, 5, seed=1) for fold in range(5)]
    assert sorted(np.concatenate([out.inputs[:, 0, 0] for _, out in folds])) == list(range(103))
    for stays, out in folds:
        assert stays.size + out.size == 103
        assert out.size in (20, 21)
        counts = np.bincount(out.targets, minlength=4)
        assert counts.max() - counts.min() <= 1
    again = fold_out(whole, 2, 5, seed=1)[1]
    np.testing.assert_array_equal(again.inputs, folds[2][1].inputs)
    assert not np.array_equal(fold_out(whole, 2, 5, seed=2)[1].inputs, again.inputs)
