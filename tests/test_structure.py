"""The architecture, guarded: who imports whom, how large a file is, what stays light, what may print."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "trainrun"
MODULES = sorted(p for p in PACKAGE.rglob("*.py") if "project" not in p.relative_to(PACKAGE).parts)
HEAVY = {"tensorflow", "keras", "mlflow", "pandas", "pyarrow", "matplotlib", "sklearn", "optuna", "ray"}
# A package imports only what stands on a lower line. On the last line errors are redacted by util, whose readers of
# files raise them; no circle of modules comes of it.
LAYERS = (
    ("__main__",),
    ("cli", "estimators", "verbs"),
    ("commands", "api"),
    ("after",),
    ("hydra_bridge",),
    ("verify",),
    ("vectorized",),
    ("sweep",),
    ("run",),
    ("inspect",),
    ("failure",),
    ("artifacts",),
    ("tracking",),
    ("trainer",),
    ("checkpoint",),
    ("config",),
    ("registry",),
    ("model", "loss", "metric", "optimizer", "schedule", "callback", "step", "hardware", "augment"),
    ("data",),
    ("warm",),
    ("ui",),
    ("errors", "compat", "util"),
)
FREE = LAYERS[-1]
# Packages whose import must cost nothing.
LIGHT = ("cli", "commands", "api", "hydra_bridge", "config", "registry", "errors", "util")
LONGEST = 300
# Other libraries' private modules: only compat may name them.
PRIVATE = ("keras.src", "tensorflow.python", "tensorflow.core", "hydra._internal", "omegaconf._utils")
# Modules that may hold state of the process by a `global` statement: the terminal, and the signals that a process gets.
GLOBAL = {"ui/console.py", "util/interrupt.py"}


def where(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


NAMES = {dotted(path): path for path in MODULES}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path, top_only: bool = False) -> set[str]:
    """Return what a file imports, dotted; blocks for type checkers are left out, and with `top_only` functions, too."""
    names: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if top_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return
        if isinstance(node, ast.Import):
            names.update(a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update([node.module, *(f"{node.module}.{a.name}" for a in node.names)])
        for inside in ast.iter_child_nodes(node):
            visit(inside)

    visit(tree_of(path))
    return names


def calls(path: Path, *functions: str) -> list[str]:
    """Return `file:line` of each call of one of the functions by its bare name."""
    return [
        f"{where(path)}:{node.lineno}"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in functions
    ]


def ours(path: Path) -> set[str]:
    """Return the modules of this package that a file imports; of `from package import module` the module alone."""
    modules = {i for i in imports(path) if i in NAMES}
    deeper = {i.rpartition(".")[0] for i in modules}
    return {i for i in modules if i not in deeper or NAMES[i].name != "__init__.py"} - {dotted(path)}


GRAPH = {name: ours(path) for name, path in NAMES.items()}


def touches(names: set[str], *banned: str) -> set[str]:
    return {n for n in names for b in banned if n == b or n.startswith(b + ".")}


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the sets of modules that import one another in a circle (Tarjan's strongly connected components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    components: list[list[str]] = []

    def connect(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in graph[module]:
            if other not in index:
                connect(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            part = [stack.pop()]
            while part[-1] != module:
                part.append(stack.pop())
            if len(part) > 1:
                components.append(sorted(part))

    for module in graph:
        if module not in index:
            connect(module)
    return components


def test_the_search_for_circles_finds_one():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def test_no_modules_import_one_another_in_a_circle():
    assert circles(GRAPH) == []


def test_every_package_has_its_line_in_the_table_of_layers():
    table = {name for line in LAYERS for name in line}
    assert {room(m) for m in NAMES if room(m)} == table


def test_a_package_imports_only_what_stands_on_a_lower_line():
    rank = {name: i for i, line in enumerate(LAYERS) for name in line}
    upward = [
        f"{module} imports {other}"
        for module, imported in GRAPH.items()
        for other in imported
        if room(module) and room(other) and room(module) != room(other)
        if rank[room(other)] <= rank[room(module)] and not {room(module), room(other)} <= {*FREE}
    ]
    assert upward == []


def test_a_file_has_at_most_300_lines():
    lengths = {where(p): len(p.read_text(encoding="utf-8").splitlines()) for p in MODULES}
    assert {f: n for f, n in lengths.items() if n > LONGEST} == {}, "look for the second concept inside"


def test_global_statements_stand_only_in_the_modules_of_the_terminal_and_of_signals():
    files = {where(p) for p in MODULES if any(isinstance(n, ast.Global) for n in ast.walk(tree_of(p)))}
    assert files - GLOBAL == set()


def test_no_two_files_bear_the_same_name_unless_they_play_the_same_part():
    """Components, verbs and trackers are looked up by name; a rule, a verb or a view is named for what it concerns."""
    alike = (
        "commands",
        "loss",
        "metric",
        "optimizer",
        "schedule",
        "model",
        "data",
        "trainer",
        "step",
        "callback",
        "hardware",
    )
    named = Counter(
        p.stem
        for p in MODULES
        if p.stem != "__init__"
        and where(p).split("/")[0] not in alike
        and "rules/" not in where(p)
        and "tracking/" not in where(p)
    )
    # What a room takes of the config is its `settings`; `vectorized/engine` is an engine as `launchers/engine` describes it.
    assert {n for n, c in named.items() if c > 1} <= {"settings", "engine"}


def test_light_packages_import_no_heavy_library_at_module_level():
    heavy = {
        where(p): touches(imports(p, top_only=True), *HEAVY) for p in MODULES if room(dotted(p)) in LIGHT
    }
    assert {file: names for file, names in heavy.items() if names} == {}


@pytest.mark.parametrize(
    ("libraries", "places"),
    [
        (("hydra",), ("hydra_bridge/", "compat/")),
        (("mlflow",), ("tracking/mlflow/",)),
        (PRIVATE, ("compat/",)),
    ],
    ids=["hydra", "mlflow", "private"],
)
def test_a_library_is_imported_only_where_it_belongs(libraries, places):
    elsewhere = {
        where(p): touches(imports(p), *libraries) for p in MODULES if not where(p).startswith(places)
    }
    assert {file: names for file, names in elsewhere.items() if names} == {}


def test_a_package_has_a_docstring_of_3_to_10_lines_and_no_code():
    """It states what the room is for, what comes in, what goes out, where to begin; lookup, not import side effects."""
    wrong = [
        where(p)
        for p in MODULES
        if p.name == "__init__.py" and p.parent != PACKAGE
        if len(tree_of(p).body) != 1 or not 3 <= len((ast.get_docstring(tree_of(p)) or "").splitlines()) <= 10
    ]
    assert wrong == []


def private_names(path: Path) -> set[str]:
    """Return the names with an underscore that a module of ours binds, dunders left out."""
    bound = [
        getattr(n, "name", None) or getattr(n, "attr", None) or getattr(n, "id", None)
        for n in ast.walk(tree_of(path))
        if isinstance(n, ast.FunctionDef | ast.ClassDef)
        or (isinstance(n, ast.Name | ast.Attribute) and isinstance(n.ctx, ast.Store))
    ]
    return {n for n in bound if n.startswith("_") and not n.startswith("__")}


def test_tests_reach_no_private_name_of_the_package():
    """They test behaviour. `self._x` of a test's own class, and Keras' names, which compat binds too, are none."""
    private = set().union(*(private_names(p) for p in MODULES if room(dotted(p)) != "compat"))
    reached = []
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        for node in ast.walk(tree_of(path)):
            names = []
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") != "self":
                names = [node.attr]
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("trainrun"):
                names = [a.name for a in node.names if f"{node.module}.{a.name}" not in NAMES]
            elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("setattr", "delattr"):
                names = [str(a.value).rpartition(".")[2] for a in node.args if isinstance(a, ast.Constant)]
            reached += [f"{path.name}:{node.lineno}: {n}" for n in names if n in private]
    assert reached == []


def test_trainrun_run_stays_the_function_when_the_package_of_that_name_is_imported():
    code = (
        "import trainrun, trainrun.run.runner; assert trainrun.run.__module__ == 'trainrun.api', trainrun.run"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_the_console_prints():
    assert [c for p in MODULES if where(p) != "ui/console.py" for c in calls(p, "print")] == []


def test_a_config_names_no_target():
    conf = ROOT / "conf"
    assert not [
        p for p in conf.rglob("*.yaml") if re.search(r"^\s*_target_", p.read_text(encoding="utf-8"), re.M)
    ]


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
        (["export", "last", "--format", "onxx", "--quantize", "int4"], 2),
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
