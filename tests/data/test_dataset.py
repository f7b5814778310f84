"""Splits and datasets, and how a split is divided."""

from unrolled.data.dataset import Dataset, Split
from unrolled.data.splitting import hold_out

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

LABELS = st.lists(st.integers(0, 4), max_size=80)
FRACTIONS = st.floats(0.01, 0.99)
SEEDS = st.integers(0, 2**32 - 1)


def numbered(labels: list[int]) -> Split:
    """Examples whose input is their number."""
    inputs = np.arange(len(labels), dtype=np.float32).reshape(-1, 1, 1)
    return Split(inputs, np.array(labels, dtype=np.int64))


def numbers(split: Split) -> list[int]:
    return [int(number) for number in split.inputs.reshape(-1)]


@settings(max_examples=100, deadline=None)
@given(labels=LABELS, fraction=FRACTIONS, seed=SEEDS)
def test_hold_out_divides_without_loss_or_overlap(labels: list[int], fraction: float, seed: int) -> None:
    stay, held_out = hold_out(numbered(labels), fraction, seed)
    assert sorted(numbers(stay) + numbers(held_out)) == list(range(len(labels)))
    for part in (stay, held_out):
        assert numbers(part) == sorted(numbers(part))
        assert part.targets.tolist() == [labels[number] for number in numbers(part)]


@settings(max_examples=100, deadline=None)
@given(labels=LABELS, fraction=FRACTIONS, seed=SEEDS)
def test_hold_out_takes_the_same_share_of_each_class(labels: list[int], fraction: float, seed: int) -> None:
    _, held_out = hold_out(numbered(labels), fraction, seed)
    for label in set(labels):
        assert int((held_out.targets == label).sum()) == min(
            max(round(labels.count(label) * fraction), 1), labels.count(label) - 1
        )


@settings(max_examples=25, deadline=None)
@given(labels=LABELS, fraction=FRACTIONS, seed=SEEDS)
def test_the_seed_decides_which_examples_are_held_out(labels: list[int], fraction: float, seed: int) -> None:
    first, second = hold_out(numbered(labels), fraction, seed), hold_out(numbered(labels), fraction, seed)
    assert numbers(first[0]) == numbers(second[0])
    assert numbers(first[1]) == numbers(second[1])


def test_another_seed_holds_out_other_examples() -> None:
    split = numbered([0, 1] * 100)
    held_out = [numbers(hold_out(split, 0.2, seed)[1]) for seed in range(5)]
    assert len({tuple(part) for part in held_out}) == 5


def test_hold_out_leaves_the_split_as_it_was() -> None:
    split = numbered([0, 1] * 10)
    hold_out(split, 0.5, seed=0)
    assert numbers(split) == list(range(20))


@pytest.fixture
def data() -> Dataset:
    return Dataset("numbers", numbered([0, 1, 2, 0, 1, 2]), numbered([2, 1, 0]), ("a", "b", "c"), "counted")


def test_a_dataset_unpacks_to_arrays(data: Dataset) -> None:
    (x_train, y_train), (x_test, y_test) = data.train, data.test
    assert x_train.shape == (6, 1, 1)
    assert x_test.shape == (3, 1, 1)
    assert y_train.tolist() == [0, 1, 2, 0, 1, 2]
    assert y_test.tolist() == [2, 1, 0]


def test_sizes_and_shapes(data: Dataset) -> None:
    assert (data.train.size, data.test.size) == (6, 3)
    assert data.example_shape == (1, 1)


def test_select_keeps_the_order_asked_for(data: Dataset) -> None:
    chosen = data.train.select(np.array([4, 0, 4]))
    assert numbers(chosen) == [4, 0, 4]
    assert chosen.targets.tolist() == [1, 0, 1]


@pytest.mark.parametrize(("examples", "sizes"), [(2, (2, 2)), (5, (5, 3)), (100, (6, 3)), (0, (0, 0))])
def test_head_cuts_both_splits(examples: int, sizes: tuple[int, int], data: Dataset) -> None:
    head = data.head(examples)
    assert (head.train.size, head.test.size) == sizes
    assert numbers(head.train) == list(range(sizes[0]))
    assert (head.name, head.classes, head.source) == (data.name, data.classes, data.source)
    assert (data.train.size, data.test.size) == (6, 3)
