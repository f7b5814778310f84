"""Texts that are read in pieces, against the same text read whole."""

from pathlib import Path

from unrolled.data import long_text
from unrolled.data.long_text import LongText, pieces_of
from unrolled.data.tokens import Tokenizer
from unrolled.errors import DataError

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

WORDS = "It is a truth, naïve — 𝄞 clef; \r\n and a verylongwordwithoutanyspaces\u2028 end.  " * 3


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_text, "_BLOCK", 7)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_it_is_the_text_of_the_file_in_the_encoding_of_its_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "book.txt"
    path.write_bytes(WORDS.encode(encoding))
    assert str(LongText.open(path)) == WORDS
    assert len(LongText.open(path)) == len(WORDS)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(st.sampled_from("ab é𝄞\n."), min_size=1, max_size=60), begin=st.integers(0, 60), end=st.integers(0, 60)
)
def test_a_stretch_is_that_of_the_text_and_its_words_are_whole(tmp_path: Path, text: str, begin: int, end: int) -> None:
    path = tmp_path / "book.txt"
    path.write_bytes(text.encode())
    stretch = LongText.open(path)[begin:end]
    assert (str(stretch), len(stretch)) == (text[begin:end], len(text[begin:end]))
    assert list(stretch.pieces()).count("") == 0
    long_words = any(len(word) >= 7 for word in text.split())
    words = Tokenizer("words")
    if not long_words:
        assert [token for piece in stretch.pieces() for token in words.cut(piece)] == words.cut(text[begin:end])


@pytest.mark.parametrize("kind", ["bytes", "characters"])
def test_it_has_the_tokens_of_the_text_in_the_smallest_type(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "book.txt"
    path.write_bytes(WORDS.encode())
    long = LongText.open(path)
    tokenizer = Tokenizer.fit([WORDS[:100]], kind=kind)
    assert Tokenizer.fit([long[:100]], kind=kind) == tokenizer
    numbers = tokenizer.encode_long(long)
    np.testing.assert_array_equal(numbers, tokenizer.encode(WORDS))
    assert numbers.dtype == (np.uint16 if kind == "bytes" else np.uint8)


def test_a_text_in_memory_is_one_piece() -> None:
    assert list(pieces_of("a b")) == ["a b"]


def test_bytes_of_another_encoding_are_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_bytes(b"first line\nsecond line\nna\xefve\n")
    with pytest.raises(DataError, match=r"book.txt: expected utf-8, got the byte 0xef after line 1\. Save the file"):
        LongText.open(path)
    assert str(LongText.open(path, "cp1252")).endswith("naïve\n")
    with pytest.raises(DataError, match='unknown encoding "klingon"'):
        LongText.open(path, "klingon")


def test_a_zero_byte_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_bytes(b"first line\nsecond\0line\n")
    with pytest.raises(DataError, match=r"book.txt:2: expected text, got a zero byte"):
        LongText.open(path)
    with pytest.raises(DataError, match=r"missing.txt: no such file"):
        LongText.open(tmp_path / "missing.txt")
