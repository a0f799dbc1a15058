"""Which dataset reads a file, by its first bytes: for messages of one that does not."""

from __future__ import annotations

import zipfile
from pathlib import Path

from trainrun.errors import listed

# Beginning of a file -> what it is.
MAGIC = {
    b"PAR1": "It is a Parquet file: data=parquet.",
    b"ARROW1": "It is a Feather file: data=feather.",
    b"\x93NUMPY": "It is an array: save it by numpy.savez and take data=npz.",
    b"\x89PNG": "It is an image: data=image_folder.",
    b"\xff\xd8\xff": "It is an image: data=image_folder.",
}
BEGINNING = 1000
# Beginning of a ZIP archive, a file that Excel's have, and files of an archive that a message names.
ZIP, WORKBOOK, NAMED = b"PK\x03\x04", "[Content_Types].xml", 3


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
    return known or ("" if b"\0" in start or not _is_text(start) else "It is text: data=csv.")


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
