"""Several replicas give the losses and weights of one device, also where a batch cannot be divided evenly."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).with_name("agreement.py")
KEYS = ["odd-custom-2", "odd-fit-3", "one_left-custom-3", "clipped-custom-3", "clipped-fit-2", "own-fit-2"]


@pytest.fixture(scope="module")
def results():
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("key", KEYS)
def test_agrees_with_one_device(results, key):
    difference = results["agreement"][key]
    assert difference["history"] < 1e-5
    assert difference["weights"] < 1e-5
    assert difference["moved"] > 1e-3, "nothing was learnt: nothing was compared"


def test_batch_per_replica_and_the_linear_rule(results):
    # 2 replicas of 8: 16 examples a step, and twice the rate. 90 training examples in iris.
    assert results["scaled"]["rate"] == pytest.approx(0.02)
    assert results["scaled"]["steps"] == 2 * math.ceil(90 / 16)


def test_splitting_the_cpu_once_more_is_refused(results):
    assert results["too_late"].startswith("hardware.virtual_devices: TensorFlow is initialized")


def test_a_term_of_a_loss_that_replicas_would_add_up_is_refused(results):
    assert (
        "what compute_loss of Further adds to super().compute_loss would count 2 times" in results["further"]
    )
