"""`hydra/launcher=ray`: trials as tasks of a Ray cluster, by Ray Core.

A task runs one trial, in a separate process. If a node has no access to the sweep's directory, the trial runs in a
folder of that node, and its files are copied back.
"""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from trainrun.sweep.launchers import agent, file_sync, ray_address
from trainrun.sweep.launchers.cluster_engine import ClusterEngine, Job, Received
from trainrun.sweep.launchers.protocol import ClusterTask, Ended, FilePart, FilesGone, Message, Stop
from trainrun.sweep.launchers.ray_actor import Mailbox, WorkerEnd, ignore_interrupt
from trainrun.sweep.launchers.resources import Share
from trainrun.sweep.launchers.runtime_env import on_worker, stage
from trainrun.sweep.trial import Trial

TOKEN = ".engine"  # in the sweep's directory: a node that finds it there sees the directory
KILLING = 5.0  # seconds that a worker has to kill its trial, before it is killed itself
# A resource that Ray gives to its head node alone.
HEAD = "node:__internal_head__"


class RayCore(ClusterEngine):
    """Runs trials on a Ray cluster.

    Args:
        settings: see `sweep_settings.settings`.
        trials: their maximum number.
    """

    def __init__(self, settings: Mapping[str, Any], trials: int):
        import ray

        self._ray, launcher = ray, settings["launcher"]
        self._staged = Path(tempfile.mkdtemp(prefix="trainrun-ship-"))
        environment, self._renamed = dict(launcher["runtime_env"]), {}
        if not ray_address.own(launcher["address"]) or launcher["shared_files"] is False:
            shipped, self._renamed = stage(settings["plugins"], self._staged)
            environment = {**shipped, **environment}
        count = None if launcher["n_jobs"] == "auto" else launcher["n_jobs"]
        ray_address.join(launcher, environment, count and min(count, trials))
        super().__init__(settings, max(1, min(count or _places(launcher), trials)))
        self._mailbox = (
            ray.remote(Mailbox).options(num_cpus=0, resources={HEAD: 0.001}, max_concurrency=1000).remote()
        )
        self._receiving: Any = None
        self._answers: dict[int, Any] = {}
        self._orders: dict[int, Stop] = {}
        self._killed: dict[int, float] = {}
        self._token: Path | None = None
        needs = {k: launcher[k] for k in ("num_cpus", "num_gpus")}
        # Ray does not restart a task that has died: the sweep decides by the trial's record.
        self._work = ray.remote(work).options(
            **needs, resources=dict(launcher["resources"]) or None, max_retries=0
        )

    def share(self) -> Share:
        """Return the share of a trial; Ray chooses the GPU."""
        return Share(max(1, int(self.launcher["num_cpus"])))

    def start(self, trial: Trial, resume: Mapping[str, Any] | None = None) -> None:
        """Begin a trial; there must be room."""
        if self._token is None:
            self._token = trial.run_dir.parent / TOKEN
            self._token.write_text(secrets.token_hex(16))
        super().start(trial, resume)

    def channel(self, trial: Trial) -> Mapping[str, Any]:
        """Return the data by which a worker finds the sweep's directory, or works without it."""
        shared = self.launcher["shared_files"]
        token = None if shared is False else [str(self._token), self._token.read_text()]
        return {"token": token, "renamed": self._renamed, "shared": shared}

    def begin(self, job: Job) -> None:
        """Submit a trial to a worker."""
        files = {} if self.launcher["shared_files"] is True else file_sync.pack(job.trial.run_dir)
        job.handle = self._work.remote(job.task, files, self._mailbox)

    def receive(self, seconds: float) -> Iterable[Received]:
        """Return the messages of the workers."""
        if self._receiving is None:
            answers, self._answers, orders, self._orders = self._answers, {}, self._orders, {}
            self._receiving = self._mailbox.receive.remote(answers, orders, seconds)
        if not self._ray.wait([self._receiving], timeout=seconds + 1.0)[0]:
            return []
        receiving, self._receiving = self._receiving, None
        jobs = {job.trial.number: job for job in self._jobs}
        received = []
        for ticket, number, message in self._ray.get(receiving):
            if number in jobs:
                received.append((jobs[number], message, partial(self._answers.__setitem__, ticket)))
        return received

    def take(self, job: Job, message: Message) -> str | None:
        """Handle a message; return the answer."""
        if isinstance(message, FilePart | FilesGone):
            file_sync.receive(job.trial.run_dir, message)
            return None
        return super().take(job, message)

    def order(self, job: Job, stop: Stop) -> None:
        """Request a worker to end its trial."""
        if stop.kill:
            self._killed[job.trial.number] = time.monotonic()
        self._orders[job.trial.number] = stop

    def withdraw(self, job: Job) -> bool:
        """Cancel a trial that has not begun."""
        # One that is just beginning is ended by it, too: nothing was trained yet.
        self._ray.cancel(job.handle, force=True)
        return True

    def gone(self, job: Job) -> str | None:
        """Return why a worker has ended, or None if it runs."""
        if not self._ray.wait([job.handle], timeout=0)[0]:
            # The worker kills its trial; were it killed first, the trial would have its time to save itself.
            if time.monotonic() - self._killed.get(job.trial.number, float("inf")) > KILLING:
                self._ray.cancel(job.handle, force=True)
            return None
        try:
            job.ended = self._ray.get(job.handle)
        except self._ray.exceptions.TaskCancelledError:
            return "it was ended at once"
        except self._ray.exceptions.RayTaskError as error:
            return f"its worker failed: {str(error.cause or error).strip().splitlines()[-1]}"
        except self._ray.exceptions.RayError as error:
            return f"its worker on the cluster died ({type(error).__name__}): {str(error).strip().splitlines()[0]}"
        return None

    def close(self) -> None:
        """Leave the cluster; a cluster that this process started ends."""
        for job in self._jobs:
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.cancel(job.handle, force=True)
        self._ray.shutdown()
        if self._token is not None:
            self._token.unlink(missing_ok=True)
        shutil.rmtree(self._staged, ignore_errors=True)


