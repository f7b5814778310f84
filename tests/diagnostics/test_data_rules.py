"""Rules about the data: each problem planted in healthy examples, and healthy examples."""

from typing import Any

from tests.diagnostics.networks import bumps, codes, compiled, reader
from unrolled.data.bundled import load_mnist
from unrolled.diagnostics.data_rules import DATA_RULES, excess_agreement
from unrolled.diagnostics.diagnose import diagnose
from unrolled.diagnostics.diagnostic import Diagnostic
from unrolled.diagnostics.examples import labels_of
from unrolled.diagnostics.target import target_of_model

import keras
import numpy as np
import pytest


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return reader()


def found(model: keras.Model, inputs: Any, targets: Any, **arguments: Any) -> list[Diagnostic]:
    return DATA_RULES.check(target_of_model(model, inputs, targets, **arguments))


@pytest.mark.parametrize("seed", range(3))
def test_healthy_examples_have_no_problem(model: keras.Model, seed: int) -> None:
    assert found(model, *bumps(seed), test=bumps(seed + 10, examples=60)) == []


def test_mnist_has_no_problem(model: keras.Model) -> None:
    """All 70,000 digits; no digit of the test set is in the training set."""
    mnist = load_mnist()
    images = compiled(keras.layers.Flatten(), keras.layers.Dense(10), shape=(28, 28))
    assert found(images, *mnist.train, test=mnist.test) == []


def test_nan_in_the_inputs_is_found_and_nothing_is_trained(model: keras.Model) -> None:
    inputs, targets = bumps()
    inputs[7, 3, 1] = np.nan
    (finding,) = diagnose(model, inputs, targets)
    assert (finding.code, finding.value, finding.where) == ("non-finite-inputs", 1, "the arrays, train")


def test_a_rare_class_is_found(model: keras.Model) -> None:
    inputs, targets = bumps(examples=300)
    kept = np.flatnonzero((targets != 2) | (np.cumsum(targets == 2) <= 5))
    (finding,) = found(model, inputs[kept], targets[kept])
    assert (finding.code, finding.value) == ("class-imbalance", 20)
    assert finding.fix.startswith("Add examples of class 2 ")


def test_a_class_that_nearly_always_comes_is_found(model: keras.Model) -> None:
    inputs, targets = bumps(examples=300)
    (finding,) = found(model, inputs, np.where(np.arange(300) < 250, 1, targets))[1:]
    assert finding.code == "majority-class"
    assert finding.fix.startswith("Weight the classes (class_weight in fit), and check the F1 score of each class")


def test_a_class_without_examples_is_found(model: keras.Model) -> None:
    inputs, targets = bumps()
    (finding,) = found(model, inputs, np.where(targets == 1, 5, targets))
    assert (finding.code, finding.value) == ("absent-class", 3)
    assert "class 1, 3, 4" in finding.fix


def test_a_test_set_with_training_examples_is_found(model: keras.Model) -> None:
    inputs, targets = bumps()
    other, labels = bumps(1, examples=60)
    other[:6] = inputs[20:26]
    (finding,) = found(model, inputs, targets, test=(other, labels))
    assert (finding.code, finding.value, finding.where) == ("leakage", 10, "the arrays, test")


def test_equal_examples_with_different_labels_are_found(model: keras.Model) -> None:
    inputs, targets = bumps()
    inputs[:10], targets[:5], targets[5:10] = inputs[0], 0, 1
    assert "contradictory-labels" in codes(found(model, inputs, targets))


def test_an_order_by_class_is_found_where_nothing_shuffles_it(model: keras.Model) -> None:
    inputs, targets = bumps()
    order = np.argsort(targets, kind="stable")
    (finding,) = found(model, inputs[order], targets[order], shuffle=False)
    assert (finding.code, finding.value > 95) == ("sorted-order", True)
    assert found(model, inputs[order], targets[order]) == []


def test_a_test_set_of_other_classes_is_found(model: keras.Model) -> None:
    other, labels = bumps(1, examples=120)
    chosen = labels == 0
    assert "shifted-classes" in codes(found(model, *bumps(), test=(other[chosen][:60], labels[chosen][:60])))


def test_a_test_set_that_was_not_scaled_is_found(model: keras.Model) -> None:
    other, labels = bumps(1, examples=60)
    assert codes(found(model, *bumps(), test=(255 * other, labels))) == {"shifted-inputs"}


def test_a_test_set_of_a_few_examples_is_found(model: keras.Model) -> None:
    (finding,) = found(model, *bumps(), test=bumps(1, examples=30))
    assert (finding.code, finding.value, finding.threshold) == ("few-test-examples", 30, 50)


def test_features_that_never_change_are_found(model: keras.Model) -> None:
    inputs, targets = bumps()
    inputs[..., :3] = 7
    assert codes(found(model, inputs, targets)) == {"constant-features"}


def test_labels_are_indices_columns_or_one_hot_rows_and_not_values() -> None:
    labels = np.array([2, 0, 1])
    for targets in (labels, labels[:, None], labels.astype(np.float32), np.eye(3)[labels]):
        found = labels_of(targets)
        assert found is not None
        assert found.tolist() == [2, 0, 1]
    for targets in (np.array([0.5, 1.5]), np.ones((4, 3)), np.array([-1, 1]), np.arange(50.0)):
        assert labels_of(targets) is None


def test_agreement_of_neighbours_is_0_when_shuffled_and_100_when_sorted() -> None:
    labels = np.repeat(np.arange(4), 100)
    assert excess_agreement(labels) == pytest.approx(100, abs=2)
    for seed in range(20):
        assert excess_agreement(np.random.default_rng(seed).permutation(labels)) == 0
    assert excess_agreement(np.zeros(9, np.int64)) == 0
