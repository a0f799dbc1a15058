"""The surroundings of a run, made by the process that starts it and passed down, so that one process can hold several runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
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
    """Caches that the runs of one process share.

    Args:
        datasets: loaded datasets.
        programs: compiled programs; None: each run compiles its own.
        git: state of the checkout by folder and sources of plug-ins; it is read once, because the process runs the code that it has
            imported.
    """

    datasets: DatasetCache
    programs: ProgramCache | None = None
    git: dict[tuple[str | Path, ...], dict[str, Any] | None] = field(default_factory=dict)

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
        clock: sums the seconds of each stage.
        stop: the request to stop the run.
        listener: called after each epoch, may stop the run; None: the run is not a trial of a sweep.
        remarks: warnings known before the run begins, for its log and record.
        caches: shared with other runs of the process; None: the process has no other run.
        joint: trains the run together with others; None: it is trained by itself.
        delivers: False where another process delivers the run to its trackers.
        own_process: the process is trainrun's own: the garbage collector may ignore what exists after the imports, and libraries are as they
            are installed, so that compiled programs may be stored.
        draws_later: the process ends with the run, so that its plots and report may be drawn in the background.
        threaded: the run has a thread of its own, beside those of other runs.
    """

    clock: Clock = field(default_factory=Clock)
    stop: StopRequest = field(default_factory=lambda: StopRequest(console.note, console.error))
    listener: Listener | None = None
    remarks: Sequence[str] = ()
    caches: SharedCaches | None = None
    joint: JointTraining | None = None
    delivers: bool = True
    own_process: bool = False
    draws_later: bool = False
    threaded: bool = False

    @property
    def keeps_kernels(self) -> bool:
        """Whether other runs use the compiled functions of this run, so that seeding must not drop their kernels."""
        return self.joint is not None or (self.caches is not None and self.caches.programs is not None)

    def training(self) -> JointTraining:
        """Return the hook that trains the run, jointly or by itself."""
        from trainrun.run.joint_training import Solo

        return self.joint or Solo()

    @property
    def datasets(self) -> DatasetCache | None:
        """The cache of datasets, or None if the process has no other run."""
        return None if self.caches is None else self.caches.datasets

    def git_state(self, sources: Sequence[Path] = ()) -> dict[str, Any] | None:
        """Return `{commit, dirty}` of the checkout, or None; see `environment.git_state`."""
        if self.caches is None:
            return environment.git_state(sources=sources)
        key = (os.getcwd(), *sources)
        if key not in self.caches.git:
            self.caches.git[key] = environment.git_state(sources=sources)
        return self.caches.git[key]
