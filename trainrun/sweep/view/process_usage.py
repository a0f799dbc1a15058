"""What the processes of runs take of this machine: processor, memory, and GPU where `nvidia-ml-py` is installed."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

GIB = 2.0**30


class Usage(NamedTuple):
    """The usage of one process, without its children.

    Args:
        cpu: per cent of one core.
        memory: bytes.
        gpu: per cent of the busiest GPU that it computes on; None: none.
        gpu_memory: bytes on all GPUs.
    """

    cpu: float
    memory: int
    gpu: float | None = None
    gpu_memory: int = 0

    @property
    def text(self) -> str:
        """It in few characters."""
        gpu = "" if self.gpu is None else f"  GPU {self.gpu:.0f}% {self.gpu_memory / GIB:.1f} GiB"
        return f"{self.cpu:.0f}% {self.memory / GIB:.1f} GiB{gpu}"


class UsageMeter:
    """Measures processes; the first measure of a process has no share of the processor yet."""

    def __init__(self) -> None:
        self._processes: dict[int, Any] = {}
        self._nvml: Any = None
        with contextlib.suppress(Exception):  # no library, no driver, no GPU
            import pynvml

            pynvml.nvmlInit()
            self._nvml = pynvml

    def measure(self, pids: set[int]) -> dict[int, Usage]:
        """Return the usage of each process that lives."""
        import psutil

        gpus, usage = self._gpus(), {}
        self._processes = {pid: p for pid, p in self._processes.items() if pid in pids}
        for pid in pids:
            with contextlib.suppress(psutil.Error):
                process = self._processes.setdefault(pid, psutil.Process(pid))
                usage[pid] = Usage(
                    process.cpu_percent(), process.memory_info().rss, *gpus.get(pid, (None, 0))
                )
        return usage

    def _gpus(self) -> dict[int, tuple[float, int]]:
        """Return the GPU's share and memory by process."""
        usage: dict[int, tuple[float, int]] = {}
        if self._nvml is None:
            return usage
        with contextlib.suppress(self._nvml.NVMLError):
            for i in range(self._nvml.nvmlDeviceGetCount()):
                device = self._nvml.nvmlDeviceGetHandleByIndex(i)
                busy = float(self._nvml.nvmlDeviceGetUtilizationRates(device).gpu)
                for process in self._nvml.nvmlDeviceGetComputeRunningProcesses(device):
                    share, memory = usage.get(process.pid, (0.0, 0))
                    usage[process.pid] = max(share, busy), memory + (process.usedGpuMemory or 0)
        return usage
