"""The teacher of a run (`teacher`): its model's outputs for the training part, computed once, and how they are learnt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.checkpoint.resume_point import Resume
from trainrun.config import stored_record
from trainrun.data.cache import DatasetCache
from trainrun.data.dataset import Dataset, TargetSpec
from trainrun.data.preprocessor import Preprocessor
from trainrun.errors import Problem, UserError, listed
from trainrun.loss import _soft_targets
from trainrun.loss._soft_targets import Kind
from trainrun.model import file, functional, output_kind, source_file
from trainrun.model.source_file import ALPHA, TEMPERATURE
from trainrun.model.source_file import TEACHER as KEY
from trainrun.run.target_scaling import Unit
from trainrun.tracking import journal
from trainrun.tracking.status import JOURNAL
from trainrun.trainer.distillation import Distillation
from trainrun.trainer.model_steps import is_own
from trainrun.util import paths

# The event in the journal.
EVENT = "teacher"
# Examples that the teacher reads at once; the last digits of its outputs may depend on it.
BATCH = 256
DEFAULT_ALPHA, DEFAULT_TEMPERATURE = 0.1, 3.0


def taught(
    config: Mapping[str, Any],
    data: Dataset,
    cache: DatasetCache | None = None,
    resume: Resume | None = None,
) -> Dataset:
    """Return the data with the outputs of the config's teacher for the training part; the data itself without a teacher.

    Args:
        config: resolved and checked.
        data: as loaded.
        cache: of the process, in which the trials of a sweep find them again.
        resume: the run to continue.

    Raises:
        UserError: the file is no model, does not fit the data, or is another one than before the run was stopped.
    """
    if config.get(KEY) is None:
        return data
    path = source_file.located(config[KEY])
    digest = paths.sha256(path)
    if resume is not None:
        _refuse_another(resume.run_dir, path, digest)

    def computed() -> Dataset:
        return replace(data, soft_targets=_outputs(path, data, stored_record.of_source(config, KEY)))

    if cache is None:
        return computed()
    spec = {KEY: digest, "data": data.digest(), "target": repr(data.target)}
    return replace(data, soft_targets=cache.load(spec, computed).soft_targets)


def record(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the journal's event."""
    path = source_file.located(config[KEY])
    alpha, temperature = _settings(config)
    return {"path": str(path), "sha256": paths.sha256(path), "alpha": alpha, "temperature": temperature}


def line(config: Mapping[str, Any], data: Dataset) -> str:
    """Return in words what is learnt from the teacher."""
    alpha, temperature = _settings(config)
    softened = f" at temperature {temperature:g}" if data.description().target != "real" else ""
    return (
        f"teacher {source_file.located(config[KEY])}: the loss in training is {alpha:g} times that on labels and {1 - alpha:g} times that on its "
        f"outputs{softened}; in validation that on labels"
    )


def distillation(
    config: Mapping[str, Any], data: Dataset, meanings: Mapping[str, str], model: keras.Model
) -> Distillation | None:
    """Return how a model learns from the outputs in the data; None: there are none.

    Args:
        config: resolved and checked.
        data: of `taught`.
        meanings: output (empty: the only one) -> what the model gives; see `output_head.meaning`.
        model: the student, built.

    Raises:
        UserError: the model computes its loss itself.
    """
    if not data.soft_targets:
        return None
    if own := [name for name in ("train_step", "compute_loss", "compute_metrics") if is_own(model, name)]:
        text = f"{type(model).__name__} has a {own[0]} of its own, which would meet the teacher's outputs beside the labels. Leave it out."
        raise UserError(Problem(KEY, text))
    kinds = {name: _kind(one.target) for name, one in data.each().items()}
    probabilities = tuple(name for name, meaning in meanings.items() if meaning == "probabilities")
    return Distillation(*_settings(config), kinds, probabilities)


def encoded(data: Dataset) -> dict[str, np.ndarray]:
    """Return the teacher's outputs by output as the loss reads them: logits, or deviations of real targets; float32."""
    made = {}
    for name, one in data.each().items():
        unit, output = Unit.of(one), data.soft_targets[name]
        made[name] = output.astype("float32") if unit is None else unit.standard(output)
    return made


