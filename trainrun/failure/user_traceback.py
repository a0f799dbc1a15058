"""An exception in short form: the frames in the user's own files and the message, without the frames of libraries."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from pathlib import Path

from trainrun.errors import TrainingError, UserError
from trainrun.failure import classification, disk_space
from trainrun.registry import lookup
from trainrun.ui import console
from trainrun.util.places import place
from trainrun.util.user_frames import FRAME, user_frames

MAX_LINES = 3  # of a message that TensorFlow or Keras has wrapped
# `ValueError: …` at the beginning of a line, as tracebacks inside a text end.
_ENDING = re.compile(
    r"^\s*(?:\{\{.*?\}\} )?(?P<type>[A-Za-z_][\w.]*(?:Error|Exception|Warning)): (?P<text>.*)$", re.MULTILINE
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NODES = re.compile(r"\{\{.*?\}\}|\[\[.*?\]\]|\[Op:[^\]]*\]")
# `Scaled.__call__() takes 2 positional arguments but 3 were given`
_REFUSED = re.compile(r"(?:(?P<owner>\w+)\.)?(?P<name>\w+)\(\) (?:takes|missing|got) ")
# What Python asks of a tensor that has no value yet -> what to write instead; TensorFlow advises AutoGraph, which is not used.
_NO_VALUE = {
    "Using a symbolic `tf.Tensor` as a Python `bool` is not allowed.": "Training is compiled, and a tensor has no value then: in place of "
    "`if`, write keras.ops.where or keras.ops.cond.",
    "Iterating over a symbolic `tf.Tensor` is not allowed.": "Training is compiled, and a tensor has no values then: compute with the whole "
    "tensor, or by keras.ops.vectorized_map.",
}
# Of an error of XLA: the operations that it has no kernel for, or words that tell other reasons not to compile.
_NO_KERNEL = re.compile(r"No registered '(\w+)' OpKernel for XLA")
_NOT_COMPILED = ("XLA compilation requires", "tf2xla conversion failed", "external/xla/", "Xla shape")
_WITHOUT_XLA = "Set trainer.jit_compile=auto, which keeps TensorFlow's kernels for what XLA does not compile."
# Lines that TensorFlow and Keras put around the message of an exception.
_AROUND = (
    "in user code:",
    "Graph execution error:",
    "Detected at node",
    "Exception encountered when calling",
    "File ",
)


def short_message(error: BaseException) -> str:
    """Return the type and the message, without what TensorFlow and Keras have added."""
    text = _COLOUR.sub("", str(error)).strip()
    for fault, way_out in _NO_VALUE.items():
        if fault in text:
            return f"{type(error).__name__}: {fault} {way_out}"
    if operations := sorted(set(_NO_KERNEL.findall(text))):
        return f"{type(error).__name__}: XLA does not compile {', '.join(operations)}. {_WITHOUT_XLA}"
    if any(words in text for words in _NOT_COMPILED):
        reason = next(_plain(text), "").rstrip(".")
        return f"{type(error).__name__}: XLA does not compile this: {reason}. {_WITHOUT_XLA}"
    endings = list(_ENDING.finditer(text))
    if endings and (FRAME.search(text) or text.startswith(_AROUND)):
        return f"{endings[-1]['type']}: {endings[-1]['text'].strip()}"
    # Keras adds the arguments of the layer's call, line by line.
    text = text.split("\n\nArguments received by", 1)[0]
    name = type(error).__name__
    if not FRAME.search(text) and not _NODES.search(text) and not text.startswith(_AROUND):
        return f"{name}: {text}" if text else name
    lines = list(_plain(text))[:MAX_LINES]
    return f"{name}: " + "\n".join(lines) if lines else name


def _plain(text: str) -> Iterator[str]:
    """Yield the lines of a message that are neither frames, their source lines, nor names of graph nodes."""
    after_frame = False
    for line in text.splitlines():
        if FRAME.match(line):
            after_frame = True
            continue
        cut = _NODES.sub("", line).strip()
        if after_frame and line.startswith("    "):
            continue
        after_frame = False
        if cut and not cut.startswith(_AROUND):
            yield cut


def preparation_error(error: BaseException, run_dir: Path) -> UserError | TrainingError:
    """Return the error that is shown for an exception before the first step: a `UserError` if the user's own code raised it."""
    kind = classification.kind(error)
    if kind == classification.DISK_FULL:
        return disk_space.disk_full_error(run_dir, error)
    frames = user_frames(error)
    if not frames and (where := _refusing(error)) is not None:
        return UserError(f"{where}: {short_message(error)}.")
    if not frames or not isinstance(error, Exception) or kind != classification.OTHER:
        return training_error(error, run_dir)
    path = "".join(f"\n  {frame}" for frame in frames)
    return UserError(f"{frames[-1].file}, line {frames[-1].line}: {short_message(error)}{path}")


def _refusing(error: BaseException) -> str | None:
    """Return the place of the plug-in's function that refused the arguments it was called with; it has no frame of its own."""
    match = _REFUSED.match(str(error)) if isinstance(error, TypeError) else None
    for component in lookup.announced() if match else ():
        thing = component.load()
        if getattr(thing, "__name__", None) == (match["owner"] or match["name"]):
            return place(getattr(thing, match["name"], thing))
    return None


def training_error(error: BaseException, run_dir: Path) -> TrainingError:
    """Return the error that is shown to the user for an exception: their own frames and the message.

    The whole traceback is written to the run's log.
    """
    console.log("".join(traceback.format_exception(error)))
    frames = user_frames(error)
    where = f"{frames[-1].file}, line {frames[-1].line}: " if frames else ""
    path = "".join(f"  {frame}\n" for frame in frames)
    return TrainingError(
        f"{where}{short_message(error)}\n{path}The whole traceback is in {run_dir / 'run.log'}"
    )
