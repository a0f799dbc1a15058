"""Functions of TensorFlow's runtime as plain definitions: those of a traced function, and calls of definitions without tracing.

For: the programs that a run stores and the next one loads (`trainrun.trainer.stored_programs`).
Public API: `tf.saved_model`, which stores the variables too, and whose loading builds all Python graphs again.
Checked with TensorFlow 2.21.0. Without one of these names the caller raises ImportError or AttributeError.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any


def definitions(concrete: Any, prefix: str) -> tuple[str, Any]:
    """Return the name of a traced function, and the definitions of it and of all functions that it calls.

    Args:
        concrete: a traced function (`get_concrete_function`).
        prefix: put before all names, so that they are those of no function that another process traces.

    Returns:
        The name, and a `FunctionDefLibrary`.
    """
    from tensorflow.core.framework import function_pb2

    library = function_pb2.FunctionDefLibrary()
    library.CopyFrom(concrete.graph.as_graph_def().library)
    library.function.add().CopyFrom(concrete.function_def)
    names = {function.signature.name for function in library.function}
    for function in library.function:
        function.signature.name = prefix + function.signature.name
        for called in _called(function.node_def):
            if called.name in names:
                called.name = prefix + called.name
    return prefix + concrete.function_def.signature.name, library


def _called(nodes: Any) -> Iterator[Any]:
    for node in nodes:
        for value in node.attr.values():
            yield from (value.func,) if value.HasField("func") else value.list.func


def parsed(content: bytes) -> Any:
    """Return the `FunctionDefLibrary` of its serialized form."""
    from tensorflow.core.framework import function_pb2

    return function_pb2.FunctionDefLibrary.FromString(content)


def define(library: Any) -> None:
    """Add definitions to the runtime; one that it has already is left."""
    from tensorflow.python.eager import context

    runtime = context.context()
    for function in library.function:
        if not runtime.has_function(function.signature.name):
            runtime.add_function_def(function)


def call(name: str, inputs: Sequence[Any], results: int) -> Sequence[Any]:
    """Call a function of the runtime with tensors, those that it captured behind its arguments; return its results."""
    from tensorflow.python.eager import context

    return context.context().call_function(name.encode(), list(inputs), results)


def stateful(operations: set[str]) -> set[str]:
    """Return the types of operations that have side effects, or are not known."""
    from tensorflow.python.framework import op_def_registry

    known = {name: op_def_registry.get(name) for name in operations}
    return {name for name, definition in known.items() if definition is None or definition.is_stateful}
