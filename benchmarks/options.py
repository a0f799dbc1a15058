"""Types of the benchmarks' command-line options. A value that fits nothing is an error, exit code 2, before anything is measured."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Collection

# A warm process of the person who measures would change what is measured.
os.environ["TRAINRUN_WARM"] = "0"


def at_least(minimum: int) -> Callable[[str], int]:
    """Return a type that reads a whole number of at least `minimum`."""

    def number(text: str) -> int:
        if not text.strip().isdigit() or int(text) < minimum:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {minimum}, got {text!r}")
        return int(text)

    return number


def numbers(minimum: int) -> Callable[[str], list[int]]:
    """Return a type that reads whole numbers of at least `minimum`, parted by commas."""
    return lambda text: [at_least(minimum)(part) for part in text.split(",")]


def names(known: Collection[str], parts: bool = False) -> Callable[[str], list[str]]:
    """Return a type that reads names, parted by commas.

    Args:
        known: all names.
        parts: a word stands for all names that hold it; else for the name itself.
    """

    def chosen(text: str) -> list[str]:
        words = [word.strip() for word in text.split(",")]
        matches = {word: [n for n in known if (word in n if parts else word == n)] for word in words}
        if unknown := [word for word in words if not word or not matches[word]]:
            raise argparse.ArgumentTypeError(
                f"expected some of {', '.join(known)}; got {', '.join(map(repr, unknown))}"
            )
        return list(dict.fromkeys(name for word in words for name in matches[word]))

    return chosen
