"""The trained job on one device, to measure, predict and save its model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf

from trainrun.checkpoint.training_state import assign, earlier_updates, set_earlier_updates
from trainrun.data.dataset import Dataset
from trainrun.model.variables import held_by_both, of_replicas
from trainrun.run import builders, model_builder
from trainrun.trainer.job import Job


def on_one_device(config: Mapping[str, Any], data: Dataset, trained: Job) -> Job:
    """Return the job with the trained model on one device, to measure, predict and save it.

    Under several replicas Keras can measure and predict only where all parts of a batch have one size; under several
    workers it cannot at all.
    """
    if trained.model.distribute_strategy.num_replicas_in_sync == 1:
        return trained
    return _copy(config, data, trained)


def in_float(config: Mapping[str, Any], trained: Job) -> Job:
    """Return the job with the weights of a trained one, on one device, whose layers compute with them before rounding.

    That is what `model.keras` has, and what is predicted and drawn of it; without `model.quantization_aware` it is the job itself.
    """
    plain = model_builder.in_float(config)
    return trained if plain is config else _copy(plain, trained.dataset, trained)


def _copy(config: Mapping[str, Any], data: Dataset, trained: Job) -> Job:
    """Return a job of a config on one device, with the weights and the number of updates of a trained one."""
    single = builders.job(config, data, tf.distribute.get_strategy())
    single.model.set_weights(trained.model.get_weights())
    for variable, own in held_by_both(trained.model, single.model):
        assign(own, [v.numpy() for v in of_replicas(variable)])
    single.model.optimizer.iterations.assign(keras.ops.convert_to_numpy(trained.model.optimizer.iterations))
    set_earlier_updates(single.model, earlier_updates(trained.model))
    return replace(single, plan=trained.plan)
