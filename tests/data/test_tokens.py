"""Texts as numbers."""

import json
from collections.abc import Sequence
from typing import Any

from unrolled.data import tokens
from unrolled.data.ragged import Ragged, objects, pad, padded_length, padded_lengths
from unrolled.data.texts import Texts, column_of
from unrolled.data.tokens import KINDS, PADDING, UNKNOWN, Tokenizer

import numpy as np
import polars as pl
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("हिन्दी भाषा में", ["हिन्दी", "भाषा", "में"]),
        ("தமிழ் மொழி", ["தமிழ்", "மொழி"]),
        ("مُحَمَّدٌ رَسُولُ", ["مُحَمَّدٌ", "رَسُولُ"]),
        ("שָׁלוֹם עוֹלָם", ["שָׁלוֹם", "עוֹלָם"]),
        ("cafe\u0301 creme", ["caf\u00e9", "creme"]),
        ("这部电影", ["这", "部", "电", "影"]),
        ("映画を見た iPhone", ["映", "画", "を", "見", "た", "iPhone"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("ភាសា", ["ភា", "សា"]),
        ("한국어 영화", ["한국어", "영화"]),
        ("isn't O\u2019Hara, no!", ["isn't", "O\u2019Hara", ",", "no", "!"]),
        ("#tag @you 3.5 a_b", ["#", "tag", "@", "you", "3", ".", "5", "a_b"]),
        ("[PAD] [UNK]", ["[", "PAD", "]", "[", "UNK", "]"]),
    ],
)
def test_words_of_every_script(text: str, expected: list[str]) -> None:
    tokenizer = Tokenizer.fit([text], kind="words")
    assert tokenizer.cut(text) == expected
    assert [tokenizer.tokens[number - 2] for number in tokenizer.encode(text)] == expected


@pytest.mark.parametrize("kind", KINDS)
def test_the_library_reads_the_same_numbers_from_its_own_file(kind: str) -> None:
    tokenizer = Tokenizer.fit(TEXTS, kind=kind, lowercase=kind == "words")
    model = tokenizers.Tokenizer.from_str(tokenizer.model.to_str())
    for text in [*TEXTS, "naïve \U0001f600\n zebra"]:
        assert model.encode(text, add_special_tokens=False).ids == tokenizer.encode(text).tolist()
        [(numbers, lengths)] = tokenizer.encode_all(Texts.of([text]), 3)
        assert (numbers.tolist(), lengths.tolist()) == (tokenizer.encode(text, 3).tolist(), [len(numbers)])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["A naïve  caf\u00e9, twice!", "e\u0301te\u0301 \u4f60\u597d", "word " * 20_000, ""])
def test_each_token_has_its_place_in_the_text(kind: str, text: str) -> None:
    tokenizer = Tokenizer.fit([text, "abc"], kind=kind, lowercase=kind == "words")
    places = tokenizer.offsets(text)
    assert len(places) == len(tokenizer.encode(text))
    assert places == sorted(places)
    covered = {index for begin, end in places for index in range(begin, end)}
    expected = {index for index, character in enumerate(text) if kind != "words" or not character.isspace()}
    assert covered == expected
    assert tokenizer.offsets(text, 3) == places[:3]


def test_pairs_of_bytes_are_joined_and_read_back() -> None:
    tokenizer = Tokenizer.fit(["low lower lowest"] * 20, kind="bpe", vocabulary_size=260)
    assert tokenizer.size == 2 + 260
    assert len(tokenizer.encode("lower")) < 5
    again = Tokenizer.from_json(json.loads(json.dumps(tokenizer.to_json())))
    for text in ("lower", "naïve \U0001f600", "an unseen line\n"):
        assert again.decode(again.encode(text)) == text
        assert UNKNOWN not in again.encode(text)


def test_a_long_text_is_counted_a_few_megabytes_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []

    def column(texts: Sequence[str]) -> pl.Series:
        counted.append(sum(map(len, texts)))
        return column_of(texts)

    monkeypatch.setattr(tokens, "column_of", column)
    whole = "one and another " * 500_000
    tokenizer = Tokenizer.fit(["", whole, "", "z"], kind="characters")
    assert sum(counted) == len(whole) + 1
    assert max(counted) < len(whole) / 2
    assert tokenizer.tokens == Tokenizer.fit([*whole[:16], *"z"], kind="characters").tokens


def test_long_texts_are_cut_between_words() -> None:
    text = "word " * 40_000
    numbers = Tokenizer.fit([text], kind="words").encode(text)
    assert len(numbers) == 40_000
    assert set(numbers.tolist()) == {2}