def work(task: ClusterTask, files: dict[str, bytes], mailbox: Any) -> Ended:
    """Run a trial in a worker of Ray; return how it has ended.

    Args:
        task: of the sweep.
        files: of the trial's directory.
        mailbox: the actor.
    """
    ignore_interrupt()
    number, run_dir = task.trial.number, task.trial.run_dir
    line = WorkerEnd(mailbox, number)
    if _seen(task.channel["token"]):
        with contextlib.suppress(FileNotFoundError):
            os.chdir(task.cwd)
        ended = agent.attend(task, Path(run_dir), line)
    elif task.channel["shared"] is True:
        reason = f"node {platform.node()} does not see {run_dir}, and hydra.launcher.shared_files=true"
        ended = Ended(number, "FAILED", reason)
    else:
        task = on_worker(task, task.channel["renamed"])
        folder = Path(tempfile.mkdtemp(prefix="trainrun-"))
        local = folder / Path(run_dir).name
        local.mkdir()
        try:
            mirror = file_sync.Mirror(number, local, run_dir, files, line.say)
            ended = agent.attend(task, local, line, mirror)
        finally:
            file_sync.remove(folder)
    line.say(ended)
    return ended


def _places(launcher: Mapping[str, Any]) -> int:
    """Return the number of trials for which the cluster has room now."""
    import ray

    needs = {"CPU": launcher["num_cpus"], "GPU": launcher["num_gpus"], **launcher["resources"]}
    resources = ray.cluster_resources()
    return max(1, int(min((resources.get(k, 0.0) / v for k, v in needs.items() if v), default=1)))


def _seen(token: tuple[str, str] | None) -> bool:
    try:
        return token is not None and Path(token[0]).read_text() == token[1]
    except OSError:
        return False
