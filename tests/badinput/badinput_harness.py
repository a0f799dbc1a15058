"""One case of bad input: what is typed, which files lie about, what must be said; and running it.

No pytest here: `benchmarks/bad_input.py` counts with the same table.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# A run of somebody else's, which must not be touched.
DECOY = {
    "outputs/runs/2026-01-02_03-04-05_decoy1/summary.json": b'{"status": "FINISHED", "run_id": "decoy1"}\n',
    "outputs/runs/2026-01-02_03-04-05_decoy1/journal.jsonl": b'{"seq": 0, "time": 1.0, "kind": "end", "status": "FINISHED"}\n',
    "outputs/runs/2026-01-02_03-04-05_decoy1/checkpoints/last.npz": bytes(range(256)),
}
# No message is longer: the way out must be in sight.
LONGEST = 6000


@dataclass(frozen=True)
class Case:
    """Bad input and what is promised of it.

    Args:
        id: a name, for the table.
        argv: the words after `trainrun`.
        says: words that the message must hold: key or file, what was expected, what came, the way out.
        files: path -> text, bytes, or a function that makes it (`make(path)`).
        code: the exit code: 2, or 1 where training had begun.
        decoy: whether another run's directory lies in outputs/.
        environment: variables to set; None: to take out.
    """

    id: str
    argv: tuple[str, ...]
    says: tuple[str, ...]
    files: Mapping[str, str | bytes | Callable[[Path], None]] = field(default_factory=dict)
    code: int = 2
    decoy: bool = True
    environment: Mapping[str, str | None] = field(default_factory=dict)


def words(text: str) -> list[str]:
    """Split a command line at the blanks that are outside of brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        depth += (letter in "[{(") - (letter in "]})") if not quote else 0
        if letter == " " and depth <= 0 and not quote:
            parts.append("")
        else:
            parts[-1] += letter
    return [w for w in parts if w]


def case(id: str, line: str | list[str], *says: str, **more: Any) -> Case:
    """Return a case, its command line given as text or as words."""
    return Case(id, tuple(words(line) if isinstance(line, str) else line), says, **more)


def broken_promises(bad: Case, folder: Path) -> list[str]:
    """Run a case in an empty folder; return what was promised and not kept.

    Args:
        bad: the case.
        folder: empty; it becomes the working directory meanwhile.
    """
    for path, content in {**(DECOY if bad.decoy else {}), **bad.files}.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(target)
        else:
            target.write_bytes(content.encode() if isinstance(content, str) else content)
    before = snapshot(folder)
    code, out, err = run(bad, folder)
    kept: list[tuple[bool, str]] = [(code == bad.code, f"exit code {code}, expected {bad.code}")]
    kept += [(word in err, f"the message does not say {word!r}") for word in bad.says]
    kept += [("Traceback" not in out + err, "a traceback is shown")]
    kept += [(bool(err.strip()), "there is no message")]
    kept += [(len(err) <= LONGEST, f"the message has {len(err)} characters")]
    unseen = re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f‪-‮⁦-⁩​-‏]", out + err)
    kept += [(unseen is None, f"the message holds {unseen[0]!r}" if unseen else "")]
    after = snapshot(folder)
    if bad.code == 1:  # its own directory tells how far it came
        after = {
            k: v
            for k, v in after.items()
            if k in before or not k.startswith(("outputs/runs/", "outputs/.order", "mlflow"))
        }
    kept += [
        (
            after == before,
            f"left or changed {sorted(k for k in after.keys() | before.keys() if after.get(k) != before.get(k))}",
        )
    ]
    return (
        []
        if all(ok for ok, _ in kept)
        else [*(why for ok, why in kept if not ok), f"stderr: {err}", f"stdout: {out[-2000:]}"]
    )


def run(bad: Case, folder: Path) -> tuple[int, str, str]:
    """Return exit code, output and errors of `trainrun.cli.main`, called in `folder`."""
    from trainrun.cli import main

    out, err, back, environment = io.StringIO(), io.StringIO(), os.getcwd(), dict(os.environ)
    with unspoilt(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        os.chdir(folder)
        for name, value in bad.environment.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
        try:
            code = main(list(bad.argv))
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        except BaseException:
            code = -1
            traceback.print_exc(file=err)
        finally:
            os.chdir(back)
            os.environ.clear()
            os.environ.update(environment)
    return code, out.getvalue(), err.getvalue()


@contextlib.contextmanager
def unspoilt() -> Any:
    """Within, plug-ins and folders of a command line are known; after it they are forgotten again."""
    from hydra.core.config_store import ConfigStore

    from trainrun.hydra_bridge import registration
    from trainrun.registry import lookup, option_files
    from trainrun.ui import console

    registration.prepare()
    store = ConfigStore.instance()
    folders, repo = list(option_files.extra_folders), _copied(store.repo)
    try:
        with lookup.isolated():
            yield
    finally:
        option_files.extra_folders[:], store.repo = folders, repo
        console.detach()


def _copied(tree: Any) -> Any:
    return {k: _copied(v) for k, v in tree.items()} if isinstance(tree, dict) else tree


def snapshot(folder: Path) -> dict[str, Any]:
    """Return what lies in a folder: path -> bytes, the target of a link, or None for a folder."""
    contents: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if "__pycache__" in name:  # Python's own, of plug-ins
            continue
        if path.is_symlink():
            contents[name] = os.readlink(path)
        elif path.is_file():
            size = path.stat().st_size
            contents[name] = path.read_bytes() if size < 5_000_000 else size
        else:
            contents[name] = None
    return contents
