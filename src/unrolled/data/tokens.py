"""Tokenizers: texts to numbers and back, by bytes, characters, words or pairs of bytes, with Hugging Face's library."""

import json
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from unrolled.data.long_text import LongText, pieces_of
from unrolled.data.ragged import on_disk
from unrolled.data.texts import Texts, column_of
from unrolled.storage import in_form

import numpy as np
import polars as pl
from numpy.typing import NDArray

if TYPE_CHECKING:
    import tokenizers

PADDING, UNKNOWN = 0, 1
KINDS = ("bytes", "characters", "words", "bpe")
_PADDING_TOKEN, _UNKNOWN_TOKEN = "[PAD]", "[UNK]"
# Scripts that put no spaces between words: each of their characters is a token, with the marks upon it.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
# Named classes alone, which the two libraries that read this pattern understand alike.
_LETTER = rf"[\p{{L}}\p{{M}}\p{{N}}_&&[^{_UNSPACED}]]"
# A word with its marks and apostrophes, a character of those scripts, or one punctuation mark.
_WORD = rf"[{_UNSPACED}]\p{{M}}*|{_LETTER}+(?:['\u2019]{_LETTER}+)*|[^\p{{L}}\p{{M}}\p{{N}}_\s]\p{{M}}*"
_EVERY_CHARACTER = "(?m:.)|\n"
_TEXTS_AT_ONCE, _CHARACTERS_AT_ONCE = 1 << 15, 1 << 16
_CHARACTERS_OF_A_WORD, _CHARACTERS_COUNTED = 16, 1 << 21
_MOST_TOKENS = 1 << 20
_COUNTS = {"token": pl.String, "count": pl.UInt64}
_COUNTED_AT_ONCE = 32


