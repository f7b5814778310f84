"""The estimators under scikit-learn's checks, searches and pipelines."""

import pickle
import subprocess
import sys
from typing import Any

from tests.conftest import environment
from unrolled import SequenceClassifier, SequenceRegressor, load
from unrolled.data.ragged import objects
from unrolled.errors import Diverged
from unrolled.sklearn import as_sequences

import numpy as np
import pandas  # type: ignore[import-untyped]
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

SMALL: dict[str, Any] = {"units": 4, "epochs": 1, "random_state": 0}
# Checks of scikit-learn for estimators of tables that do not apply to sequences.
_LAST_BITS = "on some processors float32 products differ in their last bits with the rows of a batch"
EXPECTED_FAILURES = {
    "check_estimators_nan_inf": "NaN is a missing value, and padding",
    "check_methods_sample_order_invariance": _LAST_BITS,
    "check_methods_subset_invariance": _LAST_BITS,
    "check_classifiers_train": "asks for 83 % on points in a plane, after two epochs",
    "check_regressors_train": "asks for a good fit of points in a plane, after two epochs",
    "check_n_features_in_after_fitting": "a longer series is a series",
}


@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [SequenceClassifier(**SMALL), SequenceRegressor(**SMALL)],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_checks_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def lists() -> tuple[list[NDArray[np.float32]], NDArray[np.int64]]:
    """Series of unequal length whose class is the channel with the larger mean."""
    random = np.random.default_rng(0)
    labels = np.arange(60) % 2
    series = [random.normal(size=(random.integers(3, 9), 2)).astype(np.float32) for _ in labels]
    for item, label in zip(series, labels, strict=True):
        item[:, label] += 2
    return series, labels


def test_a_classifier_fits_lists_of_unequal_length(lists: Any) -> None:
    series, labels = lists
    classifier = SequenceClassifier(units=16, epochs=30, random_state=0).fit(series[:40], labels[:40])
    assert classifier.score(series[40:], labels[40:]) > 0.9
    np.testing.assert_allclose(classifier.predict_proba(series).sum(axis=1), 1, atol=1e-5)


def test_a_regressor_predicts_several_numbers(lists: Any) -> None:
    series, _ = lists
    values = np.array([item.mean(axis=0) for item in series])
    regressor = SequenceRegressor(units=16, epochs=60, random_state=0).fit(series, values)
    assert regressor.predict(series[:3]).shape == (3, 2)
    assert regressor.score(series, values) > 0.8


def test_pickle_and_clone_keep_what_they_should(lists: Any) -> None:
    series, labels = lists
    classifier = SequenceClassifier(**SMALL, bidirectional=True, layers=2).fit(series, labels)
    again = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(again.predict_proba(series), classifier.predict_proba(series))
    assert not hasattr(clone(classifier), "model_")
    twin = clone(classifier).fit(series, labels)
    np.testing.assert_array_equal(twin.predict_proba(series), classifier.predict_proba(series))


def test_pipelines_grids_and_cross_validation_accept_lists(lists: Any) -> None:
    series, labels = lists
    array = np.empty(len(series), dtype=object)
    array[:] = series
    doubled = FunctionTransformer(lambda items: [2 * item for item in items])
    scores = cross_val_score(make_pipeline(doubled, SequenceClassifier(**SMALL)), array, labels, cv=2)
    assert scores.shape == (2,)
    grid = GridSearchCV(SequenceClassifier(**SMALL), {"units": [2, 3]}, cv=2).fit(array, labels)
    assert grid.best_params_["units"] in (2, 3)


def test_wrong_sequences_are_rejected(lists: Any) -> None:
    series, labels = lists
    with pytest.raises(ValueError, match="with the same number of channels each"):
        SequenceClassifier(**SMALL).fit([series[0], series[1][:, :1]], labels[:2])
    fitted = SequenceClassifier(**SMALL).fit(series, labels)
    with pytest.raises(ValueError, match="expected 2 channels as in fit, got 1"):
        fitted.predict([series[0][:, :1]])
    with pytest.raises(ValueError, match='unknown cell "gruu"'):
        SequenceClassifier(cell="gruu").fit(series, labels)


