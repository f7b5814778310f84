"""Files of tagged words: CoNLL-U treebanks, and CoNLL files with a word and its tags on each line."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unrolled.data.decoding import read_text
from unrolled.data.labeled_steps import LabeledSteps
from unrolled.data.table import format_list
from unrolled.data.token_lists import TokenLists
from unrolled.errors import DataError, did_you_mean

TREEBANKS = (".conllu",)
TAGGED = (".conll", ".iob", ".iob2", ".bio")
_DOCUMENT = "-DOCSTART-"
_BLANK = re.compile(r"(?m)^[ \t]+$")
_SPACES = re.compile(r"[ \t]+")
_WORD_NAMES = ("word", "words", "token", "tokens", "form", "text")
_TAG_NAMES = ("tag", "tags", "label", "labels", "ner", "pos", "upos", "xpos", "ner_tag", "ner_tags", "pos_tag", "iob")
_WIDTH = 10
_FIELDS = ("form", "lemma", "upos", "xpos", "deprel")


def read_tagged(path: Path, target: str | None = None, encoding: str | None = None) -> LabeledSteps:
    """Read sentences of words, each with a tag.

    Args:
        path: A CoNLL-U file, of whose fields ``target`` names one (``upos``, ``xpos``, ``lemma`` or ``deprel``, by
            default ``upos``); or a file with a word and its tags on each line, between spaces or tabs, and an empty
            line after each sentence, of which ``target`` is the number of a column, by default the last.
        target: The tags that are read.
        encoding: The character encoding; detected where it is left out.

    Raises:
        DataError: The file is missing, empty or malformed; or there is no such tag.

    Reference:
        https://universaldependencies.org/format.html; Tjong Kim Sang and De Meulder, CoNLL-2003.
    """
    text = read_text(path, encoding)[0]
    read = _read_treebank if path.suffix.lower() in TREEBANKS else _read_columns
    sentences = read(path, text, target)
    if not sentences:
        raise DataError(f"{path}: expected sentences of tagged words, got none. Write a word and its tag on each line.")
    words, tags = ([[pair[index] for pair in sentence] for _, sentence in sentences] for index in (0, 1))
    lines = [line for line, _ in sentences]
    return LabeledSteps.of_names(TokenLists.of(words), tags, lambda example, step: f"{path}:{lines[example] + step}")


Sentences = Sequence[tuple[int, list[tuple[str, str]]]]
"""The line of the first word, and the words with their tags."""


def _read_treebank(path: Path, text: str, target: str | None) -> Sentences:
    conllu = _conllu(path)
    field = target or "upos"
    if field not in _FIELDS[1:]:
        raise DataError(
            f'{path}: data.target: unknown field "{field}".{did_you_mean(field, _FIELDS[1:])} '
            f"Choose among: {', '.join(_FIELDS[1:])}."
        )
    found, line = [], 1
    # Spaces do not make a line of a sentence.
    for block in _BLANK.sub("", text.replace("\r\n", "\n")).split("\n\n"):
        begin = line + len(block) - len(block.lstrip("\n")) + sum(row.startswith("#") for row in block.splitlines())
        line += block.count("\n") + 2
        if not block.strip():
            continue
        try:
            tokens = [token for sentence in conllu.parse(block) for token in sentence]
        except Exception as error:  # the parser raises what int() and indexing raise, too
            raise DataError(
                f"{path}:{begin}: expected ten fields with tabs between them, as CoNLL-U has ({error}). "
                "Correct the sentence."
            ) from None
        _check_fields(path, begin, block, tokens)
        # A range such as 3-4 stands before its words, and 5.1 is a word that is not written.
        words = [token for token in tokens if isinstance(token["id"], int)]
        for word in words:
            if not word["form"] or word.get(field) in (None, "_"):
                raise DataError(
                    f'{path}:{begin}: word {word["id"]}, "{word["form"]}", has no {field}. Name another field: '
                    "data: {target: xpos}"
                )
        if words:
            found.append((begin, [(word["form"], str(word[field])) for word in words]))
    return found


def _check_fields(path: Path, begin: int, block: str, tokens: Sequence[Any]) -> None:
    """Refuse lines without their ten fields, and sentences without an empty line between them."""
    rows = [row for row in block.split("\n") if row.strip() and not row.startswith("#")]
    for row in rows:
        if (found := len(row.split("\t"))) != _WIDTH:
            raise DataError(
                f"{path}:{begin}: expected ten fields with tabs between them, as CoNLL-U has, got {found} in "
                f'"{row[:40]}". Correct the sentence.'
            )
    numbers = [token["id"] for token in tokens if isinstance(token["id"], int)]
    if numbers != list(range(1, len(numbers) + 1)):
        raise DataError(
            f"{path}:{begin}: expected the words of a sentence to be numbered from 1, got "
            f"{format_list([str(number) for number in numbers], 8)}. Put an empty line between sentences."
        )


def _conllu(path: Path) -> Any:
    try:
        import conllu
    except ModuleNotFoundError:
        raise DataError(f"{path}: reading CoNLL-U needs: pip install 'unrolled[treebanks]'") from None
    return conllu


def _read_columns(path: Path, text: str, target: str | None) -> Sentences:
    if target is not None and not target.isdecimal():
        raise DataError(f'{path}: data.target: expected the number of a column, got "{target}". Count from 1.')
    found = []
    width = 0
    for sentence in _divide(text):
        for number, cells in sentence:
            width = width or len(cells)
            if len(cells) != width or width < 2:
                raise DataError(
                    f"{path}:{number}: expected {max(width, 2)} columns, a word and its tags, got {len(cells)}: "
                    f'"{format_list(cells, 6)}". Correct the line.'
                )
        column = int(target) if target else width
        if not 2 <= column <= width:
            raise DataError(f"{path}: data.target: expected a column from 2 to {width}, got {column}.")
        found.append((sentence[0][0], [(cells[0], cells[column - 1]) for _, cells in sentence]))
    return found


def _divide(text: str) -> list[list[tuple[int, list[str]]]]:
    """Return the numbers and the cells of the lines of each sentence, without comments and a line of names."""
    rows = [
        (number, [cell.strip() for cell in line.split("\t")] if "\t" in line.strip() else _SPACES.split(line.strip()))
        for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1)
    ]
    plain = [cells for _, cells in rows if any(cells) and not cells[0].startswith("#")]
    widths = Counter(map(len, plain))
    usual = widths.most_common(1)[0][0] if widths else 0
    tags = Counter(cells[-1] for cells in plain)
    sentences: list[list[tuple[int, list[str]]]] = [[]]
    for number, cells in rows:
        if not any(cells) or cells[0] == _DOCUMENT:
            sentences.append([])
        elif _is_word(cells, usual, tags) and not (cells is plain[0] and _are_names(cells, tags)):
            sentences[-1].append((number, cells))
    return [sentence for sentence in sentences if sentence]


def _is_word(cells: Sequence[str], usual: int, tags: Counter[str]) -> bool:
    """Return True unless a line is a comment: "# text = Give up" is one, "#love O" and "# SYM" are words."""
    if not cells[0].startswith("#"):
        return True
    return len(cells) == usual and (cells[-1] in tags or (cells[0] == "#" and cells[-1].isupper()))


def _are_names(cells: Sequence[str], tags: Counter[str]) -> bool:
    """Return True if a line names the columns."""
    return cells[0].lower() in _WORD_NAMES and cells[-1].lower() in _TAG_NAMES and tags[cells[-1]] == 1


def read_words(path: Path, encoding: str | None = None) -> TokenLists:
    """Read sentences of words whose tags, if there are any, are ignored.

    Raises:
        DataError: The file is missing or empty.
    """
    sentences = [[cells for _, cells in sentence] for sentence in _divide(read_text(path, encoding)[0])]
    if path.suffix.lower() in TREEBANKS:
        words = [[cells[1] for cells in one if cells[0].isdecimal() and len(cells) > 1] for one in sentences]
    else:
        words = [[cells[0] for cells in one] for one in sentences]
    if not any(words):
        raise DataError(f"{path}: expected sentences, a word on each line, got none. Add them.")
    return TokenLists.of(one for one in words if one)
