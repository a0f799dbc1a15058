import json
import sys
import threading
import time
from types import SimpleNamespace

import psutil
import pytest

from trainrun.tracking import journal, system_metrics
from trainrun.tracking.record import Recorder
from trainrun.tracking.settings import TrackingSettings


class FakeNvml:
    """The part of `pynvml` that is used, with two GPUs: the second one is too old to count energy."""

    class NVMLError(Exception):
        pass

    def __init__(self):
        self.millijoules = 5_000_000

    def nvmlInit(self): ...

    def nvmlDeviceGetCount(self):
        return 2

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetMemoryInfo(self, gpu):
        return SimpleNamespace(used=2_000_000_000, total=8_000_000_000)

    def nvmlDeviceGetUtilizationRates(self, gpu):
        return SimpleNamespace(gpu=40 + gpu)

    def nvmlDeviceGetPowerUsage(self, gpu):
        return 150_000

    def nvmlDeviceGetEnforcedPowerLimit(self, gpu):
        return 300_000

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu):
        if gpu == 1:
            raise self.NVMLError
        self.millijoules += 2_000
        return self.millijoules


def test_metrics_of_gpus_and_of_the_processor_have_the_names_that_mlflow_has(monkeypatch, tmp_path):
    from mlflow.system_metrics.metrics import gpu_monitor as monitors
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor

    fake = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    monkeypatch.setattr(monitors, "pynvml", fake, raising=False)
    expected = {}
    for monitor in (CPUMonitor(), monitors.GPUMonitor()):
        monitor.collect_metrics()
        expected |= monitor.aggregate_metrics()

    values = system_metrics.Meter(powercap=tmp_path).read()

    assert expected.keys() <= values.keys()
    assert {k: v for k, v in values.items() if k in expected and "gpu" in k} == {
        k: v for k, v in expected.items() if "gpu" in k
    }
    assert values["gpu_0_energy_joules"] == 2.0
    assert "gpu_1_energy_joules" not in values
    assert values["process_memory_megabytes"] == pytest.approx(
        psutil.Process().memory_info().rss / 1e6, rel=0.2
    )


def test_joules_of_the_processor_are_counted_beyond_the_end_of_the_counter_and_go_on_after_a_resume(tmp_path):
    package = tmp_path / "intel-rapl:0"
    (tmp_path / "intel-rapl:0:0").mkdir()  # a part of the package, which counts it already
    package.mkdir()
    (package / "max_energy_range_uj").write_text("100000000")
    (package / "energy_uj").write_text("90000000")
    meter = system_metrics.Meter({"cpu_0_energy_joules": 7.0}, powercap=tmp_path)
    (package / "energy_uj").write_text("95000000")
    assert meter.read()["cpu_0_energy_joules"] == 12.0
    (package / "energy_uj").write_text("10000000")

    assert meter.read()["cpu_0_energy_joules"] == 27.0


def test_samples_of_a_resumed_run_go_on_and_the_setting_null_takes_none(tmp_path, monkeypatch):
    monkeypatch.setattr(system_metrics, "FIRST_SAMPLE_S", 0.01)

    def attempt(interval=10.0):
        recorder = Recorder(tmp_path, TrackingSettings(system_interval=interval))
        recorder.start(run_id="a", config={})
        time.sleep(0.05)
        totals = recorder.end_system_metrics()
        recorder.end("FINISHED")
        return totals

    assert attempt()["process_memory_megabytes"] > 0
    attempt()
    records = [r for r in journal.read(tmp_path / "journal.jsonl").records if r["kind"] == "system"]
    assert [r["step"] for r in records] == list(range(len(records)))
    assert len(records) >= 4
    assert all(name.startswith("system/") for name in records[0]["metrics"])
    assert attempt(None) == {}
    assert TrackingSettings.of({"system_interval": None}).system_interval is None
    assert TrackingSettings.of({}).system_interval == 10.0  # of runs recorded before there was the key
    assert not [t for t in threading.enumerate() if t.name == "trainrun-system"]
    assert json.loads((tmp_path / "journal.jsonl").read_text().splitlines()[-1])["kind"] == "end"
