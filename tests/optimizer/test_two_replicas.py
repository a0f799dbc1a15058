"""Two mirrored replicas give the weights of one device, in float32 and nearly so in mixed precision."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("two_replicas.py")


@pytest.fixture(scope="module")
def differences():
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout[done.stdout.index("{") :])


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["radam", "lookahead", "ranger", "lazy_adam", "adam_then_sgd", "schedule_free_adamw", "multi"]
)
def test_agrees_with_one_device(differences, name):
    assert differences[name]["two"] < 1e-5
    # float16 gradients: three digits, over sixteen steps of about 0.01.
    assert 0 < differences[name]["half"] < 0.02
