"""Builds job, trainer and callbacks of a run, anew for each attempt; `trainrun.failure.retry` calls it and sees no config."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from trainrun.config.phases import Phase
from trainrun.data.dataset import Dataset
from trainrun.failure.adjustments import NO_ADJUSTMENTS, Adjustments
from trainrun.run import builders, callback_builders, model_weights, program_recipe, settings
from trainrun.run.context import RunContext
from trainrun.run.joint_training import Trainer
from trainrun.trainer.job import Job


@dataclass(frozen=True)
class RunBuilder:
    """The builders of one run, with its config bound.

    Args:
        phase: the phase of the run to build for; its config is resolved and checked.
        data: as loaded.
        strategy: the `tf.distribute.Strategy` to build under.
        run_dir: the run's directory.
        context: the run's.
    """

    phase: Phase
    data: Dataset
    strategy: Any
    run_dir: Path
    context: RunContext

    @property
    def config(self) -> Mapping[str, Any]:
        """The config of the phase."""
        return self.phase.config

    @property
    def trainer_name(self) -> str:
        """The option of the group `trainer`."""
        return self.config["trainer"]["name"]

    @property
    def accumulate(self) -> int:
        """Parts of each batch, as configured (gradient accumulation)."""
        return self.config["trainer"].get("accumulate") or 1

    def job(self, adjustments: Adjustments) -> Job:
        """Return the job: model, data and plan, with the adjustments that earlier failures have led to."""
        job = builders.job(
            self.config,
            self.data,
            self.strategy,
            adjustments,
            keep_kernels=self.context.keeps_kernels,
            first_epoch=self.phase.first,
            run_epochs=self.phase.run_epochs,
        )
        job = replace(job, clock=self.context.clock)
        if not self.context.own_process:  # in which a library's code may have been exchanged
            return job
        recipe = partial(program_recipe.of, self.config, self.data, job.plan, adjustments)
        return replace(job, recipe=functools.cache(recipe))

    def with_shared_program(self, job: Job, adjustments: Adjustments) -> Job:
        """Return the job with the program that another run of the process has compiled, if it is the same."""
        caches = self.context.caches
        if caches is None or caches.programs is None or adjustments != NO_ADJUSTMENTS:
            return job
        return caches.programs.job(job)

    def job_on_one_device(self, adjustments: Adjustments) -> Job:
        """Return a separate job for the default device of this process; it computes what the replicas compute."""
        return builders.job(self.config, self.data, tf.distribute.get_strategy(), adjustments)

    def trainer(self, job: Job, parts: int) -> Trainer:
        """Return the trainer of the job: the configured one, or the joint one around it.

        Args:
            job: that it trains; its devices hold the variables of a training step.
            parts: parts of each batch, where that is more than configured.
        """
        return self.context.training().trainer(self.own_trainer(job, parts))

    def own_trainer(self, job: Job, parts: int) -> Trainer:
        """Return the configured trainer, even where the run is trained together with others."""
        return builders.trainer(self.config, job.model.distribute_strategy, parts)

    def callbacks(self, job: Job) -> list[keras.callbacks.Callback]:
        """Return the callbacks that the config names."""
        return callback_builders.user_callbacks(self.config, self.run_dir, job)

    def with_run_callbacks(
        self,
        callbacks: list[keras.callbacks.Callback],
        journal: keras.callbacks.Callback,
        job: Job,
        adjustments: Adjustments,
    ) -> list[keras.callbacks.Callback]:
        """Return the run's own callbacks around these; see `callback_builders`."""
        return callback_builders.with_run_callbacks(
            callbacks,
            journal,
            self.run_dir,
            job,
            settings.checkpoint(self.config),
            self.context,
            model_weights.best(self.config, job),
            adjustments,
        )

    def settle_weights(self, job: Job, callbacks: list[keras.callbacks.Callback]) -> dict[str, Any]:
        """Set the weights of the trained model to those that are the run's; see `model_weights.settle`."""
        return model_weights.settle(job, callbacks)
