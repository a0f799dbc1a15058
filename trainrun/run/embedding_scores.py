"""Evaluate a model that gives vectors (`output="embedding"`): its loss and metrics compare the examples of a batch with each other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from trainrun.data.dataset import Dataset
from trainrun.errors import Problem, UserError
from trainrun.registry import declaration_reader
from trainrun.registry.construct import construct
from trainrun.run import label_encoding, metrics
from trainrun.run.saved_model import SavedModel
from trainrun.run.scores import Score, Scores
from trainrun.trainer.job import Plan
from trainrun.trainer.pipeline import in_order
from trainrun.util import retracing

EMBEDDING = "embedding"


def refuse(**given: Any) -> None:
    """Refuse what the evaluation of vectors does not take.

    Raises:
        UserError: one of the arguments is no None.
    """
    for name, value in given.items():
        if value is not None:
            text = "the model gives vectors, whose metrics compare the examples of a batch: they are measured on the run's own test part, as a whole."
            raise UserError(Problem(name, text))


@retracing.unannounced()
def score(model: SavedModel, config: Mapping[str, Any], run_dir: Path, data: Dataset) -> Scores:
    """Return loss and metrics on the test part of a run's data, or the next that there is, in the batches of training.

    Without bootstrap intervals: in a resample examples stand beside their own copies.

    Args:
        model, config, run_dir: of the run.
        data: as loaded for the run.
    """
    part, split = data.held_out()
    size = config["trainer"]["batch_size"]
    vectors = np.asarray(model.model.predict(in_order(split, size), verbose=0))
    plan = Plan(1, size, 1, len(split), config["seed"], shuffle=False)
    spec, target = config["loss"], data.target
    reads = declaration_reader.of("loss", spec["name"])
    form = label_encoding.choose(reads.labels, target)
    runtime = label_encoding.arguments(target, form, EMBEDDING, reads.predictions)
    loss = construct("loss", spec, complete=True, **plan.lengths(), **runtime)
    built = metrics.build(config["metric"], data, form, EMBEDDING, plan)
    labels = label_encoding.encode(split.y, target, form)
    weight = label_encoding.weights(split.y, target, split.weight)
    total = 0.0
    for begin in range(0, len(split), size):
        rows = slice(begin, begin + size)
        own = () if weight is None else (weight[rows],)
        values = keras.ops.convert_to_numpy(loss(labels[rows], vectors[rows], *own))
        total += float(values.mean()) * len(vectors[rows])
        for metric in built:
            metric.update_state(labels[rows], vectors[rows], *own)
    values = {"loss": total / len(split)}
    for metric in built:
        result = metric.result()
        values |= {
            k: float(v) for k, v in (result if isinstance(result, dict) else {metric.name: result}).items()
        }
    scored = {name: Score(value, math.nan, math.nan) for name, value in values.items()}
    return Scores(run=str(run_dir), source=part, rows=len(split), metrics=scored, resamples=0)
