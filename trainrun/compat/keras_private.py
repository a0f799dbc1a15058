"""Keras' process-wide state: layer names, the global seed generator, tables of saving, stateless scopes.

Checked with Keras 3.15.1. Without one of these names the caller raises ImportError or AttributeError, except where a
function says otherwise.
"""

from __future__ import annotations

import collections
import functools
from typing import Any

# Global attributes of Keras, and the kinds of model parts that its saving looks up.
NAME_COUNTERS = "object_name_uids"
SKIP_LIST = "saving_attr_skiplist_"
KINDS = ("Functional", "Layer", "Loss", "Metric", "Operation", "Optimizer", "Sequential")


def name_counters() -> dict[str, int]:
    """Return the live counters by which Keras numbers layers (`dense`, `dense_1`, …) in this thread.

    For: trial jobs of the finders, which must not change the names of the run that follows; names are in checkpoints.
    Public API: `keras.utils.clear_session` only resets the counters, together with everything else.
    Checked: Keras 3.15.1. Missing: ImportError when a finder begins.
    """
    from keras.src.backend.common import global_state

    return global_state.get_global_attribute(
        NAME_COUNTERS, default=collections.defaultdict(int), set_to_default=True
    )


def uncast() -> Any:
    """Return a context in which variables have the dtype that they are stored in, also under mixed precision.

    For: rounding a weight as an export rounds it, not what is left of it in 16 bits.
    Public API: none. Checked: Keras 3.15.1. Missing: ImportError at the first step.
    """
    from keras.src.backend.common.variables import AutocastScope

    return AutocastScope(None)


def global_seed_generator() -> Any:
    """Return the seed generator that layers and `keras.random` functions without one of their own draw from.

    For: its state belongs into every checkpoint.
    Public API: `keras.utils.set_random_seed` replaces it; nothing returns it.
    Checked: Keras 3.15.1. Missing: ImportError at the first checkpoint.
    """
    from keras.src.random import seed_generator

    return seed_generator.global_seed_generator()


def set_global_seed_generator(generator: Any) -> None:
    """Make a seed generator the global one.

    For: a compiled step draws from the generator that was global when it was traced; a trial that reuses the step must
    have its own seed set in that one.
    Public API: none, see `global_seed_generator`.
    Checked: Keras 3.15.1. Missing: ImportError when a program is reused.

    Args:
        generator: a `keras.random.SeedGenerator`.
    """
    from keras.src.backend.common import global_state
    from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR

    global_state.set_global_attribute(GLOBAL_SEED_GENERATOR, generator)


def in_stateless_scope() -> bool:
    """Return whether variables are values of a `keras.StatelessScope`, which no device holds.

    For: Lookahead updates variables through tf.distribute, which a stateless scope does not have.
    Public API: `keras.StatelessScope` can be entered, not queried.
    Checked: Keras 3.15.1. Missing: AttributeError at the first step with Lookahead.
    """
    from keras.src import backend

    return backend.in_stateless_scope()


def stateless_scope() -> Any:
    """Return the `keras.StatelessScope` that is entered, or None.

    For: a `tf.cond` over many trials computes both branches, each with the scope's values as they were before it.
    Public API: none, see `in_stateless_scope`.
    Checked: Keras 3.15.1. Missing: AttributeError when a vectorized program is compiled; trials then run one by one.
    """
    from keras.src import backend

    return backend.get_stateless_scope()


def backing_variable(variable: Any) -> Any:
    """Return the `tf.Variable` (or the distributed one) inside a Keras variable; any other variable is returned as is.

    For: reading each replica's value, and assigning without a cast.
    Public API: `keras.Variable.value` casts under a dtype policy and follows a stateless scope.
    Checked: Keras 3.15.1. Missing: the Keras variable is returned, whose replicas then count as one.

    Args:
        variable: a `keras.Variable` or a `tf.Variable`.
    """
    return getattr(variable, "_value", variable)


def cache_attributes_that_saving_skips() -> None:
    """Cache the names of attributes that saving skips where Keras looks for them.

    For: Keras keeps them as `saving_attr_skipset_…` and looks for `saving_attr_skiplist_…`, so for each part of a model it
    creates a layer or an optimizer to list their attributes, a third of the time of saving or loading a small model.
    Public API: none. Checked: Keras 3.15.1. Missing: nothing is cached, saving and loading take longer.
    """
    from keras.src.backend.common import global_state

    for kind in KINDS:
        name = f"{SKIP_LIST}{kind}"  # of this thread
        if global_state.get_global_attribute(name) is None:
            global_state.set_global_attribute(name, _skipped_attributes(kind))


@functools.cache
def _skipped_attributes(kind: str) -> set[str] | None:
    from keras.src.saving import saving_lib

    skipped = getattr(saving_lib, "get_attr_skipset", None)
    return None if skipped is None else skipped(kind)


def flatten_inputs_once() -> None:
    """Have Keras look for the nodes of a functional model without flattening all its inputs at each of them.

    For: a raw-row front of 5,000 columns, each an input and so a node: a third of the time of building and loading it.
    Public API: none. Checked: Keras 3.15.1. Missing: nothing changes, the time grows with the square of the inputs.
    """
    from keras.src.ops import function

    search = getattr(function, "_build_map", None)
    if search is None or hasattr(search, "__wrapped__"):
        return

    @functools.wraps(search)
    def once(inputs: Any, outputs: Any) -> Any:
        return search(_Members(inputs), outputs)

    function._build_map = once


class _Members:
    """The inputs of a model in the place of their list: a leaf to flatten, equal to each of its members."""

    def __init__(self, inputs: Any):
        import keras

        self.inputs = keras.tree.flatten(inputs)  # keeps them alive, and their ids
        self.ids = {id(tensor) for tensor in self.inputs}

    def __eq__(self, other: object) -> bool:
        return id(other) in self.ids

    __hash__ = None
