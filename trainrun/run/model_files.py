"""The trained model as a file that loads without trainrun: raw rows in, probabilities or the target's unit out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from trainrun.compat import keras_model_private
from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.data.preprocessor import Preprocessor
from trainrun.errors import Problem, TrainingError, UserError
from trainrun.failure.classification import chain
from trainrun.failure.user_traceback import short_message
from trainrun.inspect.trial_job import aside
from trainrun.model import front, functional, inspected_file, saving
from trainrun.model.source_file import MODEL, WEIGHTS
from trainrun.model.variables import untouched
from trainrun.run import builders, model_builder
from trainrun.run.target_scaling import Unit, in_units
from trainrun.trainer.job import Job
from trainrun.ui import console
from trainrun.util.places import place

# Packages whose layers Keras loads by name, or by the registration of theirs or ours.
OWN = ("keras.", "keras_hub.", "trainrun.")


def check(job: Job) -> None:
    """Refuse a model that could not be loaded from its file, before it is trained.

    Keras' own layers and ours load; of others the config is written and read, as the file will hold it.

    Raises:
        UserError: with the way out.
    """
    layers = keras_model_private.all_layers(job.saved or job.model)
    if all(type(x).__module__.startswith(OWN) and not isinstance(x, keras.layers.Lambda) for x in layers):
        return
    model = inference_model(job)
    try:
        with aside(), saving.uncompiled(model), inspected_file.built_by_their_call():
            config = keras.saving.serialize_keras_object(model)
            loaded = keras.saving.deserialize_keras_object(config, safe_mode=True)
    except Exception as error:
        *_, first = chain(error)  # Keras words it anew on each level
        raise UserError(_unsavable(job.model, short_message(first))) from error
    shapes, loaded_shapes = ([tuple(v.shape) for v in m.variables] for m in (model, loaded))
    if shapes == loaded_shapes:
        loaded.set_weights(model.get_weights())
        x = _examples(job)
        with untouched(job.model), untouched(loaded):
            first, again, other = (_values(m(x, training=False)) for m in (model, model, loaded))
        # What draws numbers also at inference cannot be compared.
        if np.array_equal(first, again) and not np.allclose(first, other, rtol=1e-4, atol=1e-5):
            raise UserError(
                _unsavable(job.model, "with the same weights it predicts otherwise when it is loaded")
            )
    else:
        raise UserError(
            _unsavable(job.model, f"it has variables {loaded_shapes} when it is loaded, and {shapes} here.")
        )


def _examples(job: Job) -> Any:
    """Return a few examples of what the saved model takes; of a part of the model, ones."""
    if job.saved is not None:
        ones = [np.ones((8, *(size or 1 for size in t.shape[1:])), t.dtype) for t in job.saved.inputs]
        return ones[0] if len(ones) == 1 else ones
    return functional.few(job.model, job.train, 8).x


def inputs(job: Job) -> Sequence[InputSpec]:
    """Return the inputs of the saved model."""
    if job.saved is None:
        return job.dataset.inputs
    kinds = ["numeric" if t.dtype.startswith("float") else "tokens" for t in job.saved.inputs]
    return [InputSpec(t.name, kind, t.shape[1:]) for kind, t in zip(kinds, job.saved.inputs, strict=True)]


def _values(output: Any) -> np.ndarray:
    """Return all outputs of a model side by side."""
    return np.concatenate([np.reshape(one, (len(one), -1)) for one in keras.tree.flatten(output)], axis=1)


def _unsavable(model: keras.Model, reason: str) -> Problem:
    layers = keras_model_private.all_layers(model)
    own = dict.fromkeys(type(layer) for layer in layers if not type(layer).__module__.startswith(OWN))
    # Keras' advice for a Lambda is a switch that lets a file run any code.
    reason = " ".join(reason.strip().split("\n\n")[0].split()).rstrip(".:")
    mended = (
        f"{reason}. Its own classes: {', '.join(f'{cls.__name__} ({place(cls)})' for cls in own)}. Each takes **kwargs for super().__init__(**kwargs), "
        "has a get_config with its other arguments (of a layer, not of a model, Keras keeps numbers and texts), and has "
        "@keras.saving.register_keras_serializable() unless it stands in the plug-in itself."
        if own
        else "it has a Lambda layer, whose code Keras does not load from a file. Write it as class Mine(keras.layers.Layer) in the plug-in."
    )
    return Problem(
        "artifacts.model",
        f"{MODEL} would not load again: {mended} Or save the weights only: artifacts.model=weights ({WEIGHTS}).",
    )


def output_shape(model: keras.Model) -> list[int | None] | dict[str, list[int | None]]:
    """Return the shape of a prediction, without the batch axis; of several outputs, a dict by name."""
    by_name = getattr(model, "output", None)  # a Sequential that was never called has none, but outputs
    if isinstance(by_name, dict):
        return {name: [*output.shape[1:]] for name, output in by_name.items()}
    return [*functional.outputs(model)[0].shape[1:]]


def save_weights(job: Job, run_dir: Path) -> None:
    """Write the trained weights, without the model that they belong to."""
    job.model.save_weights(run_dir / WEIGHTS)


def save(job: Job, run_dir: Path, verify: bool) -> keras.Model:
    """Write `model.keras`: the trained model behind its raw-row front, and the record of the preprocessing.

    Args:
        job: with the trained model.
        run_dir: the run's directory.
        verify: load the file and compare its predictions.

    Returns:
        The trained model without the front.

    Raises:
        TrainingError: the loaded model predicts differently.
    """
    model = inference_model(job)
    if job.saved is not None:
        saving.save(model, run_dir / MODEL)
    else:
        fitted = Preprocessor.of(job.dataset)
        if job.embeds:
            fitted = replace(fitted, target=TargetSpec("real", outputs=model.output_shape[-1]))
        saving.save(front.over(model, fitted, job.probabilities), run_dir / MODEL, fitted)
    if verify:
        loaded = load_core(run_dir)
        examples = _examples(job)
        expected, predicted = model.predict(examples, verbose=0), loaded.predict(examples, verbose=0)
        if not np.array_equal(_values(expected), _values(predicted)):
            raise TrainingError(
                f"{MODEL} was loaded back and does not predict what the trained model predicts."
            )
        console.say(f"{MODEL} loaded back: the same predictions")
    return model


def load(run_dir: Path, config: Mapping[str, Any]) -> keras.Model:
    """Return the saved model of a run, which takes preprocessed arrays; of one that saved its weights only, their model.

    Args:
        run_dir: the run's directory.
        config: of the run, its plug-ins loaded.

    Raises:
        UserError: there is none, or it does not load.
    """
    if (run_dir / MODEL).is_file():
        try:
            return load_core(run_dir)
        except Exception as error:
            raise UserError(f"{run_dir / MODEL} does not load: {short_message(error)}") from error
    if (run_dir / WEIGHTS).is_file():
        return result_model(job_of_weights(run_dir, config))
    raise UserError(
        f"{run_dir} has no {MODEL}: it has not finished, or was trained with artifacts.model=false. To train it again: "
        f"trainrun reproduce {run_dir}"
    )


def job_of_weights(run_dir: Path, config: Mapping[str, Any]) -> Job:
    """Return the job of a run that saved its weights only, with its data and its trained model; arguments as of `load`."""
    plain = model_builder.in_float(config)
    job = builders.job(plain, builders.dataset(config), builders.strategy(config))
    job.model.load_weights(run_dir / WEIGHTS)
    return job


def load_core(run_dir: Path) -> keras.Model:
    """Return the model of a run's `model.keras` without its front: it takes preprocessed arrays."""
    return front.core(inspected_file.load(run_dir / MODEL, "model", compiled=True))


def inference_model(job: Job) -> keras.Model:
    """Return a plain functional model that shares the weights, without loss and metrics.

    A compiled model would save our metric wrappers by name and load only where trainrun is imported. The output is in
    the target's own unit, also if the target was standardized for training. A subclassed model is the only layer of it. Where
    the component names a part that is saved, that part.
    """
    return job.saved or in_units(job.model, job.dataset)


def result_model(job: Job) -> keras.Model:
    """Return the model that `trainrun.run` hands to its caller: what it predicts is in the unit of the data.

    It has the trained optimizer. With a standardized target it is a second model over the same weights, without loss.
    """
    if all(Unit.of(data) is None for data in job.dataset.each().values()):
        return job.model
    model = in_units(job.model, job.dataset)
    model.compile(optimizer=job.model.optimizer)
    return model
