"""Names that look the same and are written with other characters: of another script, invisible, blanks at the ends, or composed otherwise."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from trainrun.errors import UNSEEN

# Letters of other scripts that look like Latin ones.
_LATIN = str.maketrans(
    "аеорсухіјѕԁһАВЕКМНОРСТУХІЈЅ" + "οαρνιΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aeopcyxijsdhABEKMHOPCTYXIJS" + "oapviABEZHIKMNOPTYX",
)


def appearance(text: str) -> str:
    """Return a text in the characters that it looks like."""
    seen = UNSEEN.sub("", unicodedata.normalize("NFC", text))
    # Full-width letters; other compatibility forms (x², ½) do look different.
    narrow = (unicodedata.normalize("NFKC", c) if "\uff01" <= c <= "\uff5e" else c for c in seen)
    return " ".join("".join(narrow).translate(_LATIN).split())


def pair(names: Iterable[str]) -> tuple[str, str] | None:
    """Return the first two of different names that look the same, or None."""
    return _first_pair((name, _seen(name)) for name in names)


def but_for_case(names: Iterable[str]) -> tuple[str, str] | None:
    """Return the first two of different names that look the same or differ in case only, or None."""
    return _first_pair((name, _seen(name).casefold()) for name in names)


def _seen(name: str) -> str:
    return name.strip() if name.isascii() and name.isprintable() else appearance(name)


def _first_pair(names: Iterable[tuple[str, str]]) -> tuple[str, str] | None:
    first: dict[str, str] = {}
    for name, other in names:
        if first.setdefault(other, name) != name:
            return first[other], name
    return None


def difference(one: str, other: str) -> str:
    """Return in words what tells two such names apart: the characters of the second that the first does not have."""
    codes = [f"U+{ord(c):04X}" for c in dict.fromkeys(other) if c not in one]
    codes = codes or [f"U+{ord(c):04X}" for c in dict.fromkeys(one) if c not in other]
    return f"they look the same, but one has {', '.join(codes)}" if codes else "they look the same"
