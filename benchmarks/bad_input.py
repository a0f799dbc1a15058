"""The bad-input table: how many cases of hostile and mistaken input there are, and how many end as promised.

Promised is exit code 2 (1 where training had begun), one readable message that names what was wrong and the way out, no
traceback, nothing half-made, nothing of another run touched. `python benchmarks/bad_input.py` takes about two minutes.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "badinput"))

from badinput_cases import CASES
from badinput_harness import broken_promises


def main() -> int:
    """Run every case and count; name those that are not as promised."""
    kept = 0
    for bad in CASES:
        with tempfile.TemporaryDirectory() as folder:
            broken = broken_promises(bad, Path(folder))
        kept += not broken
        if broken:
            print(f"{bad.id}: {'; '.join(broken[:-2])}")
    print(f"cases {len(CASES)}, as promised {kept}")
    return int(kept < len(CASES))


if __name__ == "__main__":
    sys.exit(main())
