"""Spans in sequences of tags such as B-PER, I-PER and O, and their F1 score."""

import re
from collections.abc import Iterable, Iterator, Sequence

_TAG = re.compile(r"^(?:O|[BIMESLU]-.+)$")
_OUTSIDE = "O"
# E ends a span of several steps and S is one of a single step; L and U are other names for them.
_ENDS, _SINGLE = "EL", "SU"

Span = tuple[str, int, int]


def are_span_tags(names: Iterable[str]) -> bool:
    """Return True if the names of classes are tags of spans: ``O``, and a letter, a hyphen and a type.

    Example:
        >>> are_span_tags(["O", "B-PER", "I-PER"]), are_span_tags(["NOUN", "VERB"])
        (True, False)
    """
    names = list(names)
    return len(names) > 1 and all(_TAG.match(name) for name in names) and any(name[0] in "BI" for name in names)


def find_spans(tags: Sequence[str]) -> Iterator[Span]:
    """Yield the type, the first step and the last step of each span.

    A span ends where the next one begins (``B``, ``S``, ``U``), after its end (``E``, ``L``), at ``O``, and where the
    type changes; an ``I`` without a beginning begins one.

    Example:
        >>> list(find_spans(["B-PER", "I-PER", "O", "I-LOC"]))
        [('PER', 0, 1), ('LOC', 3, 3)]

    Reference:
        ``conlleval`` of CoNLL-2000, whose reading seqeval has by default; that of L and U is that of E and S.
    """
    begin, kind, before = 0, "", _OUTSIDE
    for step, tag in enumerate([*tags, _OUTSIDE]):
        letter, _, name = tag.partition("-")
        continues = kind and name == kind and letter in "IMEL" and before not in _ENDS + _SINGLE
        if kind and not continues:
            yield kind, begin, step - 1
            kind = ""
        if letter != _OUTSIDE and not kind:
            begin, kind = step, name
        before = letter


def span_f1(true: Iterable[Sequence[str]], predicted: Iterable[Sequence[str]]) -> float:
    """Return the F1 score of the spans, which are right where type, first and last step are.

    ::

        F1 = 2 right / (spans predicted + true spans)          0 if there are none

    Args:
        true: For each example, the tag of each step.
        predicted: The same, as predicted.

    Example:
        >>> span_f1([["B-PER", "O"], ["B-LOC"]], [["B-PER", "B-LOC"], ["O"]])
        0.5
    """
    right = count = 0
    for expected, found in zip(true, predicted, strict=True):
        spans, others = set(find_spans(expected)), set(find_spans(found))
        right, count = right + len(spans & others), count + len(spans) + len(others)
    return 2 * right / count if count else 0.0
