"""Text files, read whole; those that cannot be read are named."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from trainrun.data import _encoding
from trainrun.data._faults import Fault

# Files that the preflight check reads.
SAMPLE = 100
# Faulty files that are named.
NAMED = 10
THREADS = 8


def read(files: Sequence[str], encoding: str | None) -> tuple[list[str], list[Fault]]:
    """Return the text of each file, and the files that cannot be read.

    Args:
        files: their paths.
        encoding: of the text; None: UTF-8, with or without a byte-order mark, or UTF-16 by its mark.
    """
    try:
        name = codecs.lookup(encoding or _encoding.UTF_8).name
    except LookupError:
        message = f"expected the name of a text encoding (utf-8, cp1252, utf-16), got {encoding!r}."
        return [], [("encoding", message)]

    def text(file: str) -> str | Fault:
        try:
            with open(file, "rb") as stream:
                marked = _encoding.by_mark(stream.read(4)) if encoding is None else None
            with open(file, encoding=marked or name) as stream:
                return stream.read()
        except UnicodeError as error:
            message = f"{file} is not text in {name.removesuffix('-sig')}: {error}. Western European text: data.encoding={_encoding.OTHER}."
            return "path", message
        except OSError as error:
            return "path", f"{file} cannot be read: {error.strerror}."

    with ThreadPoolExecutor(THREADS) as pool:
        texts = list(pool.map(text, files))
    wrong = [fault for fault in texts if isinstance(fault, tuple)]
    more = [("path", f"and {len(wrong) - NAMED} more files.")] if len(wrong) > NAMED else []
    return texts, [*wrong[:NAMED], *more]


def read_later(files: Sequence[str], trained: str | None) -> tuple[list[str], list[Fault], str]:
    """Return as `read` does the text of files that come after the training, and a warning of the first one whose encoding is a guess, or "".

    Args:
        files: their paths.
        trained: `data.encoding` of the training.
    """
    texts: list[str] = []
    faults: list[Fault] = []
    warning = ""
    for file in files:
        try:
            with open(file, "rb") as stream:
                found = _encoding.of_later_file(stream, trained)
        except OSError:  # `read` names it
            found = _encoding.Encoding(_encoding.UTF_8)
        if found.guess and not warning:
            warning = _encoding.guessed(file, found.guess)
        text, wrong = read([file], found.name)
        texts += text
        faults += wrong
    return texts, faults, warning
