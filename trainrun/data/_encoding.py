"""The encoding of a text file: how messages name it, and how the bytes of a file tell it that comes after the training."""

from __future__ import annotations

import codecs
from typing import IO, NamedTuple

UTF_8 = "utf-8-sig"
# The most common encoding besides UTF-8: Western European Windows.
OTHER = "cp1252"
OTHER_IN_WORDS = "Western European, also called latin-1"
BYTE_ORDER_MARKS = {b"\xff\xfe\0\0": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
UNICODE = ("utf-8", "utf-16", "utf-32")
# Bytes that a message shows before and after an invalid one.
SHOWN_AROUND = 8
# Bytes that are decoded at once.
BLOCK = 2**20


class Encoding(NamedTuple):
    """An encoding.

    Args:
        name: of the encoding.
        guess: what it reads at the first byte beyond UTF-8, if it is not the training file's either; "": it is no guess.
    """

    name: str
    guess: str = ""


def of_later_file(stream: IO[bytes], trained: str | None) -> Encoding:
    """Return the encoding of a file: by its byte-order mark; UTF-8 if all its bytes are; else the training file's; else Western European.

    Args:
        stream: its bytes, from the first one.
        trained: `data.encoding` of the training; None: UTF-8.
    """
    block = stream.read(BLOCK)
    if marked := by_mark(block):
        return Encoding(marked)
    if b"\0" in block:
        return Encoding(unmarked_utf_16(block) or trained or UTF_8)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while block:
            decoder.decode(block)
            block = stream.read(BLOCK)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        if trained is not None and not codecs.lookup(trained).name.startswith(UNICODE):
            return Encoding(trained)
        return Encoding(OTHER, _read_as_other(error))
    return Encoding(UTF_8)


def by_mark(start: bytes) -> str | None:
    """Return the encoding of a file that begins with a byte-order mark other than that of UTF-8, or None."""
    return next((name for mark, name in BYTE_ORDER_MARKS.items() if start.startswith(mark)), None)


def unmarked_utf_16(start: bytes) -> str | None:
    """Return the byte order of text in UTF-16 without a byte-order mark; None: it is none."""
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        half = start[offset:2000:2]
        if half.count(0) > 0.8 * len(half) and start[1 - offset : 2000 : 2].count(0) < 0.2 * len(half):
            return encoding
    return None


def guessed(file: object, guess: str) -> str:
    """Return the warning of a file whose encoding is a guess; see `Encoding`."""
    return f"{file} is not text in UTF-8. It is read in {OTHER} ({OTHER_IN_WORDS}): {guess!r}. If that is wrong, save it as UTF-8."


def fault(file: object, encoding: str, error: UnicodeError) -> str:
    """Return the message for a file that cannot be decoded."""
    name = "UTF-8" if encoding == UTF_8 else encoding
    message = f"{file} cannot be read as text in {name}: {error}. Save it as UTF-8, or name its encoding: "
    if not isinstance(error, UnicodeDecodeError):
        return f"{message}data.encoding."
    return f"{message}data.encoding={OTHER} ({OTHER_IN_WORDS}) would read {_read_as_other(error)!r}."


def _read_as_other(error: UnicodeDecodeError) -> str:
    """Return what the other encoding reads around a byte that UTF-8 does not have."""
    start = max(0, error.start - SHOWN_AROUND)
    return error.object[start : error.start + SHOWN_AROUND].decode(OTHER, "replace")
