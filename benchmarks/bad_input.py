"""Invalid input: how many cases of mistaken and hostile input end as promised.

Promised are exit code 2 (1 where training had begun), one readable message that names the fault and the way out, no
traceback, no partial files, and no change to other runs.

    python benchmarks/bad_input.py [--json [FILE]]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "badinput"))

import results_file
from badinput_cases import CASES
from badinput_harness import broken_promises


def main() -> int:
    """Run every case and count; name those that are not as promised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    results_file.add_option(parser, __file__)
    arguments = parser.parse_args()
    kept = 0
    for bad in CASES:
        with tempfile.TemporaryDirectory() as folder:
            broken = broken_promises(bad, Path(folder))
        kept += not broken
        if broken:
            print(f"{bad.id}: {'; '.join(broken[:-2])}")
    print(f"cases {len(CASES)}, as promised {kept}")
    goal = results_file.goal(f"cases as promised, of {len(CASES)}", kept, len(CASES), at_least=True)
    results_file.write(arguments.json, "python benchmarks/bad_input.py", [], [goal])
    return int(kept < len(CASES))


if __name__ == "__main__":
    sys.exit(main())
