"""Which dataset reads a file, by its first bytes: for messages of one that does not."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from trainrun.data import _encoding
from trainrun.errors import listed

# Beginning of a file -> what it is.
MAGIC = {
    b"PAR1": "It is a Parquet file: data=parquet.",
    b"ARROW1": "It is a Feather file: data=feather.",
    b"\x93NUMPY": "It is an array: save it by numpy.savez and take data=npz.",
    b"\x89PNG": "It is an image: data=image_folder.",
    b"\xff\xd8\xff": "It is an image: data=image_folder.",
}
# Beginning of a text -> what it is, if it is no table.
TEXTS = {
    r'\s*(\{\s*"|\[\s*[\[{])': "It is JSON: pandas.read_json(…, lines=True).to_parquet(…) makes a table of lines of it.",
    r"\s*<(\?xml|!doctype|html)": "It is a page or XML, as a server sends in place of a file: open it.",
    r"version https://git-lfs": "It is a pointer of Git LFS in place of the file: git lfs pull.",
}
BEGINNING = 1000
# Beginning of a ZIP archive, a file that Excel's have, and files of an archive that a message names.
ZIP, WORKBOOK, NAMED = b"PK\x03\x04", "[Content_Types].xml", 3
IS_TEXT = "It is text: data=csv."


def advice(path: Path) -> str:
    """Return what a file is and which dataset reads it; "": it is none of these."""
    try:
        with path.open("rb") as stream:
            start = stream.read(BEGINNING)
    except OSError:
        return ""
    known = next((words for mark, words in MAGIC.items() if start.startswith(mark)), "")
    if start.startswith(ZIP):
        return _of_archive(path)
    # Files of other kinds have NULs in their first bytes.
    return known or ("" if b"\0" in start or not _is_text(start) else IS_TEXT)


def of_text(text: str) -> str:
    """Return what a text is that is no table; "": it may be one."""
    return next((words for start, words in TEXTS.items() if re.match(start, text, re.IGNORECASE)), "")


def with_nul(path: Path, start: bytes) -> str:
    """Return the message for a file that contains NUL bytes."""
    kind = advice(path)
    if kind == IS_TEXT:
        line = start[: start.index(b"\0")].count(b"\n") + 1
        return f"{path}, line {line}: a NUL byte, which is no text. Remove it: tr -d '\\000' < {path} > clean.csv"
    return f"{path} is no text file. {kind or _without_mark(start)}"


def _without_mark(start: bytes) -> str:
    """Return the advice for a file of no known kind that contains NUL bytes."""
    if (encoding := _encoding.unmarked_utf_16(start)) is not None:
        return f"If it is text in UTF-16 without a byte-order mark: data.encoding={encoding}."
    return "Expected comma-separated text in UTF-8; for arrays take data=npz."


def _of_archive(path: Path) -> str:
    """Return what a ZIP archive is."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return "It is a damaged ZIP archive."
    if WORKBOOK in names:
        return "It is an Excel workbook: save it as CSV."
    if names and all(name.endswith(".npy") for name in names):
        return "It holds arrays: data=npz."
    return f"It is a ZIP archive of {listed(names, NAMED)}: unpack it."


def _is_text(start: bytes) -> bool:
    try:
        start[:-4].decode("utf-8")  # its end may lie within a letter
    except UnicodeError:
        return False
    return True