def _settings(config: Mapping[str, Any]) -> tuple[float, float]:
    given = config.get(ALPHA), config.get(TEMPERATURE)
    alpha, temperature = (
        default if value is None else float(value)
        for value, default in zip(given, (DEFAULT_ALPHA, DEFAULT_TEMPERATURE), strict=True)
    )
    return alpha, temperature


def _kind(target: TargetSpec) -> Kind:
    kinds: Mapping[str, Kind] = {"multiclass": "softmax", "real": "real"}
    return kinds.get(target.kind, "sigmoid")


def _outputs(path: Path, data: Dataset, fitted: Preprocessor | None) -> dict[str, np.ndarray]:
    """Return the outputs of a file's model for the training part by output: logits, or numbers in the target's unit."""
    if fitted is not None:
        _refuse_other_target(path, fitted.target, data.target)
    model = file.load(path, data.inputs, data.target, KEY)
    kinds = {name: _kind(one.target) for name, one in data.each().items()}
    ends = model.output if data.target.named else {"": functional.outputs(model)[0]}
    by_graph = {name: output_kind.is_probabilities(ends[name]) for name in kinds}

    @tf.function(autograph=False, reduce_retracing=True)
    def outputs(x: Any) -> dict[str, Any]:
        called = model(x, training=False)
        by_name = called if data.target.named else {"": keras.tree.flatten(called)[0]}
        return {
            name: _soft_targets.logits(by_name[name], kind)
            if by_graph[name] and kind != "real"
            else by_name[name]
            for name, kind in kinds.items()
        }

    parts = []
    for start in range(0, len(data.train), BATCH):
        index = np.arange(start, min(start + BATCH, len(data.train)))
        parts.append({name: made.numpy() for name, made in outputs(data.train.take(index).x).items()})
    whole = {name: np.concatenate([part[name] for part in parts]) for name in kinds}
    for name, kind in kinds.items():
        if kind != "real" and by_graph[name] is None and _look_like_probabilities(whole[name], kind):
            whole[name] = keras.ops.convert_to_numpy(_soft_targets.logits(whole[name], kind))
        if not np.isfinite(whole[name]).all():
            raise UserError(
                Problem(
                    KEY, f"{path} gives NaN or infinite numbers for training examples. Take another model."
                )
            )
    return whole


def _look_like_probabilities(output: np.ndarray, kind: Kind) -> bool:
    inside = bool(output.min() >= 0 and output.max() <= 1)
    return inside and (kind == "sigmoid" or bool(np.allclose(output.sum(axis=-1), 1, atol=1e-3)))


def _refuse_other_target(path: Path, teacher: TargetSpec, own: TargetSpec) -> None:
    """Refuse a teacher that predicts something else; the model's own check finds outputs of other names."""
    for name, ours in _targets(own).items():
        theirs = _targets(teacher).get(name, ours)
        if (theirs.kind, theirs.classes, theirs.outputs) != (ours.kind, ours.classes, ours.outputs):
            of_output = f" for {name}" if name else ""
            text = f"{path} predicts {_words(theirs)}{of_output}, and the data has {_words(ours)}. Take a model of the same target."
            raise UserError(Problem(KEY, text))


def _targets(target: TargetSpec) -> Mapping[str, TargetSpec]:
    return target.named or {"": target}


def _words(target: TargetSpec) -> str:
    return (
        f"the classes {listed(list(target.classes))}" if target.classes else f"{target.outputs} real numbers"
    )


def _refuse_another(run_dir: Path, path: Path, digest: str) -> None:
    """Refuse to go on with another teacher than the run began with."""
    events = (e for e in journal.read(run_dir / JOURNAL).records if e.get("event") == EVENT)
    first = next(events, None)
    if first is not None and first.get("sha256") != digest:
        text = f"{path} has changed since the run began. Restore it, or start a new run."
        raise UserError(Problem(KEY, text))
