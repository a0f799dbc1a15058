"""A model that was saved before: a .keras file, loaded in safe mode."""

from __future__ import annotations

import importlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from trainrun.dataset import InputSpec, TargetSpec
from trainrun.errors import Problem, UserError

# Our files whose layers a saved model may hold; Keras finds a class only once its file is imported.
OWN_LAYERS = {"Parabola": "trainrun.model.quadratic"}
KEY = "model.path"


def file(
    inputs: tuple[InputSpec, ...],
    target: TargetSpec,
    head: str | None,
    *,
    path: str | None = None,
    trainable: bool = True,
) -> keras.Model:
    """Return the model in a file, held against the data; it keeps its own head.

    Nothing in the file is run as code: layers that hold Python code are refused.

    Args:
        inputs, target: of the data.
        head: not read; the file's last layer stands.
        path: the .keras file.
        trainable: False: keep all weights as they are.

    Raises:
        UserError: there is no such file, it is no model, holds code, or does not fit the data.
    """
    where = _checked(path)
    try:
        model = keras.saving.load_model(where, compile=False, safe_mode=True)
    except Exception as error:
        raise _fault(
            f"{where} cannot be loaded: {_first_line(error)} Save it anew with model.save, under a Keras no newer than this one."
        ) from error
    if not isinstance(model, keras.Model):
        raise _fault(f"{where} holds a {type(model).__name__}, not a model.")
    if problems := [*_input_problems(model, inputs, where), *_output_problems(model, target, where)]:
        raise UserError(problems)
    model.trainable = trainable
    return model


def _fault(message: str) -> UserError:
    return UserError(Problem(KEY, message))


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") + "." if lines else type(error).__name__ + "."


def _checked(path: str | None) -> Path:
    """Return the path of a file that looks like a model without code in it."""
    if path is None:
        raise _fault(
            "expected the path of a .keras file, got null. For example model.path=outputs/runs/…/model.keras."
        )
    where = Path(str(path)).expanduser()
    if not where.exists():
        near = sorted(p.name for p in where.parent.glob("*.keras")) if where.parent.is_dir() else []
        raise _fault(
            f"there is no file {where}."
            + (
                f" In that folder: {', '.join(near[:5])}."
                if near
                else " Paths start from the folder that you call trainrun in."
            )
        )
    if where.is_dir():
        raise _fault(
            f"expected a .keras file, got the folder {where}."
            + (f" Try {where / 'model.keras'}." if (where / "model.keras").exists() else "")
        )
    if where.suffix != ".keras":
        raise _fault(
            f"expected a file ending in .keras, got {where.name}. Load it in Python and save it with model.save('model.keras')."
        )
    try:
        with zipfile.ZipFile(where) as archive:
            config = json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise _fault(
            f"{where} is no Keras model, or is damaged: {_first_line(error)} Save or copy it anew."
        ) from error
    # How it was compiled is not read: losses and optimizers are this run's.
    nodes = list(_nodes(config.get("config")))
    if code := [
        n.get("config", {}).get("name", "?") for n in nodes if n.get("class_name") in ("Lambda", "__lambda__")
    ]:
        raise _fault(
            f"{where} holds Python code in the Lambda layer {', '.join(map(str, code))}, which is not run. "
            "Replace it by a layer of Keras or by a registered layer of a plug-in, and save the model anew."
        )
    for node in nodes:
        if node.get("class_name") in OWN_LAYERS:
            importlib.import_module(OWN_LAYERS[node["class_name"]])
    if unknown := sorted({str(n["class_name"]) for n in nodes if not _known(n)}):
        raise _fault(
            f"{where} holds {', '.join(unknown)}, which is no layer of Keras and of no plug-in that is loaded. "
            "Name the file that registers it: plugins=[./my_layers.py]."
        )
    return where


def _known(node: dict[str, Any]) -> bool:
    """Return whether Keras can build what a node names: its own class, or a registered one."""
    own = str(node.get("module") or "").partition(".")[0] in ("keras", "builtins")
    return (
        own
        or not node.get("registered_name")
        or keras.saving.get_registered_object(node["registered_name"]) is not None
    )


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every mapping with a `class_name` in a saved config."""
    if isinstance(tree, dict):
        if "class_name" in tree:
            yield tree
        for value in tree.values():
            yield from _nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _nodes(value)


def _fits(got: tuple[int | None, ...], wanted: tuple[int, ...]) -> bool:
    return len(got) == len(wanted) and all(g is None or g == w for g, w in zip(got, wanted, strict=True))


def _input_problems(model: keras.Model, inputs: tuple[InputSpec, ...], where: Path) -> Iterator[Problem]:
    if len(model.inputs) != len(inputs):
        yield Problem(
            KEY,
            f"{where} takes {len(model.inputs)} inputs; the data has {len(inputs)} ({', '.join(s.name for s in inputs)}).",
        )
        return
    by_name = {t.name: t for t in model.inputs}
    for position, spec in enumerate(inputs):
        if len(inputs) > 1 and spec.name not in by_name:
            yield Problem(KEY, f"{where} has no input {spec.name}; it has {', '.join(by_name)}.")
            continue
        tensor = by_name[spec.name] if len(inputs) > 1 else model.inputs[position]
        if not _fits(tuple(tensor.shape[1:]), spec.shape):
            yield Problem(
                KEY,
                f"{where} takes {spec.name} of shape {list(tensor.shape[1:])}; the data has {spec.kind} {list(spec.shape)}.",
            )


def _output_problems(model: keras.Model, target: TargetSpec, where: Path) -> Iterator[Problem]:
    wanted = (*target.shape, target.outputs)
    if target.kind == "none":
        return
    if len(model.outputs) != 1:
        yield Problem(KEY, f"{where} has {len(model.outputs)} outputs; one is expected.")
    elif not _fits(tuple(model.outputs[0].shape[1:]), wanted):
        means = f"{len(target.classes)} classes" if target.classes else f"{target.outputs} numbers to predict"
        yield Problem(
            KEY,
            f"{where} gives {list(model.outputs[0].shape[1:])} for an example; the data needs {list(wanted)} ({means}).",
        )
