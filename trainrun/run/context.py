"""The surroundings of a run, made by the process that starts it and passed down, so that several runs can live in one process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trainrun.artifacts import environment
from trainrun.ui import console
from trainrun.util.clock import Clock
from trainrun.util.interrupt import StopRequest

if TYPE_CHECKING:
    from trainrun.data.cache import DatasetCache
    from trainrun.run.joint_training import JointTraining
    from trainrun.run.progress_channel import Listener
    from trainrun.trainer.program_cache import ProgramCache


@dataclass
class SharedCaches:
    """What the runs of one process need not load, compile or ask for again.

    Args:
        datasets: loaded before.
        programs: compiled before; None: each run compiles its own.
        git: state of the checkout, by folder: the process runs the code that it has imported.
    """

    datasets: DatasetCache
    programs: ProgramCache | None = None
    git: dict[str, dict[str, Any] | None] = field(default_factory=dict)

    @classmethod
    def of_process(cls, programs: bool) -> SharedCaches:
        """Return empty caches.

        Args:
            programs: whether runs may share compiled programs.
        """
        from trainrun.data.cache import DatasetCache
        from trainrun.trainer.program_cache import ProgramCache

        return cls(DatasetCache(), ProgramCache() if programs else None)


@dataclass
class RunContext:
    """A run's surroundings.

    Args:
        clock: adds up where the time goes.
        stop: the request to stop the run.
        listener: hears of each epoch, and may have the run stop; None: the run is no trial of a sweep.
        remarks: for the run's log and record, known before it begins.
        caches: shared with other runs of the process; None: it runs this one only.
        joint: trains the run together with others; None: it is trained by itself.
        delivers: False where another process delivers the run to its trackers.
        pause_collector: the garbage collector may rest while TensorFlow is imported, in trainrun's own processes.
        threaded: the run has a thread of its own, beside those of other runs.
    """

    clock: Clock = field(default_factory=Clock)
    stop: StopRequest = field(default_factory=lambda: StopRequest(console.note, console.error))
    listener: Listener | None = None
    remarks: Sequence[str] = ()
    caches: SharedCaches | None = None
    joint: JointTraining | None = None
    delivers: bool = True
    pause_collector: bool = False
    threaded: bool = False

    @property
    def keeps_kernels(self) -> bool:
        """Whether compiled functions outlive this run, so that seeding must not drop their kernels."""
        return self.joint is not None or (self.caches is not None and self.caches.programs is not None)

    def training(self) -> JointTraining:
        """Return what trains the run: with others, or by itself."""
        from trainrun.run.joint_training import Solo

        return self.joint or Solo()

    @property
    def datasets(self) -> DatasetCache | None:
        """The datasets that the process has loaded before; None: it runs one run only."""
        return None if self.caches is None else self.caches.datasets

    def git_state(self) -> dict[str, Any] | None:
        """Return `{commit, dirty}` of the checkout, or None; see `environment.git_state`."""
        return environment.git_state(known=None if self.caches is None else self.caches.git)
