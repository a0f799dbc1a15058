"""The state of a checkout whose settings and attributes name programs: none of them runs."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from trainrun.util import git


def run(folder, *arguments):
    who = ["-c", "user.name=me", "-c", "user.email=me@localhost", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def hostile(tmp_path):
    """A checkout with three changed files, in which every program that git knows leaves a trace."""
    folder = tmp_path / "repository"
    folder.mkdir()
    run(folder, "init", "-q")
    for name, text in {
        "a.py": "x = 1\n",
        "s.vault": "CIPHER\n",
        "t.crypt": "CIPHER\n",
        ".gitattributes": "*.vault diff=vault\n*.crypt filter=crypt\n",
    }.items():
        (folder / name).write_text(text)
    run(folder, "add", ".")
    run(folder, "commit", "-qm", "first")
    program = tmp_path / "program.sh"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran.$1\necho CLEAR\n")
    program.chmod(0o755)
    for setting in (
        "diff.vault.textconv", "diff.vault.command", "diff.external", "filter.crypt.clean", "filter.crypt.process", "core.fsmonitor",
        "core.pager", "core.sshCommand", "alias.diff-index",
    ):  # fmt: skip
        run(folder, "config", setting, f"{program} {setting}")
    for hook in ("post-index-change", "reference-transaction"):
        (folder / ".git" / "hooks" / hook).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran.{hook}\n")
        (folder / ".git" / "hooks" / hook).chmod(0o755)
    for name, text in {"a.py": "x = 2\n", "s.vault": "CIPHER2\n", "t.crypt": "CLEAR\n"}.items():
        (folder / name).write_text(text)
    return folder


def test_no_program_of_the_repository_runs(hostile, monkeypatch):
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", f"{hostile.parent}/program.sh variable")
    index = (hostile / ".git" / "index").read_bytes()
    with git.checkout(hostile) as checkout:
        assert checkout.changed() == ["a.py", "s.vault", "t.crypt"]
        diff = checkout.diff()
    assert list(hostile.parent.glob("ran.*")) == []
    assert "+x = 2" in diff and "+CIPHER2" in diff and "CLEAR" not in diff
    assert "t.crypt" in diff
    assert (hostile / ".git" / "index").read_bytes() == index


def test_state_is_that_of_git(hostile):
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=hostile, capture_output=True, text=True, check=True
    )
    (hostile / "new").mkdir()
    for name, text in {"a.py": "x = 1\n", "s.vault": "CIPHER\n", "t.crypt": "CIPHER\n"}.items():
        (hostile / name).write_text(text)
    with git.checkout(hostile / "new") as checkout:
        assert (checkout.commit, checkout.changed(), checkout.diff()) == (commit.stdout.strip(), [], "")


def test_the_difference_of_two_states_is_git_s_own(tmp_path):
    """A commit with changes against a later commit, as `git diff` has it in a copy where both are commits."""
    folder, copy = tmp_path / "one", tmp_path / "copy"
    folder.mkdir()
    run(folder, "init", "-q")
    text = "".join(f"line {i}\n" for i in range(30))
    states = [{"a.py": text + "\n"}, {"a.py": text.replace("line 29", "line x") + "\n"}]
    states.append({"a.py": text.replace("line 3\n", "") + "\n", "b.py": "new\n"})

    def put(where, state, commit):
        for name, content in state.items():
            (where / name).write_text(content)
        if commit:
            run(where, "add", ".")
            run(where, "commit", "-qm", "state")

    put(folder, states[0], True)
    shutil.copytree(folder, copy)
    put(folder, states[1], False)
    with git.checkout(folder) as checkout:
        one = checkout.commit, checkout.diff()
    put(folder, states[2], True)
    for state in states[1:]:
        put(copy, state, True)
    done = subprocess.run(
        ["git", "diff", "HEAD~1", "HEAD"], cwd=copy, check=True, capture_output=True, text=True
    )
    before = sorted((folder / ".git" / "objects").rglob("*"))
    with git.checkout(folder) as checkout:
        difference = checkout.difference(one, (checkout.commit, ""))
        assert checkout.difference(("0" * 40, ""), one) is None
    assert sorted((folder / ".git" / "objects").rglob("*")) == before

    def changes(patch):  # the ids of blobs are longer or shorter
        return [line for line in patch.splitlines() if not line.startswith("index ")]

    assert changes(difference) == changes(done.stdout)
