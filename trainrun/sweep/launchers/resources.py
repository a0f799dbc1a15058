"""Division of the machine: the number of trials at once, and the share of each."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from trainrun.util import machine

# A process with TensorFlow, of which the fork server's pages are shared, and a small model: 300 MB of its own.
TRIAL_MEMORY = 500 * 2**20


@dataclass(frozen=True)
class Share:
    """The share of one trial.

    Args:
        threads: of the CPU.
        gpu: the device's index, as CUDA counts; None: no GPU.
        per_gpu: trials that use that GPU.
    """

    threads: int
    gpu: str | None = None
    per_gpu: int = 1

    def environment(self) -> dict[str, str]:
        """Return the environment variables that limit TensorFlow and other libraries to the share; set them before the first operation."""
        threads = str(self.threads)
        variables = {
            "TF_NUM_INTRAOP_THREADS": threads,
            "TF_NUM_INTEROP_THREADS": threads,
            "OMP_NUM_THREADS": threads,
        }
        if self.gpu is None:
            return variables
        if self.per_gpu > 1:  # otherwise the first process allocates all of the memory
            variables["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
        return {**variables, "CUDA_VISIBLE_DEVICES": self.gpu}


@dataclass
class Resources:
    """The machine, divided among trials.

    Args:
        jobs: trials at once.
        cores: of the machine.
        gpus: indices, as CUDA counts.
        per_gpu: trials that share one.
    """

    jobs: int
    cores: int
    gpus: list[str] = field(default_factory=list)
    per_gpu: int = 1

    def __post_init__(self) -> None:
        leases = [g for _ in range(self.per_gpu) for g in self.gpus]
        self._free = [
            Share(max(1, self.cores // self.jobs), g, self.per_gpu) for g in (leases or [None] * self.jobs)
        ][: self.jobs]
        self.jobs = len(self._free)

    @classmethod
    def divide(cls, jobs: int | str, trials: int, per_gpu: int = 1) -> Resources:
        """Return the machine's resources divided.

        Args:
            jobs: trials at once; ``auto``: as many as there are cores (or places on GPUs) and memory for.
            trials: of the sweep.
            per_gpu: trials that share a GPU.
        """
        cores, gpus = machine.cores(), _gpus()
        if jobs == "auto":
            jobs = len(gpus) * per_gpu if gpus else cores
            jobs = min(jobs, max(1, machine.available_memory() // TRIAL_MEMORY))
        return cls(max(1, min(int(jobs), max(trials, 1))), cores, gpus, per_gpu)

    def take(self) -> Share | None:
        """Return a free share, or None."""
        return self._free.pop() if self._free else None

    def give_back(self, share: Share) -> None:
        """Free a share."""
        self._free.append(share)


def _gpus() -> list[str]:
    """Return the GPUs that this process may use, without TensorFlow: by the environment, else by the driver."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [g for g in visible.split(",") if g.strip() not in ("", "-1")]
    try:
        return [str(i) for i in range(len([*Path("/proc/driver/nvidia/gpus").iterdir()]))]
    except OSError:
        return []
