"""Tokenizers: texts to numbers and back, by bytes, characters or words."""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from unrolled.data.streaming import LongText, on_disk, pieces_of

import numpy as np
from numpy.typing import NDArray

PADDING, UNKNOWN = 0, 1
KINDS = ("bytes", "characters", "words")
# A word with its apostrophes, or one punctuation mark.
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]")


@dataclass(frozen=True)
class Tokenizer:
    """A vocabulary and the rule that divides a text into its tokens.

    Number 0 is padding, on the right of the shorter texts of a batch; 1 is a token outside the vocabulary.

    Attributes:
        kind: ``bytes`` (of UTF-8), ``characters`` or ``words``.
        tokens: The vocabulary, numbered from 2 on; empty for bytes, whose number is their value plus 2.
        lowercase: If True, texts are converted to lower case.

    Example:
        >>> tokenizer = Tokenizer.fit(["the cat", "the hat"], kind="words")
        >>> tokenizer.encode("the bat").tolist(), tokenizer.tokens
        ([2, 1], ('the', 'cat', 'hat'))
    """

    kind: str
    tokens: tuple[str, ...] = ()
    lowercase: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "_numbers", {token: number for number, token in enumerate(self.tokens, 2)})

    @classmethod
    def fit(
        cls,
        texts: Iterable[str | LongText],
        *,
        kind: str,
        lowercase: bool = False,
        min_count: int = 1,
        vocabulary_size: int | None = None,
        most: int | None = None,
    ) -> "Tokenizer":
        """Collect the vocabulary of texts, the most frequent tokens first.

        Args:
            texts: The training texts, and no others.
            kind: ``bytes``, ``characters`` or ``words``.
            lowercase: If True, texts are converted to lower case.
            min_count: The number of occurrences below which a token is left out.
            vocabulary_size: The largest number of tokens.
            most: The number of tokens read of each text; None for all.
        """
        if kind == "bytes":
            return cls(kind)
        counts: Counter[str] = Counter()
        tokenizer = cls(kind, lowercase=lowercase)
        for text in texts:
            for piece in pieces_of(text):
                counts.update(tokenizer.cut(piece, most))
        frequent = sorted(token for token, count in counts.items() if count >= min_count)
        frequent.sort(key=lambda token: -counts[token])
        return cls(kind, tuple(frequent[:vocabulary_size]), lowercase)

    @cached_property
    def _of_characters(self) -> NDArray[np.int32]:
        """The number of each Unicode code point."""
        numbers = np.full(sys.maxunicode + 1, UNKNOWN, np.int32)
        numbers[[ord(token) for token in self.tokens]] = np.arange(2, self.size)
        return numbers

    @property
    def size(self) -> int:
        """The number of different token numbers, including padding and unknown."""
        return 2 + (256 if self.kind == "bytes" else len(self.tokens))

    def cut(self, text: str, most: int | None = None) -> list[str]:
        """Divide a text into its tokens, at most ``most`` of them."""
        text = text.lower() if self.lowercase else text
        if self.kind != "words":
            return list(text[:most])
        return _WORD.findall(text) if most is None else [found[0] for found in islice(_WORD.finditer(text), most)]

    def encode(self, text: str, most: int | None = None) -> NDArray[np.int32]:
        """Return the numbers of the first ``most`` tokens, [T] int32."""
        if self.kind == "bytes":
            return np.frombuffer(text[:most].encode("utf-8")[:most], np.uint8).astype(np.int32) + 2
        if self.kind == "characters":
            codes = np.frombuffer(text[:most].encode("utf-32-le", "surrogatepass"), np.uint32)
            return self._of_characters[codes]
        numbers: Mapping[str, int] = self._numbers  # type: ignore[attr-defined]
        return np.array([numbers.get(token, UNKNOWN) for token in self.cut(text, most)], np.int32)

    def encode_long(self, text: LongText) -> NDArray[Any]:
        """Encode a text piece by piece, to disk.

        Returns:
            [T], in the smallest unsigned dtype that holds all numbers.

        Raises:
            WriteError: The disk is full.
        """
        smallest = np.min_scalar_type(self.size - 1)
        return on_disk(self.encode(piece).astype(smallest) for piece in text.pieces())

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the text of token numbers, without padding; an unknown token becomes �."""
        numbers = [int(number) for number in numbers if number != PADDING]
        if self.kind == "bytes":
            return bytes(number - 2 for number in numbers if number > UNKNOWN).decode("utf-8", "replace")
        pieces = ["�" if number == UNKNOWN else self.tokens[number - 2] for number in numbers]
        return (" " if self.kind == "words" else "").join(pieces)

    def to_json(self) -> dict[str, Any]:
        """Return the tokenizer as JSON, for ``from_json``."""
        return {"kind": self.kind, "lowercase": self.lowercase, "tokens": list(self.tokens)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Tokenizer":
        """Restore a tokenizer from the JSON of ``to_json``."""
        return cls(values["kind"], tuple(values["tokens"]), values["lowercase"])
