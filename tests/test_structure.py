"""The architecture, guarded: who imports whom, what stays light, what may print."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "trainrun"
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if "project" not in p.relative_to(PACKAGE).parts)
HEAVY = {"tensorflow", "keras", "mlflow", "pandas", "matplotlib", "sklearn"}
COMPONENTS = (
    "loss",
    "metric",
    "optimizer",
    "schedule",
    "hardware",
    "model",
    "data",
    "trainer",
    "step",
    "callback",
)


def imports(path: Path, top_only: bool = False) -> set[str]:
    """Return the modules that a file imports, dotted; `top_only` leaves out those inside functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = ast.walk(tree)
    if top_only:
        nodes = [n for n in tree.body if not (isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n.test))]
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{a.name}" for a in node.names}
    return found


def touches(found: set[str], *banned: str) -> set[str]:
    return {f for f in found for b in banned if f == b or f.startswith(b + ".")}


def where(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=where)
def test_layers(path):
    part = where(path).split("/")[0].removesuffix(".py")
    everything = imports(path)
    if part in (
        "errors",
        "config",
        "registry",
        "cli",
        "commands",
        "construct",
        "dataset",
        "lengths",
        "console",
        "runner",
        "api",
    ):
        assert not touches(imports(path, top_only=True), *HEAVY), "loads a heavy module at import"
    if part in COMPONENTS:
        assert not touches(
            everything, *(f"trainrun.{m}" for m in ("runner", "builders", "registry", "config", "tracking"))
        )
    if part == "trainer":
        assert not touches(everything, "trainrun.run.builders", "trainrun.tracking", "mlflow", "hydra")
    if part in ("tracking", "artifacts"):
        assert not touches(
            everything, "trainrun.trainer", "trainrun.registry.lookup", "trainrun.run.builders"
        )
    if part != "tracking":
        assert not touches(everything, "mlflow")
    if part not in ("cli", "config", "sweep"):
        assert not touches(everything, "hydra")


@pytest.mark.parametrize(
    "path", [p for p in MODULES if p.name == "__init__.py" and p.parent != PACKAGE], ids=where
)
def test_init_files_are_empty(path):
    assert path.read_text().strip() == "", "lookup, not import side effects: an __init__.py stays empty"


@pytest.mark.parametrize("path", [p for p in MODULES if p.name != "console.py"], ids=where)
def test_only_the_console_prints(path):
    calls = [
        n.lineno
        for n in ast.walk(ast.parse(path.read_text()))
        if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "print"
    ]
    assert not calls


@pytest.mark.parametrize("path", MODULES, ids=where)
def test_nothing_is_unpickled_or_evaluated(path):
    assert not touches(imports(path), "pickle", "joblib", "dill", "cloudpickle", "shelve")
    names = [
        getattr(n.func, "id", "") for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)
    ]
    assert not {"eval", "exec"} & set(names)
    assert "shell=True" not in path.read_text()


def test_a_config_names_no_target():
    conf = PACKAGE.parent / "conf"
    assert not [p for p in conf.rglob("*.yaml") if "_target_" in p.read_text(encoding="utf-8")]


PROBE = """
import json, sys
from trainrun.cli import main
try:
    code = main({argv!r})
except SystemExit as stop:
    code = stop.code
heavy = sorted(set(sys.modules) & {heavy!r})
sys.stderr.write("\\nPROBE" + json.dumps([code or 0, heavy]))
"""


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["--help"], 0),
        (["ls"], 0),
        (["ls", "loss"], 0),
        (["show", "loss/huber"], 0),
        (["show", "optimizer/radam"], 0),
        (["--cfg", "job"], 0),
        (["--cfg", "job", "--resolve", "experiment=digits_cnn"], 0),
        (["--info", "searchpath"], 0),
        (["-sc", "query=bash"], 0),
        (["optimizer.lr=1", "loss=focl", "data=diabetes"], 2),
        (["check", "loss=focal", "data=diabetes"], 2),
        (["check"], 0),
        (["runs"], 0),
        (["sync", "--all"], 0),
        (["sync", "nothing"], 2),
        (["shw"], 2),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else str(v),
)
def test_stays_light(argv, code, tmp_path):
    probe = PROBE.format(argv=argv, heavy=HEAVY)
    environment = {**os.environ, "COMP_LINE": "trainrun optimizer=a"}
    done = subprocess.run(
        [sys.executable, "-c", probe],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        env=environment,
    )
    got, heavy = json.loads(done.stderr.rsplit("PROBE", 1)[1])
    assert heavy == [], f"{argv} loaded {heavy}"
    assert got == code, done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir()), "left something behind"


def test_run_is_the_function_also_when_the_package_of_that_name_is_imported():
    import trainrun
    from trainrun import api
    from trainrun.run import runner  # noqa: F401

    assert trainrun.run is api.run
