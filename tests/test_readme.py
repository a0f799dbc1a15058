"""The README shows what is true: its commands are right, its listings and messages are what is printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from trainrun.cli import main
from trainrun.commands import _verbs
from trainrun.registry import lookup

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line, comments=True)[1:]
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("trainrun ") and "-sc" not in line
]
# What is printed without training: shown as it is.
SHOWN = {
    m[1]: m[2]
    for m in re.finditer(r"```\n\$ trainrun ([^\n]+)\n(.*?)\n```", TEXT, re.DOTALL)
    if m[1] == "ls" or m[2].startswith(("error:", "1 problem")) or " problems:" in m[2][:14]
}


@pytest.fixture(autouse=True)
def folder_of_a_reader(inside, monkeypatch):
    rows = "\n".join(f"{i % 7},{'ab'[i % 2]},{i * 1.5}" for i in range(100))
    (inside / "houses.csv").write_text(f"rooms,city,price\n{rows}\n")
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.setattr(lookup, "_announced", {})  # what other tests have plugged in


def test_there_is_something_to_hold_it_to():
    assert len(COMMANDS) >= 12 and len(SHOWN) >= 3


@pytest.mark.parametrize("command", [c for c in COMMANDS if c[0] not in _verbs.names()], ids=" ".join)
def test_every_command_is_right(command):
    assert main(["check", *command]) == 0


@pytest.mark.parametrize("command", SHOWN)
def test_what_is_shown_is_what_is_printed(command, capsys):
    main(shlex.split(command))
    captured = capsys.readouterr()
    printed = [line.rstrip() for line in (captured.out + captured.err).strip().splitlines()]
    assert printed == [line.rstrip() for line in SHOWN[command].splitlines()]


def test_nothing_is_left_to_fill_in():
    assert "@@" not in TEXT