@dataclass(frozen=True)
class Tokenizer:
    """A vocabulary and the rule that divides a text into its tokens.

    Number 0 is padding, on the right of the shorter texts of a batch; 1 is a token outside the vocabulary.

    Attributes:
        kind: ``bytes`` (of UTF-8), ``characters``, ``words``, or ``bpe``, pairs of bytes that occur together often.
        tokens: The vocabulary, numbered from 2 on; empty for bytes, whose number is their value plus 2.
        lowercase: If True, texts are converted to lower case.
        merges: The pairs of tokens that ``bpe`` joins, the first one first.

    Example:
        >>> tokenizer = Tokenizer.fit(["the cat", "the hat"], kind="words")
        >>> tokenizer.encode("the bat").tolist(), tokenizer.tokens
        ([2, 1], ('the', 'cat', 'hat'))

    Reference:
        Sennrich, Haddow and Birch, "Neural machine translation of rare words with subword units", 2016.
    """

    kind: str
    tokens: tuple[str, ...] = ()
    lowercase: bool = False
    merges: tuple[tuple[str, str], ...] = ()

    @classmethod
    def fit(
        cls,
        texts: Texts | Iterable[str | LongText],
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
            kind: ``bytes``, ``characters``, ``words`` or ``bpe``.
            lowercase: If True, texts are converted to lower case.
            min_count: The number of occurrences below which a token is left out.
            vocabulary_size: The largest number of tokens; without it a million.
            most: The number of tokens read of each text; None for all. Of ``bpe``, so many characters are read.
        """
        untrained, most_tokens = cls(kind, lowercase=lowercase), vocabulary_size or _MOST_TOKENS
        if kind == "bytes":
            return untrained
        if kind == "bpe":
            return untrained._fit_pairs(texts, min_count, most_tokens, most)
        count = untrained._count_words if kind == "words" else untrained._count_characters
        counted: list[pl.DataFrame] = []
        for some in _columns(texts, most):
            counted.append(count(some, most))
            if len(counted) == _COUNTED_AT_ONCE:
                counted = [_added(counted)]
        if not counted:
            return untrained
        frequent = _added(counted).filter(pl.col("count") >= min_count)
        frequent = frequent.sort("count", "token", descending=[True, False]).head(most_tokens)
        return cls(kind, tuple(frequent["token"].to_list()), lowercase)

    @classmethod
    def fit_and_encode(
        cls,
        texts: Texts,
        *,
        lowercase: bool = False,
        min_count: int = 1,
        vocabulary_size: int | None = None,
        most: int | None = None,
    ) -> "tuple[Tokenizer, Iterator[tuple[NDArray[np.int32], NDArray[np.int64]]]]":
        """Collect the words of texts and encode the texts, for which they are divided once.

        Args:
            texts: The training texts, and no others.
            lowercase: If True, texts are converted to lower case.
            min_count: The number of occurrences below which a word is left out.
            vocabulary_size: The largest number of words; without it a million.
            most: The number of words read of each text; None for all.

        Returns:
            What ``fit`` returns for ``words``, and what ``encode_all`` yields.
        """
        untrained, categories = cls("words", lowercase=lowercase), pl.Categories.random()
        # Categories are forgotten with the last column of them.
        kept = pl.Series([], dtype=pl.Categorical(categories))
        coded: list[tuple[NDArray[np.int32], NDArray[np.int64]]] = []
        counts = np.zeros(0, np.int64)
        for column in texts.columns():
            words, lengths = untrained._find_words(column, most)
            codes = words.cast(kept.dtype).to_physical().cast(pl.Int32).fill_null(-1).to_numpy()
            found = np.bincount(codes + 1)[1:]
            found[: len(counts)] += counts[: len(found)]
            counts = np.concatenate([found, counts[len(found) :]])
            coded.append((codes, lengths))
        known = pl.DataFrame({"token": [categories[code] for code in range(len(counts))], "count": counts})
        frequent = known.with_row_index("code").filter(pl.col("count") >= min_count)
        frequent = frequent.sort("count", "token", descending=[True, False]).head(vocabulary_size or _MOST_TOKENS)
        # The last stands for -1, no word.
        numbers = np.full(len(counts) + 1, UNKNOWN, np.int32)
        numbers[frequent["code"].to_numpy()] = np.arange(2, 2 + frequent.height)
        fitted = cls("words", tuple(frequent["token"].to_list()), lowercase)
        return fitted, ((numbers[codes], lengths) for codes, lengths in coded)

    def _find_words(self, texts: pl.Series, most: int | None) -> tuple[pl.Series, NDArray[np.int64]]:
        """Return the first words of texts, end to end, null for a text without any, and how many are of each."""
        expression = self._words(pl.col("text"), texts, most)
        # A lazy frame is computed on all cores, a column on one.
        words = pl.LazyFrame({"text": texts}).select(expression).collect().to_series()
        return words.explode(empty_as_null=True), np.maximum(words.list.len().to_numpy().astype(np.int64), 1)

    def _count_words(self, texts: pl.Series, most: int | None) -> pl.DataFrame:
        words = self._words(pl.col("token"), texts, most).explode(empty_as_null=True).drop_nulls()
        rows = pl.LazyFrame({"token": texts}).select(words).group_by("token").len("count")
        return rows.collect(engine="streaming")

    def _count_characters(self, texts: pl.Series, most: int | None) -> pl.DataFrame:
        text = "".join((texts if most is None else texts.str.head(most)).to_list())
        counts = np.bincount(_codes(text.lower() if self.lowercase else text))
        found = np.flatnonzero(counts)
        tokens = [chr(code) for code in found.tolist()]
        return pl.DataFrame({"token": tokens, "count": counts[found].astype(np.uint32)}, schema=_COUNTS)

    def _fit_pairs(
        self, texts: Texts | Iterable[str | LongText], min_count: int, most_tokens: int, most: int | None
    ) -> "Tokenizer":
        from tokenizers import Tokenizer as Model
        from tokenizers import models, pre_tokenizers, trainers

        model = Model(models.BPE())
        trainer = trainers.BpeTrainer(
            vocab_size=2 + most_tokens,
            min_frequency=min_count,
            special_tokens=[_PADDING_TOKEN, _UNKNOWN_TOKEN],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        self._divide(model)
        model.train_from_iterator((text[:most] for some in _columns(texts, most) for text in some.to_list()), trainer)
        trained = json.loads(model.to_str())["model"]
        vocabulary = sorted(trained["vocab"], key=trained["vocab"].__getitem__)[2:]
        merges = tuple((first, second) for first, second in trained["merges"])
        return Tokenizer(self.kind, tuple(vocabulary), self.lowercase, merges)

    def _words(self, named: pl.Expr, texts: pl.Series, most: int | None) -> pl.Expr:
        """Return the first words of texts, [B] lists; on all cores, and ten times as fast as ``model`` does the same.

        Args:
            named: The column of a frame that holds the texts.
            texts: These texts.
            most: The number of words read of each; None for all.
        """
        is_ascii = bool(texts.str.len_bytes().sum() == texts.str.len_chars().sum())
        if most is not None and texts.str.len_bytes().sum() > 2 * most * _CHARACTERS_OF_A_WORD * len(texts):
            start = named.str.head(most * _CHARACTERS_OF_A_WORD)
            # The last two words of a start may be one that is cut in two, don't at its apostrophe.
            count = self._normalized(start, is_ascii=is_ascii).str.count_matches(_WORD)
            named = pl.when(count > most + 1).then(start).otherwise(named)
        words = self._normalized(named, is_ascii=is_ascii).str.extract_all(_WORD)
        return words if most is None else words.list.head(most)

    def _normalized(self, texts: pl.Expr, *, is_ascii: bool) -> pl.Expr:
        texts = texts if is_ascii else texts.str.normalize("NFC")
        return texts.str.to_lowercase() if self.lowercase else texts

    @cached_property
    def model(self) -> "tokenizers.Tokenizer":
        """The tokenizer as Hugging Face's library has it; ``model.to_str()`` is a ``tokenizer.json``."""
        from tokenizers import Tokenizer as Model
        from tokenizers import models, pre_tokenizers

        tokens = [_PADDING_TOKEN, _UNKNOWN_TOKEN, *self.tokens]
        if self.kind == "bytes":
            tokens += _bytes_in_order(pre_tokenizers.ByteLevel)
        vocabulary = {token: number for number, token in enumerate(tokens)}
        if self.kind in ("bytes", "bpe"):
            model = Model(models.BPE(vocabulary, list(self.merges), unk_token=_UNKNOWN_TOKEN))
        else:
            model = Model(models.WordLevel(vocabulary, _UNKNOWN_TOKEN))
        self._divide(model)
        return model

    def _divide(self, model: "tokenizers.Tokenizer") -> None:
        """Give a model the rule that divides texts."""
        from tokenizers import Regex, decoders, normalizers, pre_tokenizers

        steps: list[Any] = [normalizers.NFC()] if self.kind in ("words", "bpe") else []
        steps += [normalizers.Lowercase()] if self.lowercase else []
        if steps:
            model.normalizer = normalizers.Sequence(steps)
        if self.kind in ("bytes", "bpe"):
            model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=self.kind == "bpe")
            model.decoder = decoders.ByteLevel()
        elif self.kind == "words":
            model.pre_tokenizer = pre_tokenizers.Split(Regex(_WORD), "removed", invert=True)
        else:
            model.pre_tokenizer = pre_tokenizers.Split(Regex(_EVERY_CHARACTER), "isolated")

    @cached_property
    def _vocabulary(self) -> pl.Enum:
        return pl.Enum(self.tokens)

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
        if self.kind in ("bytes", "characters"):
            return list((text.lower() if self.lowercase else text)[:most])
        if self.kind == "bpe":
            return self.model.encode(text, add_special_tokens=False).tokens[:most]
        normalized = self.model.normalizer.normalize_str(text)
        return [token for token, _ in islice(self.model.pre_tokenizer.pre_tokenize_str(normalized), most)]

    def encode(self, text: str, most: int | None = None) -> NDArray[np.int32]:
        """Return the numbers of the first ``most`` tokens, [T] int32."""
        # These two need no library, which takes a hundred times as long.
        if self.kind == "bytes":
            return np.frombuffer(text[:most].encode("utf-8", "replace")[:most], np.uint8).astype(np.int32) + 2
        if self.kind == "characters":
            text = text.lower() if self.lowercase else text
            return self._of_characters[_codes(text[:most])]
        parts = _parts(column_of([text])[0])
        found = [self.model.encode(part, add_special_tokens=False).ids for part in parts]
        return np.array([number for ids in found for number in ids][:most], np.int32)

    def offsets(self, text: str, most: int | None = None) -> list[tuple[int, int]]:
        """Return where in the text the first ``most`` tokens stand: the index of the first character and that after it.

        Of ``bytes``, those of one character all stand where it stands.

        Example:
            >>> Tokenizer.fit(["the cat"], kind="words").offsets("a  cat!")
            [(0, 1), (3, 6), (6, 7)]
        """
        if self.kind == "characters":
            return [(index, index + 1) for index in range(len(text))][:most]
        if self.kind == "bytes":
            sizes = (len(character.encode("utf-8", "replace")) for character in text)
            return [(index, index + 1) for index, size in enumerate(sizes) for _ in range(size)][:most]
        found, begin = [], 0
        for part in _parts(column_of([text])[0]):
            encoded = self.model.encode(part, add_special_tokens=False)
            found += [(begin + first, begin + last) for first, last in encoded.offsets]
            begin += len(part)
        return [(first, _with_marks(text, last)) for first, last in found[:most]]

    def encode_all(
        self, texts: Texts, most: int | None = None
    ) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int64]]]:
        """Yield the numbers of the first ``most`` tokens of many texts, end to end, and how many are of each.

        A text without tokens has one, the unknown. Words are found on all cores.
        """
        for column in texts.columns():
            if self.kind == "words":
                words, lengths = self._find_words(column, most)
                found = words.cast(self._vocabulary, strict=False).to_physical().cast(pl.Int32) + 2
                yield found.fill_null(UNKNOWN).to_numpy(), lengths
            else:
                yield self.encode_each(column.to_list(), most)

    def encode_each(self, texts: Sequence[str], most: int | None = None) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the same of few texts, for which it is faster."""
        unknown = np.full(1, UNKNOWN, np.int32)
        encoded = [self.encode(text, most) for text in texts]
        encoded = [numbers if len(numbers) else unknown for numbers in encoded]
        return np.concatenate(encoded), np.array([len(numbers) for numbers in encoded], np.int64)

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
        if self.kind == "bpe":
            return str(self.model.decode([number for number in numbers if number > UNKNOWN], skip_special_tokens=False))
        pieces = ["�" if number == UNKNOWN else self.tokens[number - 2] for number in numbers]
        return (" " if self.kind == "words" else "").join(pieces)

    def to_json(self) -> dict[str, Any]:
        """Return the tokenizer as JSON, for ``from_json``."""
        values: dict[str, Any] = {"kind": self.kind, "lowercase": self.lowercase, "tokens": list(self.tokens)}
        return values | ({"merges": [list(pair) for pair in self.merges]} if self.merges else {})

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Tokenizer":
        """Restore a tokenizer from the JSON of ``to_json``."""
        merges = in_form(tuple[tuple[str, str], ...], values.get("merges", ()))
        tokens = in_form(tuple[str, ...], values["tokens"])
        return cls(in_form(Literal[KINDS], values["kind"]), tokens, in_form(bool, values["lowercase"]), merges)


def _columns(texts: Texts | Iterable[str | LongText], most: int | None) -> Iterator[pl.Series]:
    """Yield some texts at a time, in parts if they are read whole."""
    if isinstance(texts, Texts):
        yield from texts.columns()
        return
    cut = _parts if most is None else lambda piece: (piece,)
    some: list[str] = []
    size = 0
    for part in (part for text in texts for piece in pieces_of(text) for part in cut(piece)):
        some.append(part)
        size += len(part)
        if size > _CHARACTERS_COUNTED or len(some) == _TEXTS_AT_ONCE:
            yield column_of(some)
            some, size = [], 0
    if some:
        yield column_of(some)


def _with_marks(text: str, end: int) -> int:
    """Return the end of a token behind the marks upon its last letter, which the library composes with it."""
    while end < len(text) and unicodedata.combining(text[end]):
        end += 1
    return end


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _added(counted: list[pl.DataFrame]) -> pl.DataFrame:
    """Return the sums of counts of tokens."""
    return pl.concat([some.cast(_COUNTS) for some in counted]).group_by("token").sum()  # type: ignore[arg-type]


def _parts(text: str) -> Iterator[str]:
    """Yield a text in parts of bounded memory for the library, cut between words where it has spaces."""
    begin = 0
    while len(text) - begin > _CHARACTERS_AT_ONCE:
        end = begin + _CHARACTERS_AT_ONCE
        space = max(text.rfind(blank, begin, end) for blank in " \n\t")
        end = space if space > begin else end
        yield text[begin:end]
        begin = end
    yield text[begin:]


def _bytes_in_order(level: Any) -> Sequence[str]:
    """Return the characters that stand for the bytes 0 to 255 in a byte-level vocabulary.

    Printable bytes stand for themselves, the others for the code points from 256 on.
    """
    alphabet = set(level.alphabet())
    others = iter(sorted(character for character in alphabet if ord(character) > 255))
    return [chr(byte) if chr(byte) in alphabet else next(others) for byte in range(256)]
