"""Annotations that declare the values of a component's argument: `gamma: Annotated[float, Range(0)]`.

Python's own annotations count as well: `int`, `float`, `bool`, `str`, `list[int]`, `Literal["sum", "mean"]`, `float | None`.
`registry.signatures` reads them from the source without importing it; `registry.keras` has them for Keras' classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal


@dataclass(frozen=True)
class Range:
    """The allowed numbers of an argument; of a list, of each of its numbers.

    Args:
        low, high: smallest and largest value.
        above, below: limits that are no values themselves.

    Example:
        >>> dropout: Annotated[float, Range(0, below=1)]
    """

    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None


@dataclass(frozen=True)
class Reference:
    """The argument names a component of another group, and the component receives it built.

    Args:
        group: ``regularizer``, ``optimizer``, ``layer`` …

    Example:
        >>> kernel: Annotated[Any, Reference("regularizer")]
        >>> blocks: Annotated[list, Reference("layer")]
    """

    group: str


@dataclass(frozen=True)
class Form:
    """A text in a notation of its own.

    Args:
        name: ``length`` (of training), ``duration``, ``path`` (of a file in the run's directory) or ``name``.
    """

    name: Literal["length", "duration", "path", "name"]


# A number of steps, or `3epochs`, `0.5run`, `50%`; the component receives it in steps.
TrainingLength = Annotated[Any, Form("length")]
# Seconds, or `90s`, `1h30m`.
Duration = Annotated[Any, Form("duration")]
# A file or folder in the run's directory; the component receives the whole path.
RunPath = Annotated[Any, Form("path")]
# A text of the user's own data, as a column's name; one such as 2019_01 or yes arrives as the number or truth value it is read as.
Name = Annotated[Any, Form("name")]

Positive = Annotated[float, Range(above=0)]
NotNegative = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1)]
# A momentum, a beta or a dropout rate: 1 would never forget, or drop everything.
Decay = Annotated[float, Range(0, below=1)]
Count = Annotated[int, Range(1)]
Index = Annotated[int, Range(0)]
Sizes = Annotated[int | Sequence[int], Range(1)]
Reduction = Literal["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None]
Mode = Literal["auto", "min", "max"]
Precision = Literal["float32", "mixed_float16", "mixed_bfloat16", "bfloat16", "float64"]
# How texts become tokens, in the words of `keras.layers.TextVectorization`.
TextStandardize = Literal["lower_and_strip_punctuation", "lower", "strip_punctuation", None]
TextTokens = Literal["whitespace", "character"]
Initializer = Annotated[Any, Reference("initializer")]
Regularizer = Annotated[Any, Reference("regularizer")]
Constraint = Annotated[Any, Reference("constraint")]
