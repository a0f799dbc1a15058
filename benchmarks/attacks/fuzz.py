"""Files from elsewhere, altered at random by hypothesis: kind 10. The tests of tests/badinput, with more examples each."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

TESTS = Path(__file__).parents[2] / "tests" / "badinput"
FILES = "test_received*.py"
MORE = "4"  # times as many examples as in CI


def _attack(file: Path, name: str) -> Callable[[Path], None]:
    def attack(folder: Path) -> None:
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"{file}::{name}"]
        done = subprocess.run(
            [*command, f"--basetemp={folder / 'tests'}"],
            cwd=TESTS.parents[1],
            env={**os.environ, "TRAINRUN_FUZZ": MORE},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]

    attack.__name__ = name
    attack.__doc__ = name.removeprefix("test_").replace("_", " ")
    return attack


ATTACKS: dict[int, tuple[Callable[[Path], None], ...]] = {
    10: tuple(
        _attack(file, name)
        for file in sorted(TESTS.glob(FILES))
        for name in re.findall(r"^def (test_\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    )
}
