"""Every command of docs/after-training.md, typed in a project with real runs."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from trainrun.cli import main

DOCS = Path(__file__).parents[2] / "tests" / "test_docs.py"


def commands() -> list[list[str]]:
    spec = importlib.util.spec_from_file_location("pages", DOCS)
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    return pages.commands(pages.PAGES["docs/after-training.md"])


def test_its_commands_work_one_after_another(project, tmp_path, monkeypatch):
    shutil.copytree(project, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    typed = commands()
    assert len(typed) > 2
    assert [(c, code) for c in typed if (code := main(c)) != 0] == []
