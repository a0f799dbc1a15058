"""The tables of Keras' classes, held against the signatures of the installed Keras."""

from __future__ import annotations

import inspect
import re
from typing import Annotated, get_args, get_origin

import pytest

from trainrun.registry import lookup
from trainrun.registry.declaration_reader import keras_table
from trainrun.util.arguments import Reference

GROUPS = (
    "callback",
    "constraint",
    "initializer",
    "layer",
    "loss",
    "metric",
    "optimizer",
    "regularizer",
    "schedule",
)


def arguments(group, name):
    """Return the arguments of a Keras class, those of the classes above it included where it passes them on."""
    known, made = set(), lookup.find(group, name).load()
    if not isinstance(made, type):  # a function that makes a layer
        return set(inspect.signature(made).parameters)
    for cls in inspect.getmro(made):
        if "__init__" in vars(cls) and cls is not object:
            parameters = inspect.signature(cls.__init__).parameters
            known |= set(parameters)
            if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
                break
    return known


def classes(group):
    """Return the names of Keras' classes that a config may choose."""
    return [name for name in lookup.keras_names(group) if name in lookup.names(group)]


def refers_to(hint):
    """Return the group that a hint refers to, or None."""
    if get_origin(hint) is Annotated:
        return next((m.group for m in get_args(hint)[1:] if isinstance(m, Reference)), None)
    return next((group for part in get_args(hint) if (group := refers_to(part))), None)


@pytest.mark.parametrize("group", [g for g in GROUPS if g != "layer"])
def test_every_argument_of_a_table_is_one_of_the_class(group):
    table = keras_table(group, "ARGUMENTS")
    unknown = {name: set(hints) - arguments(group, name) for name, hints in table.items()}
    assert {name: extra for name, extra in unknown.items() if extra} == {}


@pytest.mark.parametrize("group", ["layer", "optimizer", "loss", "metric"])
def test_every_initializer_regularizer_and_constraint_of_keras_is_a_reference(group):
    missing = []
    for name in classes(group):
        hints = keras_table(group, "ARGUMENTS").get(name, {})
        for argument in arguments(group, name):
            ending = re.search(r"(initializer|regularizer|constraint)$", argument)
            if ending and refers_to(hints.get(argument)) != ending[1]:
                missing.append(f"{name}.{argument}")
    assert missing == []


def test_layers_inside_layers_are_references():
    missing = [
        f"{name}.{argument}"
        for name in classes("layer")
        for argument in inspect.signature(lookup.find("layer", name).load()).parameters
        if argument in ("layer", "backward_layer", "cell", "cells", "layers")
        and refers_to(keras_table("layer", "ARGUMENTS")[name].get(argument)) != "layer"
    ]
    assert missing == []
