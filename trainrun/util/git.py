"""The state of a checkout, read without running anything that the checkout names.

A repository can name programs: `core.fsmonitor`, `diff.external`, text conversions, filters, hooks, helpers of its submodules; and its
attributes say for which files. Here git finds the repository (`rev-parse`, which runs none of them), and everything else is asked of
an empty repository of ours that borrows its objects and a copy of its index. Only that one's configuration counts.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from trainrun.util import subprocesses

TIMEOUT_S = 10.0
AT_ONCE = 1000  # files whose changes are shown: their names are arguments of git
# Settings of a repository that name no program, and without which every file would look changed.
_SETTINGS = r"^core\.(autocrlf|eol|filemode|symlinks|ignorecase|precomposeunicode)$"


class Checkout:
    """A checkout as its commit, and the changes of tracked files since.

    Args:
        commit: that is checked out.
        top: the folder of its files.
        environment: of git, for our own repository.
    """

    def __init__(self, commit: str, top: Path, environment: dict[str, str]):
        self.commit, self.top, self._environment = commit, top, environment

    def changed(self) -> list[str] | None:
        """Return the tracked files that differ from the commit, submodules by their commit; None if git cannot determine them."""
        self._git("update-index", "-q", "--refresh", "--ignore-submodules")
        listed = self._git("diff-index", "-z", "--name-only", "--ignore-submodules=dirty", self.commit, "--")
        return None if listed is None else [name for name in listed.split("\0") if name]

    def untracked(self, files: Sequence[Path]) -> list[Path]:
        """Return the files of the checkout that git does not track; all of them if git cannot say."""
        inside = {
            str(f.resolve().relative_to(self.top)): f for f in files if f.resolve().is_relative_to(self.top)
        }
        tracked = (self._git("ls-files", "-z", "--", *inside) or "").split("\0") if inside else []
        return [file for name, file in inside.items() if name not in tracked]

    def diff(self) -> str:
        """Return the changes as a patch; of files that pass through a filter, which may decrypt them, the names only."""
        changed = self.changed()
        if changed is None:
            return "the changes cannot be read\n"
        hidden = self._filtered(changed)
        shown = [name for name in changed if name not in hidden]
        patch = self._patch(shown) if shown else ""
        return patch + "".join(f"changed, not shown (it passes through a filter): {n}\n" for n in hidden)

    def difference(self, one: tuple[str, str], other: tuple[str, str]) -> str | None:
        """Return the patch from one state of the files to another; what is made for it is gone with this repository of ours.

        Args:
            one, other: a commit, and a patch as `diff` returns it, or nothing.

        Returns:
            None if a commit is not there, or a patch does not apply to it.
        """
        own = Path(self._environment.get("GIT_DIR", ""))
        apart = {
            "GIT_INDEX_FILE": str(own / "other-index"),
            "GIT_OBJECT_DIRECTORY": str(own / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": self._environment.get("GIT_OBJECT_DIRECTORY", ""),
        }
        work = Checkout(self.commit, self.top, self._environment | apart)
        trees = [work._tree(*state) for state in (one, other)]
        if None in trees:
            return None
        options = ("-r", "-p", "-M", "--no-color", "--no-ext-diff", "--no-textconv")
        return work._git("diff-tree", *options, *trees)

    def _tree(self, commit: str, patch: str) -> str | None:
        if not re.fullmatch("[0-9a-f]{40,64}", commit) or self._git("read-tree", commit) is None:
            return None
        if "\n@@ " in patch and self._git("apply", "--cached", "-", text=patch) is None:
            return None
        return (self._git("write-tree") or "").strip() or None

    def _patch(self, names: list[str]) -> str:
        options = ("-p", "--no-color", "--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty")
        text = self._git("diff-index", *options, self.commit, "--", *names[:AT_ONCE])
        if text is None:
            return "the changes cannot be read\n"
        return text + "".join(f"changed, not shown: {n}\n" for n in names[AT_ONCE:])

    def _filtered(self, names: list[str]) -> list[str]:
        if not names:
            return []
        listed = self._git("check-attr", "-z", "--stdin", "filter", text="\0".join(names) + "\0")
        if listed is None:
            return names
        fields = listed.split("\0")
        plain = ("unspecified", "set", "unset")
        filtered = {
            name
            for name, _, value in zip(fields[::3], fields[1::3], fields[2::3], strict=False)
            if value not in plain
        }
        return [name for name in names if name in filtered]

    def _git(self, *arguments: str, text: str | None = None) -> str | None:
        try:
            done = subprocess.run(
                ["git", *arguments],
                cwd=self.top,
                env=self._environment,
                timeout=TIMEOUT_S,
                input=None if text is None else os.fsencode(text),
                stdin=subprocess.DEVNULL if text is None else None,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return os.fsdecode(done.stdout) if done.returncode == 0 else None


@contextmanager
def checkout(folder: str | Path | None = None) -> Iterator[Checkout | None]:
    """Yield the checkout that a folder (by default the working directory) is in; None outside of one, or without git.

    Args:
        folder: anywhere in the checkout.
    """
    where = str(folder or os.getcwd())
    answer = _ask(
        where,
        "rev-parse",
        "HEAD",
        "--show-toplevel",
        "--absolute-git-dir",
        "--git-common-dir",
        "--show-object-format",
    )
    lines = (answer or "").splitlines()
    if len(lines) != 5:
        yield None
        return
    commit, top, git_dir, common, form = lines
    with contextlib.ExitStack() as stack:
        try:
            own = Path(
                stack.enter_context(
                    tempfile.TemporaryDirectory(prefix="trainrun-git-", ignore_cleanup_errors=True)
                )
            )
            _borrow(own, where, Path(git_dir), Path(where, common), form)
        except OSError:  # no room for a temporary folder
            yield Checkout(commit, Path(top), {"PATH": ""})  # git is not asked
            return
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        environment |= {
            "GIT_DIR": str(own),
            "GIT_WORK_TREE": top,
            "GIT_OBJECT_DIRECTORY": str(Path(where, common, "objects").resolve()),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
        }
        yield Checkout(commit, Path(top), environment)


def _borrow(own: Path, where: str, git_dir: Path, common: Path, form: str) -> None:
    """Make our own repository: HEAD, a copy of the index, of `info/attributes`, and a configuration that names nothing."""
    version = 0 if form == "sha1" else 1
    lines = ["[core]", f"repositoryformatversion = {version}", "bare = false"]
    lines += [f"[extensions]\nobjectformat = {form}"] if version else []
    for setting in (_ask(where, "config", "--get-regexp", _SETTINGS) or "").splitlines():
        name, _, value = setting.partition(" ")
        if value.isalpha():
            lines += ["[core]", f"{name.partition('.')[2]} = {value}"]
    (own / "config").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (own / "HEAD").write_text("ref: refs/heads/none\n", encoding="utf-8")
    (own / "refs").mkdir()
    (own / "objects").mkdir()
    (own / "info").mkdir()
    for source, target in (
        (git_dir / "index", own / "index"),
        (common / "info" / "attributes", own / "info" / "attributes"),
        *((shared, own / shared.name) for shared in git_dir.glob("sharedindex.*")),
    ):
        with contextlib.suppress(FileNotFoundError):
            shutil.copy2(source, target)  # with its time, by which git knows what may have changed since


def _ask(folder: str, *arguments: str) -> str | None:
    # Without locks, which would disturb the user's own git.
    environment = {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}
    try:
        done = subprocesses.run(["git", *arguments], TIMEOUT_S, environment, cwd=folder)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