def test_padding_is_on_the_right_and_of_few_lengths() -> None:
    numbers = [np.array([1, 2, 3], np.int32), np.array([4], np.int32)]
    np.testing.assert_array_equal(pad(objects(numbers), 4), [[1, 2, 3, 0], [4, 0, 0, 0]])
    np.testing.assert_array_equal(pad(objects(numbers), 2), [[1, 2], [4, 0]])
    assert np.isnan(pad(objects([np.ones((2, 3), np.float32)]))[0, 2:]).all()
    for longest in (5, 200, 256, 257, 17_984):
        sizes = padded_lengths(longest)
        padded = {length: padded_length(length, sizes[0]) for length in range(1, longest + 1)}
        assert all(length <= to for length, to in padded.items())
        assert sorted(set(padded.values())) == list(sizes)
        assert len(sizes) <= 7
    assert sorted({padded_length(length) for length in range(1, 200)}) == [8, 16, 32, 64, 128, 256]


@pytest.mark.parametrize("kind", KINDS)
def test_no_more_tokens_than_asked_for_are_cut(kind: str) -> None:
    text = "Ünd so, on and on" * 3
    tokenizer = Tokenizer.fit([text], kind=kind)
    for most in (0, 1, 3, 1000):
        np.testing.assert_array_equal(tokenizer.encode(text, most), tokenizer.encode(text)[:most])
    assert Tokenizer.fit(["a b c", "c c"], kind="words", most=2).tokens == ("c", "a", "b")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=5), st.booleans())
def test_many_texts_are_read_as_the_library_reads_each(texts: list[str], lowercase: bool) -> None:
    tokenizer = Tokenizer.fit(texts, kind="words", lowercase=lowercase)
    encoded = Ragged.of_pieces(tokenizer.encode_all(Texts.of(texts)))
    for text, numbers in zip(texts, encoded, strict=True):
        assert numbers.dtype == np.int32
        assert numbers.tolist() == (tokenizer.encode(text).tolist() or [UNKNOWN])
        assert UNKNOWN not in numbers[1:]


@pytest.mark.parametrize("most", [1, 2, 5])
@given(st.lists(st.text("ab'\u2019 \u0301\u00e9\u0e15\u0e32.\n", max_size=60), min_size=1, max_size=5))
def test_the_start_of_a_long_text_is_read_as_the_whole(most: int, texts: list[str]) -> None:
    tokenizer = Tokenizer.fit(texts, kind="words")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "_CHARACTERS_OF_A_WORD", 2)
        encoded = Ragged.of_pieces(tokenizer.encode_all(Texts.of(texts), most))
        fitted = Tokenizer.fit(Texts.of(texts), kind="words", most=most)
    for text, numbers in zip(texts, encoded, strict=True):
        assert numbers.tolist() == (tokenizer.encode(text, most).tolist() or [UNKNOWN])
    assert set(fitted.tokens) == {token for text in texts for token in tokenizer.cut(text, most)}


def test_half_a_character_is_read_as_a_question_mark() -> None:
    tokenizer = Tokenizer.fit(["cut \ud83d", "whole"], kind="words")
    assert tokenizer.tokens == ("?", "cut", "whole")
    assert [numbers.tolist() for numbers, _ in tokenizer.encode_all(Texts.of(["cut \ud83d"]))] == [[3, 2]]
    assert tokenizer.encode("cut \ud83d").tolist() == [3, 2]


@pytest.mark.parametrize(
    ("min_count", "size", "most", "lowercase"),
    [(1, None, None, True), (2, None, 3, False), (1, 3, 2, True), (9, 5, None, True)],
)
def test_words_are_found_once_and_numbered_as_if_found_twice(
    min_count: int, size: int | None, most: int | None, lowercase: bool
) -> None:
    random = np.random.default_rng(2)
    words = np.array(["one", "One", "two", "zwei", "été", "été", "ตา", "...", ""])
    texts = Texts.of([" ".join(random.choice(words, random.integers(0, 9))) for _ in range(300)])
    settings: dict[str, Any] = {"lowercase": lowercase, "min_count": min_count, "vocabulary_size": size, "most": most}
    expected = Tokenizer.fit(texts, kind="words", **settings)
    fitted, encoded = Tokenizer.fit_and_encode(texts, **settings)
    assert fitted == expected
    for one, other in zip(encoded, expected.encode_all(texts, most), strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
