"""Lengths of training as text."""

from __future__ import annotations

import inspect

import pytest

from trainrun.registry import lookup, option_files, signatures
from trainrun.util.lengths import Length, parse, to_steps


@pytest.mark.parametrize(
    "value, steps",
    [
        (1000, 1000),
        (1000.0, 1000),
        ("1000", 1000),
        ("1e3", 1000),
        ("1000steps", 1000),
        ("1 step", 1),
        (0, 0),
        ("0run", 0),
        ("3epochs", 150),
        ("1 epoch", 50),
        ("1epoch", 50),
        ("0.5 epochs", 25),
        ("1run", 400),
        ("0.5run", 200),
        (".25run", 100),
        ("50%", 200),
        (" 12.5 % ", 50),
    ],
)
def test_reads_steps_epochs_and_shares_of_the_run(value, steps):
    assert parse(value).steps(total_steps=400, steps_per_epoch=50) == steps


@pytest.mark.parametrize(
    "value",
    ["", "run", "soon", "-3", "-1epochs", "3 weeks", "0.5", 1.5, "1.5steps", True, None, "nan", "1run2", []],
)
def test_refuses_anything_else_with_an_example(value):
    with pytest.raises(ValueError, match=r"for example 1000 \(steps\), 3epochs, 0\.5run"):
        parse(value)


def test_rounds_to_at_least_one_step():
    assert Length(0.5, "run").steps(7, 7) == 4
    assert Length(0.001, "run").steps(7, 7) == 1
    assert Length(0.0, "run").steps(7, 7) == 0


@pytest.mark.parametrize("text", ["1000", "3epochs", "0.5run"])
def test_prints_as_it_is_written(text):
    assert str(parse(text)) == text
    assert parse(str(parse(text))) == parse(text)


def test_converts_lists_and_leaves_none():
    assert to_steps(["0.5run", "1epoch", 3], 100, 10) == [50, 10, 3]
    assert to_steps("2epochs", 100, 10) == 20
    assert to_steps(None, 100, 10) is None


@pytest.mark.parametrize("group", ["schedule", "optimizer"])
def test_each_argument_that_counts_steps_is_a_length(group):
    others = {"gradient_accumulation_steps", "ns_steps"}  # batches to an update, iterations within a step
    for option in option_files.options(group).values():
        component = lookup.find(group, option.arguments["name"]) if not option.alias_of else None
        for name in inspect.signature(component.load()).parameters if component else ():
            if name.endswith("_steps") and name not in others:
                assert name in signatures.lengths(component), f"{option.name}: {name}"
