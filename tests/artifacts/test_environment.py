"""environment.txt and the state of the checkout."""

from __future__ import annotations

import platform
import subprocess

import keras

from trainrun.artifacts import environment
from trainrun.run.context import RunContext, SharedCaches


def git(folder, *arguments):
    who = ["-c", "user.name=me", "-c", "user.email=me@localhost", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def checkout(folder):
    git(folder, "init", "-q")
    (folder / "a.py").write_text("x = 1\n")
    git(folder, "add", "a.py")
    git(folder, "commit", "-qm", "first")
    return folder


def test_versions_are_the_installed_ones():
    versions = environment.versions()
    assert versions["python"] == platform.python_version()
    assert versions["keras"] == keras.__version__
    assert environment.versions(["no-such-package"]) == {"python": platform.python_version()}


def test_git_state_outside_a_checkout_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert environment.git_state(tmp_path) is None
    assert environment.git_diff(tmp_path) == ""


def test_git_state_of_a_clean_and_of_a_changed_checkout(tmp_path):
    checkout(tmp_path)
    state = environment.git_state(tmp_path)
    assert len(state["commit"]) == 40
    assert state["dirty"] is False
    (tmp_path / "outputs.txt").write_text("a run's output is no change of the code")
    assert environment.git_state(tmp_path)["dirty"] is False
    (tmp_path / "plug.py").write_text("a plug-in is code")
    for plugin, dirty in (("plug.py", True), ("a.py", False)):
        assert environment.git_state(tmp_path, [tmp_path / plugin])["dirty"] is dirty
    (tmp_path / "a.py").write_text("x = 2\n")
    assert environment.git_state(tmp_path) == {"commit": state["commit"], "dirty": True}


def test_git_is_read_once_for_the_trials_of_a_process(tmp_path, monkeypatch):
    monkeypatch.chdir(checkout(tmp_path))
    context = RunContext(caches=SharedCaches(datasets=None))
    state = context.git_state()
    (tmp_path / "plugin.py").write_text("")  # of another trial of the sweep, not tracked
    assert context.git_state([tmp_path / "plugin.py"])["dirty"] is True
    (tmp_path / "a.py").write_text("x = 2\n")
    assert context.git_state() == state and state["dirty"] is False
    assert RunContext().git_state()["dirty"] is True


def test_without_git_there_is_no_state(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.git_state(tmp_path) is None


def test_file_lists_packages_devices_and_changes_without_secrets(tmp_path, monkeypatch):
    monkeypatch.chdir(checkout(tmp_path))
    (tmp_path / "a.py").write_text("uri = 'http://me:hunter2@host'\n")
    monkeypatch.setenv("TF_SOMETHING", "http://me:hunter2@host")
    environment.write(tmp_path, ["GPU:0 of some kind"], environment.git_state())
    text = (tmp_path / environment.FILE).read_text()
    assert f"keras=={keras.__version__}" in text
    assert "device    GPU:0 of some kind" in text
    assert "+uri = 'http://***@host'" in text
    assert "hunter2" not in text
