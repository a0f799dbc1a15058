"""The paths by which configs name a model's weights: the names of the layers around a weight, and its own (`hidden_1/kernel`)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from trainrun.compat import keras_model_private
from trainrun.errors import Problem, listed
from trainrun.util import patterns

# Paths that a message names.
NAMED = 8


@dataclass(frozen=True)
class Weight:
    """One weight of a model.

    Args:
        path: names of the layers around it from the outside in, without the model's own, and its name.
        place: the same with its number in its layer for its name, as a `.weights.h5` file has it.
        variable: the Keras variable.
        layer: the layer that holds it.
    """

    path: str
    place: str
    variable: keras.Variable
    layer: keras.Layer


def weights(model: keras.Model) -> list[Weight]:
    """Return the weights of a model, each once, in the order of its layers; states of random generators are none.

    Args:
        model: built.
    """
    listed = list(_within(model, (), set()))
    paths: dict[str, int] = {}
    for weight in listed:
        paths[weight.path] = paths.get(weight.path, 0) + 1
    # Two of one name in a layer are told apart by their numbers.
    return [w if paths[w.path] == 1 else Weight(w.place, w.place, w.variable, w.layer) for w in listed]


def _within(layer: Any, around: tuple[str, ...], visited: set[int]) -> Iterator[Weight]:
    own: dict[str, Any] = {}
    if getattr(layer, "lora_enabled", False):  # it would save the merged kernel, which is no variable
        own = {str(i): variable for i, variable in enumerate(keras_model_private.own_variables(layer))}
    else:
        layer.save_own_variables(own)
    for number, variable in own.items():
        if isinstance(variable, keras.Variable) and id(variable) not in visited:
            visited.add(id(variable))
            yield Weight("/".join((*around, variable.name)), "/".join((*around, number)), variable, layer)
    for inner in keras_model_private.direct_layers(layer):
        if id(inner) not in visited:
            visited.add(id(inner))
            yield from _within(inner, (*around, inner.name), visited)


def shown(paths: Sequence[str]) -> str:
    """Return the first paths as a list in words."""
    return listed(paths, NAMED)


def dimensions(shape: Sequence[int]) -> str:
    """Return a shape as text, ``4×8``."""
    return "×".join(map(str, shape))


def unmatched(key: str, expressions: Iterable[str], paths: Sequence[str]) -> list[Problem]:
    """Return a problem for each regular expression that matches no path as a whole.

    Args:
        key: that holds the expressions.
        expressions: as in the config.
        paths: of all weights.
    """
    return [
        Problem(key, _unmatched(expression, paths))
        for expression in expressions
        if not any(patterns.any_matches([expression], path) for path in paths)
    ]


def _unmatched(pattern: str, paths: Sequence[str]) -> str:
    layers = list(dict.fromkeys(path.rpartition("/")[0] for path in paths))
    plain = re.sub(r"[^a-z0-9_/]+", "", pattern.lower())
    names = difflib.get_close_matches(plain, [*paths, *layers], n=5, cutoff=0.5)
    names = names or [p for p in paths if _words(pattern) & _words(p)] or list(paths)
    inside = [f"{layer}/.*" for layer in layers if re.fullmatch(pattern, layer)]
    way_out = f" Write {inside[0]}" if inside else " `trainrun check` lists all"
    return f"{pattern!r} matches the path of no weight. Near ones: {shown(names)}.{way_out}."


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{3,}", text.lower()))
