"""Words with letters beyond ASCII in the value of an override, which Hydra's grammar reads in quotes only."""

from __future__ import annotations

import re

# A text in quotes, or a word: of a list or a choice, each by itself.
_PIECE = re.compile(r""""[^"]*"|'[^']*'|[^,()\[\]{}'"]+""")


def quoted(override: str) -> str:
    """Return an override with its words of other letters in quotes: ``data.target=größe`` is ``data.target="größe"``.

    What chooses an option, ``optimizer=…``, stays as typed: there, such a letter is one that only looks like an ASCII one. So do keys of
    dictionaries, for which Hydra knows no quotes, and values with escapes or interpolations.
    """
    key, equals, value = override.partition("=")
    if (
        value.isascii()
        or not key.isascii()
        or ("." not in key and key != "name")
        or "\\" in value
        or "${" in value
    ):
        return override
    if re.search("['\"]", _PIECE.sub("", value)):  # an open quotation mark
        return override
    return key + equals + _PIECE.sub(lambda match: _quoted(match[0], value.startswith("{")), value)


def _quoted(piece: str, in_dictionary: bool) -> str:
    before, colon, word = piece.rpartition(": ") if in_dictionary else ("", "", piece)
    text = word.strip()
    if text.isascii() or text[0] in "\"'" or not before.isascii() or (in_dictionary and ":" in text):
        return piece
    return f"{before}{colon}{word.replace(text, chr(34) + text + chr(34))}"
