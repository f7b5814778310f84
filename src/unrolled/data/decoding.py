"""Decode the bytes of text files, and detect their encoding."""

import codecs
import re
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO

from unrolled.errors import DataError
from unrolled.storage import cannot_read

_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_UTF8_SEQUENCES = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_LINES_BEYOND_ASCII = re.compile(rb"[^\n]*[\x80-\xff][^\n]*\n?")
# Signs that words do not have within them.
_WITHIN_WORDS = re.compile("(?<=\\w)[^\\w\\s\x00-\x7f\u2018\u2019](?=\\w)")
_BEYOND_ASCII = re.compile("\\w*[^\\W\x00-\x7f]\\w*")
# A letter of the Latin alphabet beside a Greek, Cyrillic, Hebrew or Arabic one, or a Chinese or Korean one among them.
_OTHER = "\u0370-\u06ff"
_OF_TWO_SCRIPTS = re.compile(f"[A-Za-z][{_OTHER}]|[{_OTHER}][A-Za-z]|[a-z][\u4e00-\u9fff\uac00-\ud7af][a-z]")
_NOT_LATIN = re.compile(f"[{_OTHER}\u0e00-\u0e7f\u3040-\ud7af]")
# A reading with more words of two scripts than this, of those beyond ASCII, is none.
_MOST_OF_TWO_SCRIPTS = 0.2
_SIGN = re.compile(rb"[!-~]")
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_WORD = 3  # letters of another script in a row
# Enough text to tell one encoding from another.
_DETECTION_BYTES = 1 << 17
_PIECE = 1 << 22
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")
# The encodings of the web beside UTF-8, and the Latin-2 of Unix.
_ENCODINGS = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "iso8859-2", "koi8-r"),
    *("cp932", "euc-jp", "gb18030", "big5", "cp949", "tis-620", "utf-16", "utf-16-le", "utf-16-be"),
)
# A reading that is less likely than the best by more than this is none.
_CLOSE = 0.7
_QUOTED_AROUND = 10


def read_text(path: Path, encoding: str | None = None) -> tuple[str, str]:
    """Read a text file.

    Args:
        path: The file.
        encoding: The name of its encoding in Python. Without it, the encoding of the file's byte order mark; else
            UTF-8; else the most likely encoding (see ``detect_encoding``).

    Returns:
        The text and its encoding.

    Raises:
        DataError: The file is missing or empty, its encoding is not known, or its bytes are not of one encoding; the
            message names the line.
    """
    content = _read(path)
    return _decode(path, content, encoding or detect_encoding(path, content), is_named=encoding is not None)


def _decode(path: Path, content: bytes, chosen: str, *, is_named: bool) -> tuple[str, str]:
    try:
        text = content.decode(chosen)
    except (LookupError, ValueError) as error:
        raise cannot_decode(path, content, chosen, error, is_named=is_named) from None
    check_text(path, text)
    if not text.strip():
        raise _empty(path)
    return text, chosen


def read_utf8(path: Path, encoding: str | None = None) -> tuple[bytes, str]:
    """Read a text file as UTF-8 without a byte order mark, whatever its encoding.

    Returns:
        The bytes in UTF-8 and the encoding of the file.

    Raises:
        DataError: As of ``read_text``.
    """
    content = _read(path)
    chosen = encoding or detect_encoding(path, content)
    is_utf8 = chosen == "utf-8" and b"\0" not in content and (encoding is None or content.isascii())
    if is_utf8 and (_SIGN.search(content) or content.decode().strip()):
        return content, chosen
    text, chosen = _decode(path, content, chosen, is_named=encoding is not None)
    return text.encode(), chosen


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise cannot_read(path, error) from None
    if not content or content.isspace():
        raise _empty(path)
    return content


def _empty(path: Path) -> DataError:
    return DataError(f"{path}: expected text, got an empty file. Check the file.")


def check_text(path: Path, text: str, line: int = 1) -> None:
    """Refuse a text with a zero byte, or with half of a pair of codes that only together are a character.

    Args:
        path: The file, for messages.
        text: The text.
        line: The number of its first line.

    Raises:
        DataError: It has; the message names the line.
    """
    if found := _NO_TEXT.search(text):
        at = line + text.count("\n", 0, found.start())
        got = "a zero byte" if found[0] == "\0" else f"the code 0x{ord(found[0]):x}, which no character has"
        raise DataError(f"{path}:{at}: expected text, got {got}. Check that it is a text file.")


