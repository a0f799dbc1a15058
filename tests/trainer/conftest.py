"""Training without the runner around it: a config, a job, a trainer; data built once."""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass

import numpy as np
import pytest

TRAINERS = ("fit", "train_on_batch", "custom")


@dataclass
class Trained:
    history: dict
    weights: list
    job: object


@functools.cache
def _data(spec: tuple):
    from trainrun.hydra_bridge import preflight
    from trainrun.run import builders

    return builders.dataset(preflight.overrides(list(spec))[0])


@functools.cache
def _config(trainer: str, overrides: tuple) -> dict:
    from trainrun.hydra_bridge import preflight

    config, problems = preflight.overrides(["tracking=none", *overrides, f"trainer={trainer}"])
    assert not problems, problems
    return config


def composed(trainer: str, overrides: tuple) -> dict:
    """Compose the trainer's part and the rest apart, each once: to compose costs a third of a small training."""
    loop = tuple(o for o in overrides if o.startswith("trainer."))
    rest = tuple(o for o in overrides if not o.startswith("trainer."))
    return copy.deepcopy({**_config("fit", rest), "trainer": _config(trainer, loop)["trainer"]})


@pytest.fixture
def train():
    """Return a function that trains by the named trainer; deterministic, so that only the trainers differ."""
    import keras
    import tensorflow as tf

    from trainrun.run import builders, callback_builders

    keras.config.set_dtype_policy("float32")

    def run(trainer, *overrides, callbacks=(), strategy=None, change=None):
        config = composed(trainer, overrides)
        prefixes = ("data", "experiment", "seed", "trainer.limit", "trainer.batch_size")
        data = _data(tuple(o for o in overrides if o.startswith(prefixes)))
        job = builders.job(config, data, strategy or tf.distribute.get_strategy())
        if change is not None:
            change(job)
        # The callbacks of the config: max_time among them.
        every = [*callback_builders.user_callbacks(config, None, job), *callbacks]
        history = builders.trainer(config).train(job, every)
        return Trained(history, [np.asarray(w) for w in job.model.weights], job)

    return run


@pytest.fixture
def deterministic():
    """Op determinism on, and off again."""
    import tensorflow as tf
    from tensorflow.python.framework import config

    before = config.is_op_determinism_enabled()
    tf.config.experimental.enable_op_determinism()
    yield
    if not before:
        config.disable_op_determinism()
