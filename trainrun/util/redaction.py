"""Secrets out of what is written down: passwords in addresses, and values of keys that hold secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"
_USERINFO = re.compile(r"(?<=://)[^\s/?#]*@")
_SECRET_WORDS = r"(?:password|passwd|secret|token|api[_-]?key|access[_-]?key|credentials?)"
# Whole words only: `num_tokens` and `token_length` hold no secret.
_SECRET_KEY = re.compile(rf"^(?:.*[_.-])?{_SECRET_WORDS}$", re.IGNORECASE)
_ASSIGNED = re.compile(rf"((?:^|[?&;\s_.+-]){_SECRET_WORDS}\s*=\s*)[^\s&;,)\]}}]+", re.IGNORECASE)


def text(value: str) -> str:
    """Return a text without `user:password@` in addresses and without the values of `password=…` and such.

    Example:
        >>> text("https://me:pw@host/path?token=abc")
        'https://***@host/path?token=***'
    """
    return _ASSIGNED.sub(rf"\1{HIDDEN}", _USERINFO.sub(f"{HIDDEN}@", value))


def tree(value: Any) -> Any:
    """Return nested dicts and lists with every text redacted, and values of keys that hold secrets hidden."""
    if isinstance(value, Mapping):
        return {
            k: HIDDEN if isinstance(v, str) and v and _SECRET_KEY.match(str(k)) else tree(v)
            for k, v in value.items()
        }
    if isinstance(value, list | tuple):
        return [tree(v) for v in value]
    return text(value) if isinstance(value, str) else value
