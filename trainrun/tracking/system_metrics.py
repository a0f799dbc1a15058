"""System metrics of a run: processor, memory, GPU and energy, sampled into its journal under MLflow's names.

MLflow's own monitor (`mlflow.system_metrics`) writes to a server; here the journal has the samples first, like every metric.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

PREFIX = "system/"  # MLflow shows names that begin with it on a page of their own
FIRST_SAMPLE_S = 1.0  # after the start, so that short runs have one, too; shorter runs have none
POWERCAP = Path("/sys/class/powercap")
_PACKAGE = re.compile(r"intel-rapl:\d+")  # of Intel's and AMD's processors, without their parts


class Meter:
    """Readings of this machine and this process; processor shares are those since the reading before.

    Args:
        energy: joules by counter that the run has used before.
        powercap: the folder of the kernel's energy counters.
    """

    def __init__(self, energy: Mapping[str, float] | None = None, powercap: Path = POWERCAP):
        import psutil

        self._psutil, self._process = psutil, psutil.Process()
        psutil.cpu_percent()  # the first reading of a thread is a meaningless 0
        self._process.cpu_percent()
        self._packages = sorted(p for p in _folders(powercap) if _PACKAGE.fullmatch(p.name))
        self._nvml, self._gpus = _gpus()
        self._energy = dict(energy or {})
        self._counters = self._read_counters()

    def read(self) -> dict[str, float]:
        """Return the metrics without their prefix; what the machine does not tell is left out."""
        psutil, values = self._psutil, {}
        memory = psutil.virtual_memory()
        values["cpu_utilization_percentage"] = psutil.cpu_percent()
        values["system_memory_usage_megabytes"] = memory.used / 1e6
        values["system_memory_usage_percentage"] = memory.used / memory.total * 100
        with contextlib.suppress(psutil.Error):
            values["process_cpu_percentage"] = self._process.cpu_percent()  # 100: one core
            values["process_memory_megabytes"] = self._process.memory_info().rss / 1e6
        for number, gpu in enumerate(self._gpus):
            values |= self._of_gpu(number, gpu)
        values |= self._spent()
        return {name: round(value, 1) for name, value in values.items()}

    def _of_gpu(self, number: int, gpu: Any) -> dict[str, float]:
        nvml, name, values = self._nvml, f"gpu_{number}_", {}
        with contextlib.suppress(nvml.NVMLError):
            memory = nvml.nvmlDeviceGetMemoryInfo(gpu)
            values[f"{name}memory_usage_percentage"] = memory.used / memory.total * 100
            values[f"{name}memory_usage_megabytes"] = memory.used / 1e6
        with contextlib.suppress(nvml.NVMLError):
            values[f"{name}utilization_percentage"] = float(nvml.nvmlDeviceGetUtilizationRates(gpu).gpu)
        with contextlib.suppress(nvml.NVMLError):
            power = nvml.nvmlDeviceGetPowerUsage(gpu)
            values[f"{name}power_usage_watts"] = power / 1000
            values[f"{name}power_usage_percentage"] = power / nvml.nvmlDeviceGetEnforcedPowerLimit(gpu) * 100
        return values

    def _spent(self) -> dict[str, float]:
        """Return the joules by counter since the run began."""
        for name, (joules, top) in self._read_counters().items():
            before = self._counters.get(name, (joules, top))[0]
            self._counters[name] = joules, top
            used = (
                joules - before if joules >= before else joules - before + top
            )  # it begins again at its top
            self._energy[name] = self._energy.get(name, 0.0) + max(used, 0.0)
        return dict(self._energy)

    def _read_counters(self) -> dict[str, tuple[float, float]]:
        """Return joules and greatest value of each counter that this user may read."""
        counters = {}
        for package in self._packages:
            with contextlib.suppress(OSError, ValueError):  # on most machines the administrator's only
                used, top = (
                    int((package / f).read_text()) / 1e6 for f in ("energy_uj", "max_energy_range_uj")
                )
                counters[f"cpu_{package.name.rpartition(':')[2]}_energy_joules"] = used, top
        for number, gpu in enumerate(self._gpus):
            with contextlib.suppress(self._nvml.NVMLError):  # before Volta
                joules = self._nvml.nvmlDeviceGetTotalEnergyConsumption(gpu) / 1000
                counters[f"gpu_{number}_energy_joules"] = joules, 0.0
        return counters


class Sampler:
    """Writes a record of kind ``system`` at regular intervals, from a thread of its own.

    Args:
        write: takes the fields of a record.
        interval: seconds from one sample to the next.
        earlier: the journal's records so far: steps and joules of a resumed run go on.
    """

    def __init__(self, write: Callable[..., Any], interval: float, earlier: Iterable[Mapping[str, Any]] = ()):
        samples = [r for r in earlier if r["kind"] == "system"]
        last = samples[-1].get("metrics") or {} if samples else {}
        self._energy = {k.removeprefix(PREFIX): v for k, v in last.items() if k.endswith("_energy_joules")}
        self._write, self._interval, self._step = write, interval, len(samples)
        self._values: dict[str, list[float]] = defaultdict(list)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trainrun-system", daemon=True)
        self._thread.start()

    def stop(self) -> dict[str, float]:
        """Take a last sample; return mean utilizations, peak memory of the process, and joules in all."""
        self._over.set()
        self._thread.join()
        totals = {n: sum(v) / len(v) for n, v in self._values.items() if n.endswith("utilization_percentage")}
        if memory := self._values.get("process_memory_megabytes"):
            totals["process_memory_megabytes"] = max(memory)
        if energy := [v[-1] for n, v in self._values.items() if n.endswith("_energy_joules")]:
            totals["energy_joules"] = sum(energy)
        return {name: round(value, 1) for name, value in totals.items()}

    def _run(self) -> None:
        began = time.monotonic()
        try:
            meter = Meter(self._energy)
            while not self._over.wait(FIRST_SAMPLE_S if not self._values else self._interval):
                self._sample(meter)
            if time.monotonic() - began >= FIRST_SAMPLE_S:
                self._sample(meter)
        except Exception:
            return  # a full disk, a counter that is gone: the run goes on without

    def _sample(self, meter: Meter) -> None:
        values = meter.read()
        for name, value in values.items():
            self._values[name].append(value)
        self._write(step=self._step, metrics={f"{PREFIX}{name}": value for name, value in values.items()})
        self._step += 1


def _folders(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _gpus() -> tuple[Any, list[Any]]:
    """Return NVIDIA's library and the machine's GPUs; none without library, driver or GPU."""
    with contextlib.suppress(Exception):
        import pynvml

        pynvml.nvmlInit()
        return pynvml, [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
    return None, []