def decoder_of(path: Path, encoding: str) -> codecs.IncrementalDecoder:
    """Return what decodes the pieces of a text.

    Raises:
        DataError: Python knows no such encoding of texts.
    """
    try:
        "a".encode(encoding)  # which knows the codecs that are no encodings of texts
        return codecs.getincrementaldecoder(encoding)()
    except (LookupError, ValueError) as error:
        raise cannot_decode(path, b"", encoding, error, is_named=True) from None


def cannot_decode(path: Path, content: bytes, encoding: str, error: Exception, *, is_named: bool) -> DataError:
    """Return the error that names the line and the byte, or the encoding that Python does not know."""
    if not isinstance(error, UnicodeDecodeError) or error.start >= len(content):
        return DataError(f'{path}: unknown encoding "{encoding}". Name one that Python knows: utf-8')
    line = content[: error.start].count(b"\n") + 1
    remedy = "Name another encoding" if is_named else "Check that it is a text file"
    return DataError(f"{path}:{line}: expected {encoding}, got the byte 0x{content[error.start]:02x}. {remedy}.")


def read_lines(stream: BinaryIO) -> list[str]:
    """Read the lines of UTF-8 on the standard input, without empty lines.

    Raises:
        DataError: A line is in another encoding.
    """
    lines = []
    for number, line in enumerate(stream, 1):
        try:
            lines.append(line.decode("utf-8").rstrip("\r\n"))
        except UnicodeDecodeError as error:
            raise DataError(
                f"standard input:{number}: expected utf-8, got the byte 0x{line[error.start]:02x}. "
                "Convert it: iconv -t utf-8"
            ) from None
    return [line for line in lines if line.strip()]


def starting_encoding(start: bytes) -> str | None:
    """Return the encoding of the byte order mark at the start of a file, or None without one."""
    return next((encoding for mark, encoding in _BYTE_ORDER_MARKS.items() if start.startswith(mark)), None)


def detect_encoding(path: Path, content: bytes) -> str:
    """Return the encoding of a file: that of its byte order mark, UTF-8, or the most likely one of the web's.

    Raises:
        DataError: Only some of the text is UTF-8, or two encodings are as likely and read different texts.
    """
    if marked := starting_encoding(content):
        return marked
    if content.isascii():
        return _seven_bits(content)
    wrong = _first_beyond_utf8(content)
    if wrong is None:
        return "utf-8"
    if content.decode("utf-8", "replace").count("\ufffd") <= len(_UTF8_SEQUENCES.findall(content)):
        line = content[:wrong].count(b"\n") + 1
        raise DataError(
            f"{path}:{line}: expected UTF-8 as in the rest of the file, got the byte 0x{content[wrong]:02x}. "
            "Save the file in one encoding, or name it: encoding: cp1252"
        )
    return _most_likely(path, content)


def can_be(path: Path, encoding: str) -> bool:
    """Return True if a file is not UTF-8 and can be of an encoding; False if there is no such file."""
    try:
        content = path.read_bytes()
        if starting_encoding(content) or _first_beyond_utf8(content) is None:
            return False
        content.decode(encoding)
    except (OSError, ValueError):
        return False
    return True


def _seven_bits(content: bytes) -> str:
    """Return the encoding of bytes below 128: UTF-16 where every other one is zero, Japanese mail, or UTF-8."""
    start = content[:_DETECTION_BYTES]
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(start) > 1 and not any(start[offset::2]):
            return encoding
    return "iso2022_jp" if any(mark in content for mark in (b"\x1b$B", b"\x1b$@")) else "utf-8"


def _first_beyond_utf8(content: bytes) -> int | None:
    """Return the index of the first byte that is not UTF-8; piece by piece, as a str takes up to four times as much."""
    begin = 0
    while begin < len(content):
        end = min(begin + _PIECE, len(content))
        while begin < end < len(content) and content[end] & 0xC0 == 0x80 and end > begin + _PIECE - 4:
            end -= 1
        try:
            content[begin:end].decode("utf-8")
        except UnicodeDecodeError as error:
            return begin + error.start
        begin = end
    return None


