"""The trained model as a file that loads without trainrun."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from trainrun.errors import TrainingError
from trainrun.model import saving
from trainrun.run.target_scaling import Unit
from trainrun.trainer.job import Job
from trainrun.ui import console

MODEL = "model.keras"


def save(job: Job, run_dir: Path, verify: bool) -> keras.Model:
    """Write `model.keras`; return the model that it holds.

    Args:
        job: with the trained model.
        run_dir: the run's directory.
        verify: load the file and compare its predictions.

    Raises:
        TrainingError: the loaded model predicts differently.
    """
    model = inference_model(job)
    saving.save(model, run_dir / MODEL)
    if verify:
        loaded = keras.saving.load_model(run_dir / MODEL, safe_mode=True)
        examples = job.train.take(np.arange(min(8, len(job.train)))).x
        expected, predicted = model.predict(examples, verbose=0), loaded.predict(examples, verbose=0)
        if not np.array_equal(np.asarray(expected), np.asarray(predicted)):
            raise TrainingError(
                f"{MODEL} was loaded back and does not predict what the trained model predicts."
            )
        console.say(f"{MODEL} loaded back: the same predictions")
    return model


def inference_model(job: Job) -> keras.Model:
    """Return a plain functional model that shares the weights, without loss and metrics.

    A compiled model would save our metric wrappers by name and load only where trainrun is imported. The output is in
    the target's own unit, also if the target was standardized for training.
    """
    unit, model = Unit.of(job.dataset), job.model
    if unit is not None:
        return unit.model(model)
    return keras.Model(
        model.inputs if len(model.inputs) > 1 else model.inputs[0], model.outputs[0], name=model.name
    )


def result_model(job: Job) -> keras.Model:
    """Return the model that `trainrun.run` hands to its caller: what it predicts is in the unit of the data.

    It has the trained optimizer. With a standardized target it is a second model over the same weights, without loss.
    """
    unit = Unit.of(job.dataset)
    if unit is None:
        return job.model
    model = unit.model(job.model)
    model.compile(optimizer=job.model.optimizer)
    return model
