"""Search for state that no checkpoint contains, as the cause of a resumed run that gives a different result."""

from __future__ import annotations

import ast
import inspect
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from trainrun.checkpoint import callback_state
from trainrun.compat import tensorflow_private
from trainrun.config import plugin_sources
from trainrun.errors import first_line
from trainrun.model import functional
from trainrun.run import builders, callback_builders, teacher
from trainrun.trainer.epoch_loop import trace
from trainrun.trainer.job import Job
from trainrun.trainer.random_operations import RANDOM_OPERATIONS

PYTHON = frozenset(("PyFunc", "PyFuncStateless", "EagerPyFunc"))
CLOCK = frozenset(("Timestamp",))
# Calls in the source of a plug-in -> what is wrong with them.
_CLOCK = "reads the clock"
_GENERATOR = "creates a random generator, whose state is in no checkpoint"
CALLS = {
    **dict.fromkeys(("time.time", "time.time_ns", "time.monotonic", "time.perf_counter"), _CLOCK),
    **dict.fromkeys(("datetime.now", "datetime.datetime.now", "datetime.utcnow"), _CLOCK),
    **dict.fromkeys(("os.urandom", "uuid.uuid4", "secrets.randbits", "secrets.randbelow"), "draws numbers that cannot be repeated"),
    **dict.fromkeys(("np.random.default_rng", "numpy.random.default_rng", "random.Random"), _GENERATOR),
    **dict.fromkeys(("np.random.RandomState", "tf.random.Generator.from_seed"), _GENERATOR),
}  # fmt: skip


def of(config: Mapping[str, Any], run_dir: Path) -> list[str]:
    """Return a sentence for each possible cause of a difference after resuming, the likeliest first.

    Args:
        config: resolved and checked, its plug-ins loaded.
        run_dir: for callbacks that write files; nothing is trained.
    """
    strategy = tf.distribute.get_strategy()
    causes: list[str] = []
    try:
        job = builders.job(config, teacher.taught(config, builders.dataset(config)), strategy)
        step = getattr(builders.trainer(config, strategy), "step", None)
        causes += _in_graph(job, step)
        causes += _in_callbacks(callback_builders.user_callbacks(config, run_dir, job))
    # The user's code may raise anything outside of its run; the other searches still help.
    except Exception as error:
        causes.append(f"the step could not be examined: {type(error).__name__}: {first_line(error)}")
    causes += _in_sources(plugin_sources.sources(config["plugins"]))
    return list(dict.fromkeys(causes))


def _in_graph(job: Job, step: Any) -> Iterator[str]:
    """Yield operations of the traced step that draw numbers, call Python or read the clock."""
    graph = trace(job, functional.few(job.model, job.train, 2), step)
    for name, kind, where in _operations(graph):
        if kind in RANDOM_OPERATIONS:
            yield (
                f"{where}the random operation {kind} ({name}): its counter is in no checkpoint. Take "
                "keras.random with a keras.random.SeedGenerator, which is one of the model's variables"
            )
        elif kind in PYTHON:
            yield f"{where}numpy_function or py_function ({name}): the state of its Python code is in no checkpoint"
        elif kind in CLOCK:
            yield f"{where}the operation {kind} ({name}) reads the clock"


def _operations(graph: Any) -> Iterator[tuple[str, str, str]]:
    """Yield name, type, and `file, line n: ` of the user's code for each operation, inner functions included."""
    seen = set()
    for op in graph.get_operations():
        yield op.name, op.type, _line(op)
    for function in graph.as_graph_def().library.function:
        inner = tensorflow_private.inner_graph(graph, function.signature.name)
        if inner is not None and id(inner) not in seen:
            seen.add(id(inner))
            for op in inner.get_operations():
                yield op.name, op.type, _line(op)
        elif inner is None:
            for node in function.node_def:
                yield node.name, node.op, ""


def _line(op: Any) -> str:
    """Return the line of the user's code that created an operation; empty if there is none."""
    package = str(Path(__file__).parent.parent)
    for frame in reversed(op.traceback or ()):
        if not frame.filename.startswith((package, sys.prefix, sys.base_prefix, "<")):
            return f"{frame.filename}, line {frame.lineno}: "
    return ""


def _in_callbacks(callbacks: Sequence[keras.callbacks.Callback]) -> Iterator[str]:
    """Yield attributes of the user's callbacks that are neither plain data nor covered by `get_state`."""
    for callback in callbacks:
        kind = type(callback)
        if hasattr(callback, "get_state") or kind.__module__.split(".")[0] in ("keras", "trainrun"):
            continue
        for name, value in vars(callback).items():
            plain = (
                callback_state.is_plain(value)
                or isinstance(value, types.ModuleType)
                or inspect.isroutine(value)
            )
            if name not in callback_state.KERAS_ATTRIBUTES and not plain:
                yield (
                    f"callback {kind.__name__}: its attribute {name} is a {type(value).__name__}, which no checkpoint "
                    "keeps. Give the callback get_state and set_state (docs/plugins.md)"
                )


def _in_sources(files: Mapping[str, Path]) -> Iterator[str]:
    """Yield calls in the plug-ins whose result differs each time."""
    for plugin, path in files.items():
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, SyntaxError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (fault := CALLS.get(ast.unparse(node.func))):
                yield f"{plugin}, line {node.lineno}: {ast.unparse(node.func)} {fault}"