def test_texts_are_taken_as_lists_arrays_and_columns() -> None:
    reviews = load("movie-reviews").train
    texts, polarity = list(reviews.inputs[np.arange(60)]), reviews.targets[:60].astype(float) * 10
    expected = SequenceRegressor(**SMALL).fit(texts, polarity).predict(texts[:5])
    for form in (np.array(texts), objects(texts), pl.Series(texts)):
        found = SequenceRegressor(**SMALL).fit(form, polarity).predict(form[:5])
        np.testing.assert_array_equal(found, expected)
    words = SequenceRegressor(**SMALL).fit([text.split() for text in texts], polarity)
    assert words.predict([["good"], ["bad", "film"]]).shape == (2,)
    with pytest.raises(ValueError, match="expected lists of words as in fit, got texts"):
        words.predict(texts)
    grid = GridSearchCV(SequenceClassifier(**SMALL), {"text": [None, {"tokenizer": "characters"}]}, cv=2)
    assert set(grid.fit(texts, reviews.targets[:60]).predict(texts)) <= {0, 1}
    again = pickle.loads(pickle.dumps(grid))
    np.testing.assert_array_equal(again.predict_proba(texts), grid.predict_proba(texts))


def test_texts_that_are_cut_are_warned_of() -> None:
    with pytest.warns(UserWarning, match="1 of 3 training texts are cut after 2 tokens"):
        SequenceClassifier(**SMALL, text={"max_length": 2}).fit(["a b c", "a b", "b"], [0, 1, 1])


def test_numbers_are_predicted_in_their_units() -> None:
    vowels = load("japanese-vowels")
    train, test = (
        (list(part.inputs), np.array([[1e6 + 1e3 * one[:, 0].mean(), one[:, 1].max()] for one in part.inputs]))
        for part in (vowels.train, vowels.test)
    )
    regressor = SequenceRegressor(units=16, epochs=30, random_state=0).fit(*train)
    predicted = regressor.predict(test[0])
    assert np.abs(predicted[:, 0] - test[1][:, 0]).mean() < 200
    errors, spread = test[1] - predicted, test[1] - test[1].mean(axis=0)
    assert regressor.score(*test) == pytest.approx(np.mean(1 - (errors**2).sum(axis=0) / (spread**2).sum(axis=0)))
    assert regressor.score(*test) > 0.5


def test_layers_are_named_as_in_an_experiment(lists: Any) -> None:
    series, labels = lists
    layers = [{"Conv1D": {"filters": 4, "kernel_size": 3, "padding": "same"}}, {"SimpleRNN": {"units": 3}}]
    classifier = SequenceClassifier(network=layers, epochs=1, random_state=0).fit(series, labels)
    assert [type(layer).__name__ for layer in classifier.model_.layers[-3:]] == ["Conv1D", "SimpleRNN", "Dense"]
    with pytest.raises(ValueError, match=r'SequenceClassifier: network\[0\].GRU: unknown argument "unit"'):
        SequenceClassifier(network=[{"GRU": {"unit": 3}}]).fit(series, labels)


