"""What a run leaves: metrics of every split, the model, pictures, summary, report, and a true status."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.artifacts import environment, plots, report, result, summary
from trainrun.checkpoint.resume_point import Resume
from trainrun.config import plugins
from trainrun.errors import TrainingError
from trainrun.failure import classification, disk_space, nan_search
from trainrun.failure.user_traceback import broken
from trainrun.model import saving
from trainrun.run import deferred_plots, joint_training, progress_channel
from trainrun.run.target_scaling import Unit
from trainrun.tracking import journal
from trainrun.tracking.record import Recorder
from trainrun.trainer.job import Job
from trainrun.ui import console
from trainrun.util import redaction, yaml_file
from trainrun.util.clock import Clock
from trainrun.util.interrupt import Interrupted

MODEL = "model.keras"


class Outcome:
    """Collects what a run has come to and writes it down.

    Args:
        run_dir: the run's directory.
        config: resolved.
        job: what is trained.
        clock: where the time goes.
        overrides, command: as typed.
        tuned: what trials have set in `config`, as `tune.settle` returns it.
        resume: what the run goes on from, if it does.
    """

    def __init__(
        self,
        run_dir: Path,
        config: Mapping[str, Any],
        job: Job,
        clock: Clock,
        overrides: Sequence[str],
        command: Sequence[str],
        tuned: Mapping[str, Any] | None = None,
        resume: Resume | None = None,
    ):
        self.run_dir, self.config, self.job, self.clock, self.overrides = (
            run_dir,
            config,
            job,
            clock,
            list(overrides),
        )
        self.tuned = tuned
        self.resumed = None if resume is None else resume.record(job)
        self._began = (self.resumed or {}).get("epoch", 0)  # epochs that were done when this process began
        self.failures: list[dict[str, Any]] = []
        self.history: dict[str, list[float]] = {}
        self.metrics: dict[str, float] = {}
        self.predictions: np.ndarray | None = None
        (run_dir / "config.yaml").write_text(yaml_file.dump(redaction.tree(dict(config))), encoding="utf-8")
        self.versions, self.git, self.digest = (
            environment.versions(),
            environment.git_state(),
            job.dataset.digest(),
        )
        devices = [f"{d.device_type} {d.name}" for d in tf.config.list_logical_devices()]
        environment.write(run_dir, devices, git=self.git)
        disk_space.reserve(run_dir)
        self.recorder = Recorder(
            run_dir, config["tracking"], config["name"] or " ".join(overrides) or "default"
        )
        self.recorder.start(
            run_id=run_dir.name,
            config=config,
            overrides=self.overrides,
            command=shlex.join(command),
            dataset={"name": job.dataset.name, "digest": self.digest},
            versions=self.versions,
            git=self.git,
            seed=config["seed"],
            cwd=str(Path.cwd()),
            plugins=plugins.digests(config["plugins"]),
            **({"tuned": tuned} if tuned else {}),
            **({"resumed_from": self.resumed} if self.resumed else {}),
        )
        self.recorder.artifacts(["config.yaml", environment.FILE])  # while it trains, one sees by what
        for text in progress_channel.remarks():
            console.log(f"warning: {text}")
            self.recorder.event("remark", message=text)

    def again(self, job: Job, resumed: dict[str, Any]) -> None:
        """Take the job of the next attempt, after a failure; the journal has a start for each.

        Args:
            job: as it is built now.
            resumed: what it goes on from, as `Resume.record` returns it.
        """
        self.job, self.resumed = job, resumed
        book = self.recorder.journal
        start = next(r for r in reversed(journal.read(book.path).records) if r["kind"] == "start")
        fields = {k: v for k, v in start.items() if k not in ("seq", "time", "kind")}
        book.write("start", **{**fields, "resumed_from": resumed})

    @contextmanager
    def truthful(self) -> Iterator[None]:
        """Mark the run FAILED or KILLED if what stands inside the `with` does not come to its end."""
        try:
            yield
        except (Interrupted, KeyboardInterrupt) as stop:
            self._catch_up()
            self._close(getattr(stop, "status", "KILLED"), str(stop) or "interrupted")
            raise
        except (Exception, SystemExit) as error:  # sys.exit in a plug-in ends no run as if all were well
            told = self._told(error)
            console.log(f"error: {told}")
            self._catch_up()
            name = "" if told is error else f"{type(error).__name__}: "
            self._close_failed(f"{name}{error}")
            raise told from error
        finally:
            console.detach()

    def _told(self, error: Exception) -> TrainingError:
        """Return what the user reads of an exception."""
        if isinstance(error, TrainingError):
            return error
        if classification.kind(error) == classification.DISK_FULL:
            self.mend()
            return disk_space.full(self.run_dir, error)
        return broken(error, self.run_dir)

    def _close_failed(self, reason: str) -> None:
        """Close the record, as far as the disk takes it: what has gone wrong is told in any case."""
        try:
            self._close("FAILED", reason)
        except OSError as error:
            console.log(f"the record could not be closed: {error}")
            self.mend()
            with contextlib.suppress(OSError):
                self.recorder.end("FAILED", reason)
            with contextlib.suppress(OSError):
                self.recorder.journal.close()

    def mend(self) -> None:
        """Take a line out of the journal that a full disk has cut short: what follows stands on lines of its own."""
        disk_space.release(self.run_dir)
        book = self.recorder.journal
        with contextlib.suppress(OSError):
            book.close()
        with contextlib.suppress(OSError):
            self.recorder.journal = journal.Journal(book.path)

    def _catch_up(self) -> None:
        """Take what Keras has noted of the epochs that were finished before training broke off."""
        noted = getattr(getattr(self.job and self.job.model, "history", None), "history", {})
        self.history = self.history or {k: [float(v) for v in values] for k, values in noted.items()}
        self.metrics = self.metrics or {k: values[-1] for k, values in self.history.items() if values}

    def evaluate(self, history: dict[str, list[float]], job: Job) -> None:
        """Measure the trained model on every split, and predict the split that the pictures show.

        Args:
            history: as the trainer returned it.
            job: with the trained model on one device; what follows is about this one.
        """
        from trainrun.trainer.pass_cache import measure
        from trainrun.trainer.pipeline import in_order

        self.job, self.history = job, history
        self.metrics = {
            name: values[-1] for name, values in history.items() if values and not name.startswith("val_")
        }
        for prefix, split in (("val_", job.validation), ("test_", job.test)):
            if split is not None and len(split):
                found = measure(job.model, split, job.plan.batch_size)
                self.metrics |= {prefix + name: value for name, value in found.items()}
        self.recorder.metrics(
            {k: v for k, v in self.metrics.items() if k.startswith("test_")},
            epoch=self.epochs,
            step=self.steps,
        )
        _, split = shown(job)
        if split is not None and job.dataset.target.kind != "none" and self._draws:
            said = job.model.predict(in_order(split, job.plan.batch_size), verbose=0)
            self.predictions = readable(said, job)

    def save(self) -> None:
        """Write the model and the pictures."""
        wanted = self.config["artifacts"]
        if wanted["model"]:
            plain = inference_model(self.job)
            saving.save(plain, self.run_dir / MODEL)
            if wanted["verify"]:
                self._verify(plain)
            self.recorder.model(MODEL, self.job.dataset.inputs, [*plain.output_shape[1:]])
        if self._draws:
            part, _ = shown(self.job)
            split = getattr(self.job.dataset, part) if part else None
            plots.write(self.run_dir, self.history, self.job.dataset, split, self.predictions, part or "")

    @property
    def _draws(self) -> bool:
        """Whether pictures are wanted, and now."""
        trained = self.clock.seconds.get("train", 0.0)
        return self.config["artifacts"]["plots"] and not deferred_plots.put_off(self.config, trained)

    def end(self) -> dict[str, Any]:
        """Close the record and show the result; return the summary."""
        content = self._close("FINISHED")
        result.show(content, self.run_dir, self.undelivered)
        return content

    @property
    def epochs(self) -> int:
        return max((len(v) for k, v in self.history.items() if not k.startswith("val_")), default=0)

    @property
    def steps(self) -> int:
        if self.job is None:  # a failure while it was built anew
            return 0
        return joint_training.updates(self.job.model)

    def _close(self, status: str, reason: str | None = None) -> dict[str, Any]:
        disk_space.release(self.run_dir)
        seconds, job = self.clock.seconds, self.job
        # Of this process: the seconds are, too.
        trained = 0 if job is None else (self.epochs - self._began) * job.plan.examples
        content = summary.build(
            run_id=self.run_dir.name,
            status=status,
            seed=self.config["seed"],
            overrides=self.overrides,
            metrics=self.metrics,
            best=summary.best_epochs(self.history),
            epochs=self.epochs,
            steps=self.steps,
            parameters=None if job is None else job.model.count_params(),
            seconds=seconds,
            examples_per_second=round(trained / seconds["train"], 1)
            if trained and seconds.get("train")
            else None,
            weights_sha256=None if job is None else summary.weights_sha256(job.model),
            data_sha256=self.digest,
            versions=self.versions,
            git=self.git,
            identity=self.recorder.identity(timeout=30.0 if status == "FINISHED" else 5.0),
            resumed_from=self.resumed,
            tuned=self.tuned,
            attempts=self.failures,
        )
        summary.write(self.run_dir, content)
        if self.config["artifacts"]["report"] and status == "FINISHED":
            report.write(self.run_dir, content)
        self.recorder.artifacts(
            [
                "summary.json",
                "report.html",
                "profile.json",
                nan_search.FILE,
                plots.FOLDER,
            ]
        )
        self.undelivered = self.recorder.end(status, reason).undelivered
        return content

    def _verify(self, model: keras.Model) -> None:
        loaded = keras.saving.load_model(self.run_dir / MODEL, safe_mode=True)
        few = self.job.train.take(np.arange(min(8, len(self.job.train)))).x
        said, says = model.predict(few, verbose=0), loaded.predict(few, verbose=0)
        if not np.array_equal(np.asarray(said), np.asarray(says)):
            raise TrainingError(f"{MODEL} was loaded back and does not predict what the trained model does.")
        console.say(f"{MODEL} loaded back: the same predictions")


def shown(job: Job) -> tuple[str, Any]:
    """Return the split that pictures show: the one furthest from training that there is."""
    for part in ("test", "validation", "train"):
        split = getattr(job, part)
        if split is not None and len(split):
            return part, split
    return "", None


def readable(output: np.ndarray, job: Job, own: bool = False) -> np.ndarray:
    """Return a model's output as probabilities, or as numbers in the target's unit.

    Args:
        output: of the model.
        job: it was trained by.
        own: it is in the target's own unit already, as that of `model.keras` is.
    """
    unit = Unit.of(job.dataset)
    if unit is not None:
        return output if own else unit.own(output)
    if job.probabilities == "identity":
        return output
    return keras.ops.convert_to_numpy(getattr(keras.ops, job.probabilities)(output))


def inference_model(job: Job) -> keras.Model:
    """Return the model as a plain functional one that shares the weights: no loss, no metrics, no patches.

    A compiled model would save our metric wrappers by name, and load only where trainrun is imported. A real
    target that was standardized comes out in its own unit.
    """
    unit, model = Unit.of(job.dataset), job.model
    if unit is not None:
        return unit.model(model)
    return keras.Model(
        model.inputs if len(model.inputs) > 1 else model.inputs[0], model.outputs[0], name=model.name
    )
