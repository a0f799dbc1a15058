"""The same config and seed on the same machine: the same bits, whatever else the machine does, without op determinism too."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import trainrun
quiet = ["tracking=none", "artifacts.plots=false", "artifacts.report=false", "artifacts.model=false", "data=digits",
         "trainer.epochs=2", "trainer.limit=192", "metric=none"]
for settings in (["model=mlp", "model.dropout=0.2"], ["model=cnn", "model.filters=[8]"], ["model=cnn", "trainer=custom", "trainer.batch_size=128"],
                 ["model=resnet_small", "trainer=custom", "trainer.limit=96"], ["model=recurrent", "trainer=train_on_batch"]):
    result = trainrun.run([*quiet, *settings])
    print("BITS", settings, result.summary["weights_sha256"], result.history)
"""


@pytest.mark.slow
def test_two_processes_come_to_the_same_bits(tmp_path):
    # Side by side: each is in the other's way, and a clock would see it.
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for folder in (tmp_path / "one", tmp_path / "two")
        if folder.mkdir() is None
    ]
    outputs = [p.communicate(timeout=400) for p in processes]
    bits = [[line for line in out.splitlines() if line.startswith("BITS")] for out, _ in outputs]
    assert len(bits[0]) == 5, outputs[0][1][-2000:]
    assert bits[0] == bits[1]
