"""Annotations in a source file as type hints, without running the file."""

from __future__ import annotations

import ast
import os
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Optional, Union

import pytest

from trainrun.registry import annotations
from trainrun.util import arguments
from trainrun.util.arguments import Form, Range, Reference

FILE = """
import typing
import typing as t
import keras
import own
from trainrun.util import arguments
from .words import Index, Share as Part
from keras.optimizers import Optimizer
from typing import Annotated, Literal as Words
from trainrun.util.arguments import Count, Decay as Momentum, Range
LOW = 2
KINDS = ("a", "b")
Share = Annotated[float, Range(0, LOW / 4)]
Own = Own2
Own2 = Own
class Mine: ...
class Mode: ...
"""


def evaluated(annotation):
    return annotations.evaluated(ast.parse(annotation, mode="eval").body, ast.parse(FILE))


@pytest.mark.parametrize(
    ("annotation", "hint"),
    [
        ("int", int),
        ("None", None),
        ("float | None", Union[float, None]),  # noqa: UP007 - as the file is written
        ("typing.Optional[int]", Optional[int]),  # noqa: UP045
        ("list[int]", list[int]),
        ("tuple[int, ...]", tuple[int, ...]),
        ("typing.Sequence[float]", Sequence[float]),
        ("t.Sequence[float]", Sequence[float]),
        ("Sizes", arguments.Sizes),
        ("'int | None'", Union[int, None]),  # noqa: UP007
        ('Words["x", 1, None]', Literal["x", 1, None]),
        ("Words[KINDS]", Literal["a", "b"]),
        ("Count", arguments.Count),
        ("Momentum", arguments.Decay),
        ("arguments.Sizes", arguments.Sizes),
        ("Share", Annotated[float, Range(0, 0.5)]),
        ("Annotated[float, Range(above=-1, high=LOW)]", Annotated[float, Range(above=-1, high=2)]),
        ('Annotated[Any, Reference("loss")]', Annotated[Any, Reference("loss")]),
        ('Annotated[Any, Form("path")]', Annotated[Any, Form("path")]),
        ("keras.Layer", Annotated[Any, Reference("layer")]),
        ("Optimizer", Annotated[Any, Reference("optimizer")]),
        ("list[keras.layers.Layer]", list[Annotated[Any, Reference("layer")]]),
    ],
)
def test_an_annotation_is_the_hint_that_python_makes_of_it(annotation, hint):
    assert evaluated(annotation) == hint


@pytest.mark.parametrize(
    "annotation",
    [
        "Mine",
        "Mode",
        "Index",
        "Part",
        "own.Precision",
        "unknown.Thing",
        "make()",
        "Own",
        "'int |'",
        "Words[unknown]",
        "lambda: int",
    ],
)
def test_what_only_running_the_file_tells_allows_everything(annotation):
    assert evaluated(annotation) is Any


def test_a_mark_with_wrong_arguments_limits_nothing():
    assert evaluated('Annotated[float, Range("0")]') == Annotated[float, Any]
    assert evaluated("Annotated[float, Range(0, 1, 2, 3, 4)]") == Annotated[float, Any]


def test_no_annotation_allows_everything():
    assert annotations.evaluated(None, ast.parse("")) is Any


def test_a_file_that_has_changed_is_read_again(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("A = 1\n")
    assert ast.unparse(annotations.parsed(path)) == "A = 1"
    path.write_text("A = 2\n")
    os.utime(path, ns=(1, 1))
    assert ast.unparse(annotations.parsed(path)) == "A = 2"
