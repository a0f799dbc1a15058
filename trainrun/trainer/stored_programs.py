"""Traced passes on disk: the next run of the same program loads its definition instead of tracing it.

Tracing runs Keras' Python code once for each operation: 0.35 s for the digits MLP, 1.9 s for resnet_small; loading takes 2 and 13 ms.
What is stored is TensorFlow's own definition of the function, and the names of the variables that it uses. It is the same function with
the same optimizations ahead of it, so that losses and weights have the same bits.

A file is found by a digest of all that decides the program (`_key`), and a program is stored only if each of its inputs is a variable
that another process finds by name. The files lie in the user's own cache, never in a folder that may have been received.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.compat import tensorflow_functions_private, tensorflow_private
from trainrun.model.variables import by_purpose, foreign_parts
from trainrun.trainer.fingerprint import Fingerprint, has_variable_rates
from trainrun.trainer.held_arrays import kinds
from trainrun.util import paths, user_cache

if TYPE_CHECKING:
    from trainrun.trainer.compiled_epoch import Pass
    from trainrun.trainer.job import Job

OFF = "TRAINRUN_PROGRAMS"  # =0: trace in every run
FORMAT = 1  # the next number, if what is stored changes
CODE = user_cache.code_version()  # of the code that this process has imported
MOST_BYTES = 64 * 2**20  # of all files; the least recently used ones are removed
# Beginnings of the names of operations with side effects that a stored program may have: they read and write variables, call other
# functions, or check. Others draw numbers from a counter of their own, read files, or call Python.
ALLOWED = (
    "ReadVariableOp", "VariableShape", "Assign", "Resource", "While", "If", "StatefulPartitionedCall", "Assert", "CheckNumerics",
)  # fmt: skip
ENVIRONMENT = ("TF_", "XLA_", "KERAS_")  # variables that tracing depends on


@dataclass(frozen=True)
class Program:
    """A loaded program.

    Args:
        call: takes the indices of the examples and the data, which the program holds.
        executor: that it was traced for.
        operations: the types of its operations.
    """

    call: Callable[[np.ndarray, tuple], dict[str, Any]]
    executor: str
    operations: set[str]


class Store:
    """The file of a pass's program.

    Args:
        steps: the pass, not traced yet; its executor is chosen.
        job: that it was made for.

    Attributes:
        file: of the program; None: it is not stored, as far as is known before it is traced.
    """

    def __init__(self, steps: Pass, job: Job):
        self._inputs = _inputs(steps) if _storable(steps, job) else {}
        self._key = _key(steps, job, self._inputs) if self._inputs else None
        self.file = None if self._key is None else _folder() / f"{self._key}.program"

    def load(self) -> Program | None:
        """Return the stored program; None: there is none, or its file is damaged."""
        if self.file is None or not user_cache.is_private(str(self.file.parent)):
            return None
        try:
            head, _, content = paths.content(self.file).partition(b"\n")
            about = json.loads(head)
            if about["key"] != self._key or about["sha256"] != hashlib.sha256(content).hexdigest():
                return None
            library = tensorflow_functions_private.parsed(content)
            captured = [self._inputs[name] for name in about["captured"]]
            results, name, executor = about["results"], about["name"], about["executor"]
        except (OSError, ValueError, LookupError, TypeError):
            return None
        operations = _operations(library)
        if not _is_allowed(operations):
            return None
        with contextlib.suppress(OSError):
            os.utime(self.file)
        tensorflow_functions_private.define(library)

        def call(index: np.ndarray, _: tuple) -> dict[str, Any]:
            inputs = [tf.convert_to_tensor(index, tf.int64), *captured]
            values = tensorflow_functions_private.call(name, inputs, len(results))
            return {result: values[at] for result, at in results.items()}

        return Program(call, executor, operations)

    def save(self, concrete: Any, executor: str) -> None:
        """Store the traced program, if another process can use it.

        Args:
            concrete: the traced function.
            executor: that it was traced for.
        """
        names = {id(value): name for name, value in self._inputs.items()}
        captured = [names.get(id(outside)) for outside, _ in concrete.graph.captures]
        results = _results(concrete.structured_outputs)
        held = {name for name in self._inputs if name.startswith("held")}
        # TensorFlow makes constants of small arrays: those of other data would be others.
        if None in captured or results is None or not held <= set(captured):
            return
        name, library = tensorflow_functions_private.definitions(concrete, f"stored_{self._key[:16]}_")
        if not _is_allowed(_operations(library)):
            return
        content = library.SerializeToString()
        about = {
            "key": self._key, "sha256": hashlib.sha256(content).hexdigest(), "name": name, "captured": captured, "results": results,
            "executor": executor,
        }  # fmt: skip
        with contextlib.suppress(OSError):  # no room, or no right to write: it is traced again
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with paths.whole(self.file) as new:
                new.write_bytes(json.dumps(about).encode() + b"\n" + content)
            _remove_oldest(self.file.parent)


def _folder() -> Path:
    return Path(user_cache.folder(), "programs")


def _storable(steps: Pass, job: Job) -> bool:
    """Return whether a pass may be stored: nothing but the key decides its program, and it is on one CPU (on a GPU it was not tried)."""
    if (
        sys.platform == "win32"
        or os.environ.get(OFF) == "0"
        or steps.held is None
        or steps.by_xla
        or steps.replicated
        or steps.traced
    ):
        return False
    if job.teacher is not None or foreign_parts(job.model) or tf.config.list_logical_devices("GPU"):
        return False
    return has_variable_rates(job.model)


def _key(steps: Pass, job: Job, inputs: Mapping[str, Any]) -> str | None:
    """Return a digest of all that decides the program of a pass; None: it cannot be told."""
    recipe = job.recipe()
    if recipe is None:
        return None
    step = getattr(steps.step, "__func__", steps.step)
    parts = [
        FORMAT, recipe, Fingerprint(job).content, type(steps), getattr(step, "__qualname__", type(step)), steps.batch_size,
        steps.some_are_empty, steps.executor, [(name, _kind(value)) for name, value in inputs.items()],
        kinds(steps.arrays), [v.path for v in job.model.variables],
        tf.__version__, keras.__version__, np.__version__, sys.version, CODE,
        keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format(), keras.config.dtype_policy().get_config(),
        keras.config.is_flash_attention_enabled(), tensorflow_private.is_deterministic(),
        [d.name for d in tf.config.list_logical_devices()],
        sorted((k, v) for k, v in os.environ.items() if k.startswith(ENVIRONMENT)),
    ]  # fmt: skip
    text = repr(parts)
    # The address of an object tells nothing of it in another process.
    return None if " at 0x" in text else hashlib.sha256(text.encode()).hexdigest()


def _inputs(steps: Pass) -> dict[str, tf.Tensor]:
    """Return all that a program may use beside its arguments, by name: the handles of variables, and tensors."""
    held = [("held", [value for value in tf.nest.flatten(steps.held) if value is not None])]
    place = [("place", [steps.place])] if steps.augment is not None else []
    named = [*by_purpose(steps.model).items(), *held, *place]
    return {f"{kind} {i}": _handle(v) for kind, variables in named for i, v in enumerate(variables)}


def _handle(value: Any) -> tf.Tensor:
    return getattr(value, "handle", value)


def _kind(value: Any) -> tuple:
    """Return dtype and shape, of a variable those of its value."""
    return value.dtype, value.shape


def _results(structure: Any) -> dict[str, int] | None:
    """Return the place of each result by its name, in the order of the names; None: they are no plain dict of tensors."""
    if not isinstance(structure, dict) or not all(isinstance(v, tf.Tensor) for v in structure.values()):
        return None
    order = {name: at for at, name in enumerate(sorted(structure))}
    return {name: order[name] for name in structure}


def _operations(library: Any) -> set[str]:
    return {node.op for function in library.function for node in function.node_def}


def _is_allowed(operations: set[str]) -> bool:
    return all(name.startswith(ALLOWED) for name in tensorflow_functions_private.stateful(operations))


def _remove_oldest(folder: Path) -> None:
    files: Sequence[tuple[int, int, Path]] = sorted(
        ((s := path.stat()).st_mtime_ns, s.st_size, path) for path in folder.glob("*.program")
    )
    size = sum(of for _, of, _ in files)
    for _, of, path in files:
        if size <= MOST_BYTES:
            break
        path.unlink(missing_ok=True)
        size -= of