def test_the_random_generators_of_the_process_are_left_as_they_are(lists: Any) -> None:
    series, labels = lists
    np.random.seed(1)
    expected = np.random.random(3)
    np.random.seed(1)
    SequenceClassifier(**SMALL).fit(series, labels)
    np.testing.assert_array_equal(np.random.random(3), expected)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"units": 0}, "expected a whole number of at least 1 as units, got 0"),
        ({"epochs": 2.5}, "expected a whole number of at least 1 as epochs, got 2.5"),
        ({"dropout": "high"}, "expected a number as dropout, got 'high'"),
        ({"dropout": 2}, r"network\[1\].Dropout"),
        ({"text": {"tokenizer": "letters"}}, "text.tokenizer"),
    ],
)
def test_impossible_parameters_are_refused(lists: Any, parameters: dict[str, Any], message: str) -> None:
    series, labels = lists
    with pytest.raises(ValueError, match=f"SequenceRegressor: .*{message}"):
        SequenceRegressor(**parameters).fit(series, labels)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["high", "low"], "expected numbers y"),
        ([1.0, float("nan")], "Input y contains NaN or infinity"),
        ([1.0], "expected a target for each of 2 sequences, got 1"),
        (np.ones((2, 1, 2)), "expected y .B. or .B, outputs., got .2, 1, 2."),
    ],
)
def test_targets_that_are_no_numbers_are_refused(lists: Any, values: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SequenceRegressor(**SMALL).fit(lists[0][:2], values)


def test_a_loss_that_becomes_nan_is_an_error_without_a_folder(lists: Any) -> None:
    series, _ = lists
    regressor = SequenceRegressor(units=4, learning_rate=1e30, epochs=3, random_state=0)
    with pytest.raises(
        Diverged, match=r"^SequenceRegressor: the loss became NaN or infinite\. Lower the learning rate"
    ):
        regressor.fit(series, np.arange(60.0))


@pytest.mark.parametrize("statement", ["import unrolled.sklearn", "from unrolled import SequenceClassifier"])
def test_a_missing_scikit_learn_is_an_error_that_tells_how_to_install_it(statement: str) -> None:
    program = (
        "import sys; sys.modules['sklearn'] = None\n"
        f"try: {statement}\n"
        "except ModuleNotFoundError as error: print(error.name, error)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment()
    )
    assert finished.stdout == (
        "sklearn unrolled.sklearn: scikit-learn is not installed. Install it with: pip install 'unrolled[sklearn]'\n"
    )


def test_vowels_are_classified() -> None:
    vowels = load("japanese-vowels")
    classifier = SequenceClassifier(units=32, epochs=15, random_state=0)
    classifier.fit(list(vowels.train.inputs), vowels.train.targets)
    assert classifier.score(list(vowels.test.inputs), vowels.test.targets) > 0.9


def test_sequences_are_taken_as_lists_tuples_and_frames() -> None:
    arrays = [np.arange(2.0 * length).reshape(length, 2) for length in (3, 5, 4)]
    expected = as_sequences(arrays)
    forms = [
        [array.tolist() for array in arrays],
        [tuple(map(tuple, array)) for array in arrays],
        [pl.DataFrame(array) for array in arrays],
        objects(arrays),
    ]
    for form in forms:
        for one, other in zip(as_sequences(form), expected, strict=True):
            np.testing.assert_array_equal(one, other)
    assert [item.shape for item in as_sequences([[1, 2, 3], [4.5]])] == [(3, 1), (1, 1)]


def test_columns_of_frames_are_those_of_fit() -> None:
    frames = [pl.DataFrame({"vib": [1.0, 2, 3 + n], "temp": [1.0 * n, 2, 1]}) for n in range(6)]
    regressor = SequenceRegressor(units=2, epochs=1, random_state=0).fit(frames, np.arange(6.0))
    np.testing.assert_array_equal(regressor.predict(frames), regressor.predict([one.to_numpy() for one in frames]))
    turned = [one.select("temp", "vib") for one in frames]
    with pytest.raises(ValueError, match="expected the columns vib, temp in this order as in fit, got temp, vib"):
        regressor.predict(turned)
    with pytest.raises(ValueError, match="sequence 1: expected the columns vib, temp in this order as in the first"):
        regressor.predict([frames[0], turned[1]])
    table = pl.DataFrame({"t1": np.arange(6.0), "t2": np.ones(6)})
    regressor.fit(table, np.arange(6.0))
    with pytest.raises(ValueError, match=r"expected the columns t1, t2 .* got t2, t1"):
        regressor.predict(table.select("t2", "t1"))


def test_a_frame_of_one_column_of_texts_is_that_column() -> None:
    texts = ["good film", "bad plot", "good cast", "bad film"]
    classifier = SequenceClassifier(units=2, epochs=1, random_state=0).fit(texts, list("abab"))
    for frame in (pl.DataFrame({"text": texts}), pandas.DataFrame({"text": texts})):
        np.testing.assert_array_equal(classifier.predict_proba(frame), classifier.predict_proba(texts))


@pytest.mark.parametrize("label", [None, float("nan")])
def test_a_missing_label_is_refused(label: Any) -> None:
    with pytest.raises(ValueError, match=r"expected a label for each sequence, got none for 1: \[2\]. Leave them out"):
        SequenceClassifier(units=2, epochs=1).fit(["a b", "b", "c d", "d"], pandas.Series(["x", "y", label, "x"]))


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        ([[1.0, 2.0], [float("inf")]], "expected finite numbers, or NaN for missing values, got infinity"),
        ([[1.0, 2.0], ["a"]], "sequence 1: expected numbers, an array .* got list"),
        ([[[1.0, 2.0]], [[1.0], [2.0]]], "with the same number of channels each"),
        ([[1.0], []], "of at least one step"),
    ],
)
def test_what_is_no_sequence_of_numbers_is_refused(sequences: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_sequences(sequences)
