"""`hydra/launcher=submitit`: Slurm jobs, by submitit; `cluster=local` runs the jobs on this machine.

Slurm sends SIGUSR2 to a job before it preempts it. The job checkpoints its trial, asks to be requeued, and continues from that
checkpoint when it runs again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from trainrun.compat import submitit_private
from trainrun.sweep import sweep_record
from trainrun.sweep.launchers import agent
from trainrun.sweep.launchers.cluster_engine import ClusterEngine, Job, Received
from trainrun.sweep.launchers.file_channel import POLL_INTERVAL_S, SILENCE_S, SweepEnd, WorkerEnd
from trainrun.sweep.launchers.protocol import ClusterTask, Ended, Epoch, Stop
from trainrun.sweep.launchers.resources import Resources, Share
from trainrun.sweep.trial import Trial
from trainrun.util import subprocesses

FOLDER = "submitit"  # in the sweep's directory: what is submitted, and the jobs' own output
QUEUED = 256  # n_jobs=auto: so many are handed to Slurm at once
# Seconds by which Slurm's accounting, and heartbeats on a shared file system, may be late.
PATIENCE, SILENCE = 30.0, 120.0


class Submitit(ClusterEngine):
    """Runs trials as submitit's jobs, which send their messages by files in the sweep's directory.

    Args:
        settings: see `sweep_settings.settings`.
        trials: their maximum number.
    """

    def __init__(self, settings: Mapping[str, Any], trials: int):
        launcher = settings["launcher"]
        self._resources: Resources | None = None
        self._silence = SILENCE_S
        self._channel: SweepEnd | None = None
        if launcher["cluster"] == "slurm":
            jobs = QUEUED if launcher["n_jobs"] == "auto" else launcher["n_jobs"]
            super().__init__(settings, max(1, min(jobs, trials)))
            self.patience, self._silence = PATIENCE, SILENCE
        else:
            # submitit's local executor starts all jobs at once, so it gets no more than there is room for.
            self._resources = Resources.divide(launcher["n_jobs"], trials)
            super().__init__(settings, self._resources.jobs)
        self._executor: Any = None
        self._pending: list[Job] = []

    def start(self, trial: Trial, resume: Mapping[str, Any] | None = None) -> None:
        """Begin a trial; there must be room."""
        if self._executor is None:
            self._executor = executor(self.launcher, trial.run_dir.parent / FOLDER, self.jobs)
            self._channel = SweepEnd(trial.run_dir.parent, self._silence)
        super().start(trial, resume)

    def share(self) -> Share:
        """Return the share of the machine that a trial may use."""
        return self._resources.take() if self._resources else Share(self.launcher["cpus"])

    def give_back(self, share: Share) -> None:
        """Free a share."""
        if self._resources:
            self._resources.give_back(share)

    def begin(self, job: Job) -> None:
        """Queue a trial; trials that begin at the same time are submitted as one array."""
        self._pending.append(job)

    def channel(self, trial: Trial) -> Mapping[str, Any]:
        """Return the data for the worker's end of the channel."""
        return self._channel.open(trial.number)

    def receive(self, seconds: float) -> Iterator[Received]:
        """Submit what is pending and yield the messages of the workers."""
        self._submit()
        until, any_received = time.monotonic() + seconds, False
        while self._jobs and not any_received and time.monotonic() < until:
            self._channel.beat()
            for job in self._jobs:
                number = job.trial.number
                for line, message in self._channel.receive(number):
                    any_received = True
                    yield job, message, partial(self._answer, number, line, isinstance(message, Epoch))
            if not any_received:
                time.sleep(POLL_INTERVAL_S)

    def _answer(self, number: int, line: int, is_epoch: bool, answer: str | None) -> None:
        if is_epoch and self.answers:
            self._channel.answer(number, line, answer)

    def order(self, job: Job, stop: Stop) -> None:
        """Request a worker to end its trial."""
        self._channel.order(job.trial.number, stop)

    def gone(self, job: Job) -> str | None:
        """Return why a worker has ended, or None if it runs."""
        if job.handle is None or not job.handle.done():
            return None
        job_id, log = job.handle.job_id, os.path.relpath(job.handle.paths.stderr)
        message = ""
        with contextlib.suppress(Exception):  # of submitit's, when it cannot read what a job has left
            # submitit waits 15 s for the result of a killed job, during which no other trial's messages would be read.
            left = job.handle.paths.result_pickle.exists()
            message = str((job.handle.exception() if left else job.handle.stderr()) or "")
            message = message.strip().rpartition("\n")[2]
        return f"job {job_id} ended ({job.handle.state}){f': {message}' if message else ''}; its own output: {log}"

    def withdraw(self, job: Job) -> bool:
        """Cancel a trial that has not begun."""
        if job in self._pending:
            self._pending.remove(job)
            return True
        if self.launcher["cluster"] == "slurm" and job.handle.state == "PENDING":
            job.handle.cancel()
            return True
        return False

    def close(self) -> None:
        """Remove the channel and the submitted tasks; the jobs' own output stays."""
        if self._executor is not None:
            self._channel.close()
            for path in Path(self._executor.folder).glob("*.pkl"):
                path.unlink(missing_ok=True)

    def _submit(self) -> None:
        if not self._pending:
            return
        jobs, self._pending = self._pending, []
        with (
            _sigint_ignored(),
            subprocesses.safe_path(),
            self._executor.batch() if len(jobs) > 1 else contextlib.nullcontext(),
        ):
            handles = [self._executor.submit(Task(job.task)) for job in jobs]
        for job, handle in zip(jobs, handles, strict=True):
            job.handle = handle
            if self.launcher["cluster"] == "debug":  # it runs where its result is asked for
                threading.Thread(target=handle.results, daemon=True).start()


