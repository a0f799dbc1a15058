"""The worker protocol: messages between a sweep and the processes that run its trials.

Every launcher uses them, whatever carries them: a pipe on this machine (`pipe_channel`), files on a shared file system
(`file_channel`), an actor of Ray's (`ray_actor`). Pipes and Ray carry the messages as they are, files as JSON (`encode`,
`decode`); files and Ray know by themselves which Epoch an answer belongs to, and carry only its reason.

    sweep -> worker     TrialTask, ClusterTask or GroupTask; Answer (to an Epoch), Stop, None (there will be no more trials)
    worker -> sweep     Begun, Epoch, Ended for each trial; Note; FilePart and FilesGone where no file system is shared
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from trainrun.sweep.trial import Trial


@dataclass(frozen=True)
class TrialTask:
    """A trial to run.

    Args:
        number: in the sweep.
        config: resolved and checked.
        run_dir: its directory.
        overrides, command: as typed, for the record.
        plugins: to load.
        resume: facts about the attempt that it continues (`data_sha256`, `take_over`); None: it begins.
        asks: whether the trial waits for an `Answer` after each epoch.
        stays: whether the process waits for another trial, which may reuse the compiled program.
    """

    number: int
    config: Mapping[str, Any]
    run_dir: str
    overrides: Sequence[str] = ()
    command: Sequence[str] = ()
    plugins: Sequence[str] = ()
    resume: Mapping[str, Any] | None = None
    asks: bool = False
    stays: bool = False

    @classmethod
    def of(
        cls,
        trial: Trial,
        command: Sequence[str],
        plugins: Sequence[str],
        resume: Mapping[str, Any] | None,
        asks: bool,
        stays: bool = False,
    ) -> TrialTask:
        """Return the task of a trial; see the class for the arguments."""
        run_dir, overrides = str(trial.run_dir), list(trial.overrides)
        return cls(
            trial.number, trial.config, run_dir, overrides, list(command), list(plugins), resume and dict(resume), asks, stays
        )  # fmt: skip


@dataclass(frozen=True)
class ClusterTask:
    """A trial for a worker of a cluster, which starts the trial's own process.

    Args:
        trial: to run.
        trial_timeout, grace: seconds, as in the config.
        cwd, path: working directory and Python's search path of the sweep.
        threads, gpu, per_gpu: see `resources.Share`.
        channel: data for the worker's end of the channel.
    """

    trial: TrialTask
    trial_timeout: float | None
    grace: float
    cwd: str
    path: Sequence[str]
    threads: int
    gpu: str | None
    per_gpu: int
    channel: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GroupTask:
    """The task of a process that trains several trials together, before each of them as a `TrialTask`.

    Args:
        sweep_dir: the sweep's directory.
        plugins: to load.
        most, part: see `vectorized.group.Group`.
    """

    sweep_dir: str
    plugins: Sequence[str]
    most: int
    part: float


@dataclass(frozen=True)
class Begun:
    """A trial has begun, in the process `pid` of `host`."""

    trial: int
    host: str = ""
    pid: int = 0


@dataclass(frozen=True)
class Epoch:
    """A trial has done an epoch, counted from 1; `last`: training ends with it."""

    trial: int
    epoch: int
    metrics: Mapping[str, float]
    last: bool


@dataclass(frozen=True)
class Ended:
    """A trial has ended.

    Args:
        trial: its number.
        status: as in a run's record.
        reason: why it has not finished.
        seconds: its duration, if the worker has measured it.
        stays: whether its process waits for another trial.
    """

    trial: int
    status: str
    reason: str | None = None
    seconds: float = 0.0
    stays: bool = False

    def settle(self, trial: Trial, seconds: float, stopped: str | None = None) -> Trial:
        """Set the end in the sweep's trial, and return the trial.

        Args:
            trial: of the sweep.
            seconds: from its start to its end.
            stopped: why the sweep has stopped it, which counts as a failure; None: it has not.
        """
        trial.status = "FAILED" if stopped else self.status
        trial.reason, trial.seconds = stopped or self.reason, seconds
        return trial


@dataclass(frozen=True)
class Note:
    """A line for the user."""

    text: str


@dataclass(frozen=True)
class FilePart:
    """Content of a file in a trial's directory.

    Args:
        trial: its number.
        name: relative path.
        data: to write.
        grows: whether it is added to the file; otherwise the parts from `first` to `last` make a new file.
        first, last: which of the parts it is.
    """

    trial: int
    name: str
    data: bytes
    grows: bool = False
    first: bool = True
    last: bool = True


@dataclass(frozen=True)
class FilesGone:
    """Files of a trial's directory that were deleted, by relative path."""

    trial: int
    names: Sequence[str]


@dataclass(frozen=True)
class Answer:
    """The sweep's answer to an `Epoch`: the reason to prune the trial, or None."""

    trial: int
    reason: str | None = None


@dataclass(frozen=True)
class Stop:
    """A trial must save its state and exit, or with `kill` exit at once; None: all trials of the process."""

    trial: int | None = None
    kill: bool = False


Message = Begun | Epoch | Ended | Note | FilePart | FilesGone
_KINDS = {kind.__name__: kind for kind in (Begun, Epoch, Ended, Note, Stop)}


def encode(message: Message | Stop) -> dict[str, Any]:
    """Return a message as plain values for JSON."""
    return {"kind": type(message).__name__, **asdict(message)}


def decode(content: Mapping[str, Any]) -> Message | Stop:
    """Return the message that `encode` has encoded.

    Raises:
        KeyError: its kind is unknown.
        TypeError: it has other fields.
    """
    fields = dict(content)
    return _KINDS[fields.pop("kind")](**fields)
