"""The estimator that labels steps: words, series, searches, and wrong labels."""

import pickle
from typing import Any, Self

from tests.test_sklearn import EXPECTED_FAILURES, SMALL
from unrolled import SequenceLabeler, load
from unrolled.sklearn import as_sequences

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

Sentences = tuple[list[list[str]], list[list[str]]]


class RowLabeler(SequenceLabeler):
    """A labeler of tables: all steps of a row have the label of the row."""

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        return super().fit(X, None if y is None else self._of_steps(X, y))

    def score(self, X: Any, y: Any) -> float:  # noqa: N803
        return super().score(X, self._of_steps(X, y))

    def _of_steps(self, sequences: Any, labels: Any) -> list[Any]:
        lengths = [len(one) for one in as_sequences(sequences)]
        return [[label] * length for label, length in zip(np.ravel(labels), lengths, strict=True)]


@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [RowLabeler(**SMALL)],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_checks_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def sentences() -> Sentences:
    """Sentences of Pride and Prejudice in lower case, and as labels which of their words are capitals in it."""
    text = "".join(load("pride-and-prejudice").train.inputs[0][:60_000])
    words = [sentence.replace("\n", " ").split() for sentence in text.split(".")]
    words = [sentence for sentence in words if len(sentence) > 2]
    labels = [["capital" if word[0].isupper() else "small" for word in sentence] for sentence in words]
    return [[word.lower() for word in sentence] for sentence in words], labels


def test_words_are_labeled_better_than_by_the_commonest_label(sentences: Sentences) -> None:
    words, labels = sentences
    labeler = SequenceLabeler(units=16, epochs=8, random_state=0).fit(words[:-100], labels[:-100])
    commonest = np.mean([label == "small" for some in labels[-100:] for label in some])
    assert labeler.score(words[-100:], labels[-100:]) > commonest + 0.04
    predicted = labeler.predict(words[-3:])
    assert [len(some) for some in predicted] == [len(some) for some in words[-3:]]
    assert labeler.classes_.tolist() == ["capital", "small"]
    assert labeler.predict([["mr", "darcy", "said"]])[0][1] == "capital"


def test_probabilities_are_those_of_the_predicted_labels(sentences: Sentences) -> None:
    words, labels = sentences
    labeler = SequenceLabeler(**SMALL).fit(words[:20], labels[:20])
    probabilities, predicted = labeler.predict_proba(words[:5]), labeler.predict(words[:5])
    for one, some in zip(probabilities, predicted, strict=True):
        np.testing.assert_allclose(one.sum(axis=1), 1, atol=1e-5)
        assert labeler.classes_[one.argmax(axis=1)].tolist() == some


def test_the_score_is_the_accuracy_over_all_steps_that_have_a_label(sentences: Sentences) -> None:
    words, labels = sentences
    labeler = SequenceLabeler(**SMALL).fit(words[:20], labels[:20])
    predicted = labeler.predict(words[:2])
    true = [list(some) for some in predicted]
    true[0][0] = "another"
    steps = sum(map(len, true))
    assert labeler.score(words[:2], true) == pytest.approx(1 - 1 / steps)
    true[0][0] = None
    assert labeler.score(words[:2], true) == 1


def test_steps_of_series_are_labeled_with_numbers_and_without() -> None:
    vowels = load("japanese-vowels").train
    series = [np.asarray(one) for one in vowels.inputs[:120]]
    labels = [(one[:, 0] > one[:, 0].mean()).astype(int) for one in series]
    labels[0] = [None, *labels[0][1:].tolist()]
    labeler = SequenceLabeler(units=8, epochs=10, random_state=0).fit(series, labels)
    assert labeler.score(series, labels) > 0.7
    assert {type(label) for label in labeler.predict(series[:1])[0]} == {int}
    again = SequenceLabeler(units=8, epochs=10, random_state=0).fit([pl.DataFrame(one) for one in series], labels)
    assert again.predict(series) == labeler.predict(series)


def test_pickle_and_clone_keep_what_they_should(sentences: Sentences) -> None:
    words, labels = sentences
    labeler = SequenceLabeler(**SMALL, text={"min_count": 3}).fit(words[:20], labels[:20])
    again = pickle.loads(pickle.dumps(labeler))
    np.testing.assert_array_equal(again.predict_proba(words[:1])[0], labeler.predict_proba(words[:1])[0])
    twin = clone(labeler)
    assert twin.get_params() == labeler.get_params()
    assert not hasattr(twin, "model_")


def test_pipelines_grids_and_cross_validation_accept_lists_of_words(sentences: Sentences) -> None:
    words, labels = sentences[0][:40], sentences[1][:40]
    upper = FunctionTransformer(lambda lists: [[word.upper() for word in some] for some in lists])
    scores = cross_val_score(make_pipeline(upper, SequenceLabeler(**SMALL)), words, labels, cv=2)
    assert scores.shape == (2,)
    grid = GridSearchCV(SequenceLabeler(**SMALL), {"units": np.array([2, 3])}, cv=2).fit(words, labels)
    assert grid.best_params_["units"] in (2, 3)
    assert len(grid.predict(words[:1])[0]) == len(words[0])


@pytest.mark.parametrize(
    ("words", "labels", "message"),
    [
        ([["a", "b"], ["c"]], [["x", "y"], ["x", "y"]], "example 1: expected 1 labels, one for each step, got 2"),
        ([["a", "b"], ["c"]], [["x", "y"]], "expected a target for each of 2 sequences, got 1"),
        ([["a", "b"], ["c"]], ["xy", "z"], "example 0: expected 2 labels, one for each step, got 'xy'"),
        ([["a", "b"], ["c"]], [["x", "x"], ["x"]], "expected at least two classes, got one class: x"),
        ([["a", "b"], ["c"]], [["x", "y"], [1]], "expected labels of one type, got texts and numbers"),
        ([["a", "b"], ["c"]], [["x", ["y"]], ["x"]], "expected labels that are texts or numbers"),
        ([["a", "b"], []], [["x", "y"], []], "example 1: expected a list of one word or more"),
        ([["a", "b"], ["c", 1]], [["x", "y"], ["x", "y"]], "example 1: expected a list of one word or more"),
        (["a b", "c"], [["x", "y"], ["x"]], "expected a list of words for each example, got texts"),
    ],
)
def test_wrong_labels_are_refused(words: Any, labels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SequenceLabeler(**SMALL).fit(words, labels)
