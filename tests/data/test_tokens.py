"""Texts as numbers."""

import json

from unrolled.data.dataset import pad, padded_length
from unrolled.data.tokens import KINDS, PADDING, UNKNOWN, Tokenizer

import numpy as np
import pytest

TEXTS = ["The cat isn't here.", "The dog, the dog!", "Über Äpfel"]


@pytest.mark.parametrize("kind", ["bytes", "characters"])
def test_what_is_encoded_is_decoded(kind: str) -> None:
    tokenizer = Tokenizer.fit(TEXTS, kind=kind)
    again = Tokenizer.from_json(json.loads(json.dumps(tokenizer.to_json())))
    for text in TEXTS:
        numbers = again.encode(text)
        assert numbers.min() > UNKNOWN
        assert numbers.max() < again.size
        assert again.decode([*numbers, PADDING]) == text


def test_words_are_counted_and_the_rare_ones_unknown() -> None:
    tokenizer = Tokenizer.fit(TEXTS, kind="words", lowercase=True, min_count=2)
    assert tokenizer.tokens == ("the", "dog")
    assert tokenizer.encode("The dog isn't a cat").tolist() == [2, 3, UNKNOWN, UNKNOWN, UNKNOWN]
    assert Tokenizer.fit(TEXTS, kind="words", vocabulary_size=1).size == 3
    assert Tokenizer("words").cut("isn't it, Mr. O'Hara?") == ["isn't", "it", ",", "Mr", ".", "O'Hara", "?"]


def test_padding_is_on_the_right_and_of_few_lengths() -> None:
    numbers = [np.array([1, 2, 3], np.int32), np.array([4], np.int32)]
    np.testing.assert_array_equal(pad(numbers, 4), [[1, 2, 3, 0], [4, 0, 0, 0]])
    assert np.isnan(pad([np.ones((2, 3), np.float32)])[0, 2:]).all()
    found = sorted({padded_length(length) for length in range(1, 200)})
    assert found == [8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256]
    assert all(padded_length(length) >= length for length in range(1, 200))


@pytest.mark.parametrize("kind", KINDS)
def test_no_more_tokens_than_asked_for_are_cut(kind: str) -> None:
    text = "Ünd so, on and on" * 3
    tokenizer = Tokenizer.fit([text], kind=kind)
    for most in (0, 1, 3, 1000):
        np.testing.assert_array_equal(tokenizer.encode(text, most), tokenizer.encode(text)[:most])
    assert Tokenizer.fit(["a b c", "c c"], kind="words", most=2).tokens == ("c", "a", "b")