def _most_likely(path: Path, content: bytes) -> str:
    import chardet  # which costs 100 ms that files in UTF-8 do not need

    sample = b"".join(_LINES_BEYOND_ASCII.findall(content))[:_DETECTION_BYTES]
    found = chardet.detect_all(sample, include_encodings=_ENCODINGS, ignore_threshold=True)
    readings: dict[str, list[tuple[float, str]]] = {}
    for one in found:
        name = codecs.lookup(one["encoding"] or "cp1252").name
        try:
            content.decode(name)
        except UnicodeDecodeError:
            continue
        text = sample.decode(name, "ignore")
        if not _CONTROLS.search(text):
            readings.setdefault(text, []).append((one["confidence"], name))
    is_ascii = _is_mostly_ascii(sample)
    readings = {text: names for text, names in readings.items() if not _mixes_scripts(text)} or readings
    if not readings:
        raise DataError(f"{path}: cannot tell its encoding. Name it: encoding: cp1252")
    ranked = sorted(((max(names)[0], text) for text, names in readings.items()), reverse=True)
    close = [text for likelihood, text in ranked if likelihood > _CLOSE * ranked[0][0]]
    fewest = min(len(_WITHIN_WORDS.findall(text)) for text in close)
    close = [text for text in close if len(_WITHIN_WORDS.findall(text)) == fewest]
    if is_ascii:
        latin = [text for _, text in ranked if not _NOT_LATIN.search(text)]
        if all(_has_single_letters(text) for text in close):
            close += latin[:1]
        close.sort(key=lambda text: text not in latin)
    names = [_usual(readings[text]) for text in close]
    if len(close) > 1:
        shown = [f'"{excerpt}" ({name})' for excerpt, name in zip(_differences(close), names, strict=True)][:4]
        raise DataError(
            f"{path}: cannot tell if it says {', '.join(shown[:-1])} or {shown[-1]}. "
            f"Name its encoding: encoding: {names[0]}"
        )
    return names[0]


def _usual(names: list[tuple[float, str]]) -> str:
    """Return Windows-1252 if it is among encodings that read the same text, else the most likely."""
    return next((name for _, name in names if name == "cp1252"), max(names)[1])


def _mixes_scripts(text: str) -> bool:
    """Return True if many words of a text have a letter or two of another script, and few words are all of it.

    So a Latin word with accents looks where it is read wrongly; a brand in a Russian word stands beside Russian words.
    """
    words = _BEYOND_ASCII.findall(text)
    runs = [max(map(len, re.findall(f"[{_OTHER}]+", word)), default=0) for word in words]
    mixed = sum(_OF_TWO_SCRIPTS.search(word) is not None and run < _WORD for word, run in zip(words, runs, strict=True))
    others = sum(run >= _WORD for run in runs)
    return mixed > _MOST_OF_TWO_SCRIPTS * len(words) and 2 * others < mixed


def _is_mostly_ascii(text: bytes) -> bool:
    """Return True if most words of a text are of ASCII letters: then the other ones are of the Latin alphabet too."""
    words = re.findall(rb"[A-Za-z\x80-\xff]+", text)
    return bool(2 * sum(word.isascii() for word in words) > len(words))


def _has_single_letters(text: str) -> bool:
    """Return True if a text has letters of another alphabet, but no two of them together."""
    letters = re.findall(f"[{_OTHER}]+", text)
    return bool(letters) and all(len(one) == 1 for one in letters)


def _differences(texts: list[str]) -> list[str]:
    """Return what differs in each text: the first word that does, and more of them until no two are the same."""
    found = [""] * len(texts)
    for words in zip(*(re.split(r"[ \t\r\n]+", text) for text in texts), strict=False):
        first = next((at for at, signs in enumerate(zip_longest(*words)) if len(set(signs)) > 1), None)
        if first is None:
            continue
        begin = max(0, first - _QUOTED_AROUND)
        excerpts = [word[begin : first + _QUOTED_AROUND].strip() for word in words]
        longer = [" ... ".join(filter(None, pair)) for pair in zip(found, excerpts, strict=True)]
        if len(set(longer)) > len(set(found)):
            found = longer
        if len(set(found)) == len(texts):
            break
    return found
