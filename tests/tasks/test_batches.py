"""Batches: shifts, weights and one-hot targets."""

from unrolled.data.dataset import Split
from unrolled.data.splitting import fold_out
from unrolled.tasks.batches import EvaluationBatches, TrainingBatches, balanced_weights, one_hot, shifted

import numpy as np


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
