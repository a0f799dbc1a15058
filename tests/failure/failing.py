"""What the tests of this folder share."""

from __future__ import annotations

import json

QUICK = [
    "plugins=[./faulty.py]", "tracking=none", "artifacts.plots=false", "artifacts.report=false", "artifacts.model=false",
    "data=marked", "metric=none", "trainer.epochs=3", "trainer.batch_size=8",
]  # fmt: skip
EXAMPLES = 96  # of data=marked


def read(run_dir, name):
    return json.loads((run_dir / name).read_text())


def events(run_dir, name):
    lines = (run_dir / "journal.jsonl").read_text().splitlines()
    return [r for r in map(json.loads, lines) if r.get("event") == name]
