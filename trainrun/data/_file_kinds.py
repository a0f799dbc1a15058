"""Which dataset reads a file, by its first bytes: for messages of one that does not."""

from __future__ import annotations

from pathlib import Path

# Beginning of a file -> what it is.
MAGIC = {
    b"PAR1": "It is a Parquet file: data=parquet.",
    b"ARROW1": "It is a Feather file: data=feather.",
    b"PK\x03\x04": "For arrays take data=npz; save an Excel workbook as CSV.",
    b"\x93NUMPY": "It is an array: save it by numpy.savez and take data=npz.",
    b"\x89PNG": "It is an image: data=image_folder.",
    b"\xff\xd8\xff": "It is an image: data=image_folder.",
}
BEGINNING = 1000


def advice(path: Path) -> str:
    """Return what a file is and which dataset reads it; "": it is none of these."""
    try:
        with path.open("rb") as stream:
            start = stream.read(BEGINNING)
    except OSError:
        return ""
    known = next((words for mark, words in MAGIC.items() if start.startswith(mark)), "")
    # Files of other kinds have NULs in their first bytes.
    return known or ("" if b"\0" in start or not _is_text(start) else "It is text: data=csv.")


def _is_text(start: bytes) -> bool:
    try:
        start[:-4].decode("utf-8")  # its end may lie within a letter
    except UnicodeError:
        return False
    return True
