"""What CONTRIBUTING.md says: to add something, copy these files under another name, and nothing else changes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (an? [^|]+?) \| ([^|]*`[^|]+) \| (\d) \| `([^`]+)` \|$", TEXT, re.M)
# What makes a copy of a row's example fit the default config.
FITTING = {"loss/focal": "data=digits", "data/wine": "model=mlp"}
SCRIPT = """
import json, sys
from trainrun.cli import main
for words in json.loads(sys.argv[1]):
    print("EXIT", main(words), flush=True)
"""


def files(row: tuple[str, str, str, str]) -> list[tuple[str, str]]:
    """Return (existing path, path of the copy) of each file or folder that a row names."""
    _, named, _, example = row
    paths = re.findall(r"`([^`]+)`", named)
    if example.endswith(".yaml"):
        return [(example, p.replace("<group>", "loss").replace("<name>", "mine")) for p in paths]
    return [(p.replace("<name>", example), p.replace("<name>", "mine")) for p in paths]


def renamed(text: str, example: str) -> str:
    """Return a file's text with the example's name, `mean_pred` or `MeanPred`, replaced."""
    camel = example.replace("_", "")
    text = re.sub(rf"\b{example}\b", "mine", text)
    return re.sub(rf"\b{camel}(?=\b|Tracker)", "Mine", text, flags=re.I) if camel else text


def copy(source: Path, target: Path, example: str) -> None:
    pairs = [(source, target)]
    if source.is_dir():
        pairs = [(p, target / p.relative_to(source)) for p in source.rglob("*.py")]
    for old, new in pairs:
        new.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(renamed(old.read_text(encoding="utf-8"), example), encoding="utf-8")


def test_the_table_has_a_row_for_all_that_can_be_added():
    assert len(ROWS) == 11
    kinds = " ".join(row[0] for row in ROWS)
    for word in ("loss", "dataset", "verb", "tracker", "trainer"):
        assert word in kinds


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_count_is_that_of_the_files_named(row):
    assert int(row[2]) == len(files(row)) <= 2
    for existing, _ in files(row):
        assert (ROOT / existing).exists()


def test_what_is_copied_under_another_name_is_known_and_fits(tmp_path):
    for folder in ("trainrun", "conf"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "mine.py").touch()  # a tracker bears the name of the library that it needs
    commands = [["ls"], ["mine"]]
    for row in ROWS:
        for existing, new in files(row):
            if not row[3].endswith(".yaml"):
                copy(tmp_path / existing, tmp_path / new, row[3])
        if new.startswith("conf/") and not row[3].endswith(".yaml"):
            group = new.split("/")[1]
            commands += [["show", f"{group}/mine"]] if group != "tracking" else [["ls", "tracking"]]
            words = FITTING.get(f"{group}/{row[3]}", "")
            commands.append(["check", f"{group}=mine", *words.split()])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(commands)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    codes = [int(code) for code in re.findall(r"^EXIT (\d+)$", done.stdout, re.M)]
    assert len(codes) == len(commands), done.stderr
    faults = [words for words, code in zip(commands, codes, strict=True) if code != 0 and words != ["mine"]]
    assert not faults, done.stdout[-3000:] + done.stderr
    assert codes[1] == 2 and "required: sweep. `trainrun mine --help`" in done.stderr, (
        "the verb asks for its argument"
    )
