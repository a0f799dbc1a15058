"""The record of a run: its start, its failures, its results, and an end with the true status."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from trainrun.artifacts import environment, plots, result_table
from trainrun.checkpoint import training_state
from trainrun.checkpoint.resume_point import Resume
from trainrun.config import outputs, override_text, plugin_sources
from trainrun.data import overview, read_ahead
from trainrun.data.preprocessor import Preprocessor
from trainrun.errors import TrainingError, UserError
from trainrun.failure import adjustments, classification, disk_space, nan_search
from trainrun.failure.user_traceback import training_error
from trainrun.model import lora
from trainrun.run import fold_predictions, model_files, settings
from trainrun.run.context import RunContext
from trainrun.run.drawing import Drawing
from trainrun.run.evaluation import Evaluation
from trainrun.tracking import find, journal, record, status, summary
from trainrun.tracking.delivery import handover, sweep_summary
from trainrun.trainer.job import Job
from trainrun.ui import console
from trainrun.util import redaction, yaml_file
from trainrun.util.interrupt import Interrupted

PLUGINS = "plugins"  # folder with the sources of the run's plug-ins


def earlier_failures(resume: Resume | None) -> list[dict[str, Any]]:
    """Return the failures in the journal of the run that is resumed."""
    path = None if resume is None else resume.run_dir / status.JOURNAL
    return [] if path is None or not path.exists() else adjustments.earlier(journal.read(path).records)


class RunRecord:
    """Writes the record of a run: journal, summary, artifacts.

    Args:
        run_dir: the run's directory.
        config: resolved.
        job: model, data and plan.
        context: of the run.
        overrides, command: as typed.
        tuned: the record of `tuning.tune`, or None.
        resume: the run and checkpoint that the run continues from, or None.

    Attributes:
        evaluation: of the trained model; empty until it is known.
        failures: those so far that were answered by another attempt.
        weights: which weights are the model, see `model_weights.settle`; None until training ends.
        threshold: see `threshold.settle`.
    """

    def __init__(
        self,
        run_dir: Path,
        config: Mapping[str, Any],
        job: Job,
        context: RunContext,
        overrides: Sequence[str],
        command: Sequence[str],
        tuned: Mapping[str, Any] | None = None,
        resume: Resume | None = None,
    ):
        self.run_dir, self.config, self.context = run_dir, config, context
        self.job: Job | None = job
        self.overrides, self.tuned = list(overrides), tuned
        self.resumed = None if resume is None else resume.record(job)
        self._began = (self.resumed or {}).get("epoch", 0)  # epochs done before this process
        self.failures: list[dict[str, Any]] = []
        self.weights: dict[str, Any] | None = None
        self.evaluation = Evaluation()
        self.threshold: dict[str, Any] | None = None
        self._drawing = Drawing(run_dir, config, context)
        (run_dir / "config.yaml").write_text(yaml_file.dump(redaction.tree(dict(config))), encoding="utf-8")
        self.versions, self.git, self.digest = (
            environment.versions(),
            context.git_state(plugin_sources.all_files(config["plugins"])),
            job.dataset.digest(),
        )
        self.overview = overview.of(job.dataset)
        self.measured = outputs.measured(config, job.dataset.description())
        devices = [f"{d.device_type} {d.name}" for d in tf.config.list_logical_devices()]
        environment.write(run_dir, devices, self.git)
        fitted = Preprocessor.of(job.dataset).write(run_dir)
        plugin_sources.copy(config["plugins"], run_dir / PLUGINS)
        disk_space.reserve(run_dir)
        varying = sweep_summary.varying(run_dir.parent)  # these first: trackers cut long names
        named = sorted(overrides, key=lambda o: override_text.key(o) not in varying)
        name = config["name"] or " ".join(redaction.words(named)) or "default"
        if trial := (run_dir.parent / find.SWEEP).exists():  # trials share a sweep's name
            name = f"{run_dir.name} {name}"
        tracked = settings.tracking(config, trial)
        self.recorder = record.Recorder(run_dir, tracked, name, delivers=context.delivers)
        with self.closed_on_error(last=False):
            self._start(command)
            # So that trackers show them while the run trains.
            self.recorder.artifacts(["config.yaml", environment.FILE, fitted, PLUGINS])
            for text in context.remarks:
                console.log(f"warning: {text}")
                self.event("remark", message=text)

    def _start(self, command: Sequence[str]) -> None:
        self.recorder.start(
            run_id=self.run_dir.name,
            config=self.config,
            overrides=self.overrides,
            command=shlex.join(redaction.words(command)),
            dataset={"name": self.job.dataset.name, "digest": self.digest, "profile": self.overview},
            tags=overview.tags(self.overview),
            versions=self.versions,
            git=self.git,
            seed=self.config["seed"],
            cwd=str(Path.cwd()),
            plugins=plugin_sources.digests(self.config["plugins"]),
            **({"tuned": self.tuned} if self.tuned else {}),
            **({"resumed_from": self.resumed} if self.resumed else {}),
        )

    def callback(self) -> keras.callbacks.Callback:
        """Return the callback that writes each epoch to the journal."""
        return self.recorder.callback()

    def event(self, event: str, **fields: Any) -> None:
        """Write an event to the journal."""
        self.recorder.event(event, **fields)

    def begin_attempt(self, job: Job, resumed: dict[str, Any]) -> None:
        """Set the job of the next attempt after a failure; the journal gets a start record for it.

        Args:
            job: of the new attempt.
            resumed: the checkpoint that it continues from, as `Resume.record` returns it.
        """
        self.job, self.resumed = job, resumed
        start = next(
            r for r in reversed(journal.read(self.recorder.journal.path).records) if r["kind"] == "start"
        )
        fields = {k: v for k, v in start.items() if k not in ("seq", "time", "kind")}
        self.recorder.journal.write("start", **{**fields, "resumed_from": resumed})

    @contextmanager
    def closed_on_error(self, last: bool = True) -> Iterator[None]:
        """Close the record as FAILED or KILLED if the body of the `with` raises.

        Args:
            last: nothing follows the body; the run's log ends with it.
        """
        goes_on = False
        try:
            yield
            goes_on = not last
        except (Interrupted, KeyboardInterrupt) as stop:
            self._catch_up()
            self._close(getattr(stop, "status", "KILLED"), str(stop) or "interrupted")
            raise
        except (Exception, SystemExit) as error:  # sys.exit in a plug-in must not look like success
            shown = self._shown(error)
            console.log(f"error: {shown}")
            self._catch_up()
            plain = shown is error or isinstance(shown, UserError)
            self._close_failed(str(shown) if plain else f"{type(error).__name__}: {error}")
            raise shown from error
        finally:
            if not goes_on:
                console.detach()

    def _shown(self, error: Exception) -> TrainingError | UserError:
        """Return the error that is shown to the user for an exception."""
        fault = self.job and read_ahead.fault(self.job.dataset)  # TensorFlow passes on a message only
        if isinstance(shown := fault or error, TrainingError | UserError):
            return shown
        if classification.kind(error) == classification.DISK_FULL:
            self.repair_journal()
            return disk_space.disk_full_error(self.run_dir, error)
        return training_error(error, self.run_dir)

    def _close_failed(self, reason: str) -> None:
        """Close the record as FAILED as far as the disk allows; the caller reports the failure in any case."""
        try:
            self._close("FAILED", reason)
        except OSError as error:
            console.log(f"the record could not be closed: {error}")
            self.repair_journal()
            with contextlib.suppress(OSError):
                self.recorder.end("FAILED", reason)
            with contextlib.suppress(OSError):
                self.recorder.journal.close()

    def repair_journal(self) -> None:
        """Reopen the journal without the line that a full disk has cut short."""
        disk_space.release(self.run_dir)
        damaged = self.recorder.journal
        with contextlib.suppress(OSError):
            damaged.close()
        with contextlib.suppress(OSError):
            self.recorder.journal = journal.Journal(damaged.path)

    def _catch_up(self) -> None:
        """Evaluate an unfinished run by the history of the epochs that it has finished."""
        unfinished = Evaluation.of_unfinished(None if self.job is None else self.job.model)
        self.evaluation.history = self.evaluation.history or unfinished.history
        self.evaluation.metrics = self.evaluation.metrics or unfinished.metrics

    def add_evaluation(self, job: Job, evaluation: Evaluation) -> None:
        """Record the metrics of the trained model.

        Args:
            job: with the trained model on one device; artifacts are made of it.
            evaluation: its metrics.
        """
        self.job, self.evaluation = job, evaluation
        final = evaluation.of_model((self.weights or {}).get("epoch"))
        self.recorder.metrics(final, epoch=evaluation.epochs, step=self.updates)
        if fold_predictions.write(job, self.run_dir, evaluation) is not None:
            self.recorder.artifacts([fold_predictions.FILE])

    def save_artifacts(self) -> None:
        """Write the model and the plots, and compute what the report shows of its predictions."""
        chosen, job, measured = settings.artifacts(self.config), self.job, self.evaluation
        if chosen.model and self.config["model"].get("lora"):
            lora.save(job.model, self.run_dir / lora.FILE)
            self.recorder.artifacts([lora.FILE])
        if chosen.model == "weights":
            model_files.save_weights(job, self.run_dir)
            self.recorder.artifacts([model_files.WEIGHTS])
        elif chosen.model:
            model = model_files.save(job, self.run_dir, chosen.verify)
            self.recorder.model(
                model_files.MODEL,
                model_files.inputs(job),
                model_files.output_shape(model),
                epochs=measured.epochs,
            )
        self._drawing.plots(job, measured)

    def end(self) -> dict[str, Any]:
        """Close the record and print the result; return the summary."""
        content, undelivered = self._close("FINISHED")
        result_table.show(content, self.run_dir)
        if undelivered:
            console.warn(handover.not_sent(undelivered, self.run_dir))
        self._drawing.begin(content)
        return content

    @property
    def updates(self) -> int:
        """Number of updates of the optimizer."""
        return 0 if self.job is None else training_state.updates(self.job.model)

    def _close(self, outcome: str, reason: str | None = None) -> tuple[dict[str, Any], int]:
        """Write the summary and the last record; return the summary and the number of undelivered records."""
        disk_space.release(self.run_dir)
        seconds, job = self.context.clock.seconds, self.job
        # Examples and seconds of this process only: a resumed run has others before it.
        trained = 0 if job is None else (self.evaluation.epochs - self._began) * job.plan.examples
        rate = round(trained / seconds["train"], 1) if trained and seconds.get("train") else None
        content = summary.build(
            run_id=self.run_dir.name,
            status=outcome,
            seed=self.config["seed"],
            overrides=self.overrides,
            metrics=self.evaluation.metrics,
            best=summary.best_epochs(self.evaluation.history, self.measured),
            epochs=self.evaluation.epochs,
            steps=self.updates,
            parameters=None if job is None else job.model.count_params(),
            seconds=seconds,
            examples_per_second=rate,
            weights_sha256=None if job is None else summary.weights_sha256(job.model),
            data_sha256=self.digest,
            data=self.overview,
            versions=self.versions,
            git=self.git,
            identity=self.recorder.identity(timeout=30.0 if outcome == "FINISHED" else 5.0),
            resumed_from=self.resumed,
            tuned=self.tuned,
            attempts=self.failures,
            weights=self.weights,
            threshold=self.threshold,
            system=self.recorder.end_system_metrics(),
        )
        summary.write(self.run_dir, content)
        if outcome == "FINISHED":
            self._drawing.page(content)
        self.recorder.artifacts(
            ["summary.json", "report.html", "profile.json", nan_search.FILE, plots.FOLDER]
        )
        return content, self.recorder.end(outcome, reason, **self._drawing.pending(outcome)).undelivered