def executor(launcher: Mapping[str, Any], folder: Path, jobs: int) -> Any:
    """Return submitit's executor, its parameters set.

    Args:
        launcher: the settings.
        folder: for submitit's files.
        jobs: at once.
    """
    import submitit

    cluster = launcher["cluster"]
    requeues = {} if cluster == "debug" else {f"{cluster}_max_num_timeout": launcher["requeues"]}
    made = submitit.AutoExecutor(folder=folder, cluster=cluster, **requeues)
    parameters = {"timeout_min": launcher["minutes"], "name": "trainrun"}
    if cluster == "slurm":
        parameters |= {"cpus_per_task": launcher["cpus"], "gpus_per_node": launcher["gpus"] or None}
        parameters |= {"mem_gb": launcher["mem_gb"], "slurm_array_parallelism": jobs}
        parameters |= {f"slurm_{k}": launcher[k] for k in ("partition", "account", "qos", "constraint")}
        parameters |= {"slurm_signal_delay_s": launcher["signal_seconds"]}
        parameters |= {"slurm_additional_parameters": dict(launcher["additional_parameters"]) or None}
    made.update_parameters(**{k: v for k, v in parameters.items() if v is not None})
    return made


class Task:
    """The submitted job: it runs one trial, and can be submitted again after a preemption.

    Args:
        task: of the sweep.
    """

    def __init__(self, task: ClusterTask):
        self.task = task

    def __call__(self) -> Ended | None:
        """Run the trial, in the job; return how it has ended."""
        line = _PreemptibleEnd(self.task.channel)
        if not line.current:
            return None  # it waited in the queue longer than the sweep lived
        with contextlib.suppress(FileNotFoundError):
            os.chdir(self.task.cwd)
        requeue = line.listen()
        ended = agent.attend(self.task, Path(self.task.trial.run_dir), line)
        if line.preempted and ended.status == "KILLED" and line.current:
            requeue(line.signal, None)  # submitit asks for `checkpoint`, has the job queued again, and leaves
        line.say(ended)
        return ended

    def checkpoint(self) -> Any:
        """Return the task of the requeued job."""
        import submitit

        trial = self.task.trial
        if (resume := sweep_record.earlier_attempt(Path(trial.run_dir))) is not None:
            trial = replace(trial, resume=resume)
        return submitit.helpers.DelayedSubmission(Task(replace(self.task, trial=trial)))


class _PreemptibleEnd(WorkerEnd):
    """A worker's end that treats a signal as a stop request, too."""

    preempted = False

    def listen(self) -> Any:
        """Handle submitit's signal; return submitit's own handler."""
        self.signal = submitit_private.preemption_signal()
        requeue = signal.getsignal(self.signal)
        if threading.current_thread() is not threading.main_thread():  # cluster=debug
            return requeue
        # Slurm may send it to every process of the job. What is begun while it is ignored goes on ignoring it: the fork
        # server, and the trial, which is told to stop by SIGTERM, once.
        signal.signal(self.signal, signal.SIG_IGN)
        agent.warm()
        signal.signal(self.signal, self._note)
        return requeue

    def _note(self, number: int, frame: Any) -> None:
        self.preempted = True

    def order(self) -> Stop | None:
        """Return the request to end the trial, or None."""
        return super().order() or (Stop() if self.preempted else None)


@contextlib.contextmanager
def _sigint_ignored() -> Iterator[None]:
    """Make processes that start inside the `with` ignore Ctrl-C, which the sweep passes on once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    was = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, was)
