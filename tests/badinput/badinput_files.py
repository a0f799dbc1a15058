"""Wrong files: YAML in a project's conf/, plug-ins, folders that are none, runs that are half there."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from badinput_harness import Case, case

LAUGHS = "".join(
    ["a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]\n"]
    + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)]
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{i}: &a{i}\n  <<: [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)
PRIMARY = "defaults:\n  - trainrun\n  - data: digits\n  - model: mlp\n  - loss: auto\n  - metric: auto\n  - optimizer: adam\n  - schedule: constant\n  - trainer: fit\n  - hardware: auto\n  - callback: none\n  - tracking: none\n  - _self_\n  - experiment: null\n  - debug: null\n"


def loss(text: str | bytes) -> dict[str, str | bytes]:
    """Return a project with a loss of its own."""
    return {"conf/loss/mine.yaml": text}


def experiment(text: str) -> dict[str, str]:
    return {"conf/experiment/mine.yaml": "# @package _global_\n" + text}


def primary(more: str) -> dict[str, str]:
    return {"conf/config.yaml": PRIMARY + more}


def plugin(text: str | bytes) -> dict[str, str | bytes]:
    return {"mine.py": text}


REGISTERED = "import trainrun\n@trainrun.register('loss', '{name}')\ndef {name}(y_true, y_pred, power=2.0):\n    return abs(y_true - y_pred) ** power\n"


def _link(to: str):
    return lambda path: os.symlink(to, path)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    back = os.getcwd()
    os.chdir(path.parent)  # a socket's path must be short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(back)


def _folder(path: Path) -> None:
    path.mkdir()


YAMLS = [
    case("yaml: an unclosed bracket", "loss=mine", "mine.yaml, line 2", "this is not YAML", files=loss("name: [huber\n")),
    case("yaml: a tab for blanks", "loss=mine", "mine.yaml, line 2", "this is not YAML", files=loss("name: huber\n\tdelta: 1\n")),
    case("yaml: a colon too many", "loss=mine", "mine.yaml, line 1", "not YAML", files=loss("name: a: b\n")),
    case("yaml: a key twice", "loss=mine", "mine.yaml", "duplicate key", files=loss("name: Huber\ndelta: 1.0\ndelta: 2.0\n")),
    case("yaml: an unclosed quote", "loss=mine", "mine.yaml", "not YAML", files=loss("name: 'Huber\n")),
    case("yaml: an alias of nothing", "loss=mine", "mine.yaml, line 1", "undefined alias", files=loss("name: *nobody\n")),
    case("yaml: two documents", "loss=mine", "mine.yaml", "several documents", files=loss("name: Huber\n---\nname: MeanSquaredError\n")),
    case("yaml: a list", "loss=mine", "mine.yaml", "expected keys with values", files=loss("- name: Huber\n")),
    case("yaml: a word", "loss=mine", "mine.yaml", "expected keys with values", files=loss("Huber\n")),
    case("yaml: a number", "loss=mine", "mine.yaml", "expected keys with values", files=loss("3\n")),
    case("yaml: nothing", "loss=mine", "loss", "expected", files=loss("")),
    case("yaml: comments only", "loss=mine", "loss", files=loss("# Mine.\n")),
    case("yaml: binary", "loss=mine", "mine.yaml", "expected text in UTF-8", files=loss(bytes(range(256)))),
    case("yaml: Latin-1", "loss=mine", "mine.yaml", "UTF-8", files=loss("# Größe\nname: Huber\n".encode("latin-1"))),
    case("yaml: UTF-16", "loss=mine", "mine.yaml", "UTF-8", files=loss("name: Huber\n".encode("utf-16"))),
    case("yaml: a NUL", "loss=mine", "mine.yaml", "not YAML", files=loss("name: Hu\0ber\n")),
    case("yaml: an escape character", "loss=mine", "mine.yaml", files=loss("name: Hu\x1bber\n")),
    case("yaml: an escaped escape character", "loss=mine", "loss.name", "U+001B", files=loss('name: "Hu\\x1bber"\n')),
    case("yaml: a lone surrogate", "loss=mine", "mine.yaml", files=loss('name: "\\ud800"\n')),
    case("yaml: billion laughs", "loss=mine", "mine.yaml", "aliases", files=loss(LAUGHS)),
    case("yaml: billion laughs by merging", "loss=mine", "mine.yaml", "aliases", files=loss(MERGES)),
    case("yaml: billion laughs in the primary config", "", "config.yaml", "aliases", files={"conf/config.yaml": LAUGHS}),
    case("yaml: billion laughs in an experiment", "experiment=mine", "mine.yaml", "aliases", files=experiment(LAUGHS)),
    case("yaml: billion laughs, listed", "ls loss", "mine.yaml", "aliases", files=loss(LAUGHS)),
    case("yaml: billion laughs, shown", "show loss/mine", "mine.yaml", "aliases", files=loss(LAUGHS)),
    case("yaml: an alias of itself", "loss=mine", "mine.yaml, line 1", "stands inside", files=loss("name: &a [*a]\n")),
    case("yaml: an alias of the one around it", "loss=mine", "mine.yaml", "stands inside", files=loss("name: &a {b: {c: *a}}\n")),
    case("yaml: a thousand brackets", "loss=mine", "mine.yaml", "levels deep", files=loss("name: " + "[" * 1000 + "]" * 1000)),
    case("yaml: a hundred thousand brackets", "loss=mine", "mine.yaml", "levels deep", files=loss("name: " + "[" * 100_000)),
    case("yaml: a thousand dashes", "loss=mine", "mine.yaml", "levels deep", files=loss("name:\n  " + "- " * 1000 + "x\n")),
    case("yaml: two megabytes", "loss=mine", "mine.yaml", "expected at most", files=loss("name: Huber\n" + "# long\n" * 300_000)),
    case("yaml: a value of 200,000 letters", "loss=mine", "mine.yaml", "characters", files=loss(f"name: {'x' * 200_000}\n")),
    case("yaml: sixty thousand keys", "loss=mine", "mine.yaml", "values", files=loss("".join(f"k{i}: 1\n" for i in range(60_000)))),
    case("yaml: a number of 5,000 digits", "loss=mine", "mine.yaml", files=loss(f"name: Huber\ndelta: {'9' * 5000}\n")),
    case("yaml: a Python object", "loss=mine", "mine.yaml, line 1", "not YAML", files=loss("name: !!python/object/apply:os.system ['touch stray']\n")),
    case("yaml: a Python name", "loss=mine", "mine.yaml, line 1", "not YAML", files=loss("name: !!python/name:os.system\n")),
    case("yaml: a tag that is none", "loss=mine", "mine.yaml", "not YAML", files=loss("name: !secret Huber\n")),
    case("yaml: a set", "loss=mine", "mine.yaml", files=loss("name: Huber\ndelta: !!set {1, 2}\n")),
    case("yaml: a key that is a list", "loss=mine", "mine.yaml", files=loss("[1, 2]: Huber\n")),
    case("yaml: a key that is null", "loss=mine", "loss", files=loss("name: Huber\n~: 1\n")),
    case("yaml: a bad header", "loss=mine", "mine.yaml", files=loss("# @package a b c\nname: Huber\n")),
    case("yaml: a misspelt key", "loss=mine", "loss.dleta", "Did you mean delta?", files=loss("# Mine.\nname: Huber\ndleta: 2.0\n")),
    case("yaml: a wrong type", "loss=mine", "loss.delta", "expected a number above 0", files=loss("# Mine.\nname: Huber\ndelta: big\n")),
    case("yaml: a component that is none", "loss=mine", "loss.name", "Hubber", files=loss("# Mine.\nname: Hubber\n")),
    case("yaml: no name", "loss=mine", "loss.name", "expected the name of a loss", files=loss("# Mine.\ndelta: 2.0\n")),
    case("yaml: a target for Hydra", "loss=mine", "loss._target_", "never followed", files=loss("# Mine.\nname: Huber\n_target_: os.system\n")),
    case("yaml: a misspelt key of a trainer", "trainer=mine", "trainer.epoch", "Did you mean epochs?", files={"conf/trainer/mine.yaml": "# Mine.\ndefaults: [fit]\nepoch: 3\n"}),
    case("yaml: a trainer that lacks keys", "trainer=mine", "trainer.epochs", "the key is missing", files={"conf/trainer/mine.yaml": "# Mine.\nname: fit\nbatch_size: 3\n"}),
    case("yaml: a misspelt key of the hardware", "hardware=mine", "hardware.precison", "Did you mean precision?", files={"conf/hardware/mine.yaml": "# Mine.\nname: cpu\nprecison: float64\n"}),
    case("yaml: a misspelt key of tracking", "tracking=mine", "tracking.ury", "Did you mean uri?", files={"conf/tracking/mine.yaml": "# Mine.\nname: mlflow\nury: sqlite:///x.db\n"}),
    case("yaml: a metric without its nesting", "metric=mine", "metric", "expected keys under", files={"conf/metric/mine.yaml": "# Mine.\nname: AUC\n"}),
    case("yaml: a default that is no option", "loss=mine", "nothere", files=loss("# Mine.\ndefaults: [nothere]\nname: Huber\n")),
    case("yaml: defaults that lead back", "loss=mine", "leads back to itself", files={"conf/loss/mine.yaml": "defaults: [yours]\n", "conf/loss/yours.yaml": "defaults: [mine]\n"}),
    case("yaml: defaults that are no list", "loss=mine", "default", files=loss("# Mine.\ndefaults: huber\n")),
    case("yaml: defaults out of the folder", "loss=mine", "leaves", files={**loss("# Mine.\ndefaults: [../../outside]\n"), "outside.yaml": "name: Huber\n"}),
    case("yaml: defaults by an absolute path", "loss=mine", "etc", files=loss("# Mine.\ndefaults: [/../../../../../../etc/hostname]\n")),
    case("yaml: a folder instead of a file", "loss=mine", "loss", files={"conf/loss/mine.yaml": _folder}),
    case("yaml: a link to nothing", "loss=mine", "loss", files={"conf/loss/mine.yaml": _link("nowhere.yaml")}),
    case("yaml: a link to itself", "loss=mine", "loss", files={"conf/loss/mine.yaml": _link("mine.yaml")}),
    case("experiment: a misspelt root key", "experiment=mine", "sede", "Did you mean seed?", files=experiment("sede: 3\n")),
    case("experiment: a misspelt key of the trainer", "experiment=mine", "trainer.epoch", "Did you mean epochs?", files=experiment("trainer:\n  epoch: 3\n")),
    case("experiment: a misspelt key of the model", "experiment=mine", "model.unit", "Did you mean units?", files=experiment("model:\n  unit: [3]\n")),
    case("experiment: a misspelt key of artifacts", "experiment=mine", "plot", files=experiment("artifacts:\n  plot: false\n")),
    case("experiment: an option that is none", "experiment=mine", "focl", files=experiment("defaults:\n  - override /loss: focl\n")),
    case("experiment: a group that is none", "experiment=mine", "losss", files=experiment("defaults:\n  - override /losss: focal\n")),
    case("experiment: a loss without its keys", "experiment=mine", "loss", "expected keys under loss", files=experiment("loss: huber\n")),
    case("experiment: a metric that is a list", "experiment=mine", "experiment/mine", "override /metric: [auc]", files=experiment("metric: [auc]\n")),
    case("experiment: a trainer that is a number", "experiment=mine", "trainer", files=experiment("trainer: 3\n")),
    case("experiment: a seed that is text", "experiment=mine", "seed", files=experiment("seed: lucky\n")),
    case("experiment: without its package", "experiment=mine", "experiment", files={"conf/experiment/mine.yaml": "seed: 3\n"}),
    case("experiment: interpolations that double", "experiment=mine", "interpolations", files=experiment("model:\n  activation: ${.n30}\n  n0: hahaha\n" + "".join(f"  n{i}: ${{.n{i - 1}}}${{.n{i - 1}}}\n" for i in range(1, 31)))),
    case("experiment: interpolated lists that double", "experiment=mine", "interpolations", files=experiment("model:\n  activation: ${.n30}\n  n0: [ha]\n" + "".join(f"  n{i}: ['${{..n{i - 1}}}', '${{..n{i - 1}}}']\n" for i in range(1, 31)))),
    case("experiment: a secret of the environment", "experiment=mine", "sounds like a secret", files=experiment("tracking:\n  uri: https://x/${oc.env:GH_TOKEN}\n"), environment={"GH_TOKEN": "s3cret"}),
    case("experiment: a resolver that is none", "experiment=mine", "nonsense", files=experiment("name: ${nonsense:1}\n")),
    case("experiment: Hydra's launcher", "experiment=mine", "hydra.launcher._target_", files=experiment("hydra:\n  launcher:\n    _target_: os.system\n")),
    case("experiment: a search path", "experiment=mine", "searchpath", files=experiment("hydra:\n  searchpath: [pkg://antigravity]\n")),
    case("primary: a list", "", "config.yaml", "expected keys with values", files={"conf/config.yaml": "- a\n"}),
    case("primary: nothing", "", "config.yaml", "- trainrun", files={"conf/config.yaml": ""}),
    case("primary: without our settings", "", "config.yaml", "- trainrun", files={"conf/config.yaml": "seed: 3\nsede: 4\n"}),
    case("primary: without a model", "", "model", "nothing is chosen", files={"conf/config.yaml": PRIMARY.replace("  - model: mlp\n", "")}),
    case("primary: a misspelt key", "", "sede", files=primary("sede: 3\n")),
    case("primary: a misspelt group", "", "optimiser", files={"conf/config.yaml": PRIMARY.replace("optimizer", "optimiser")}),
    case("primary: an option that is none", "", "admn", files={"conf/config.yaml": PRIMARY.replace("adam", "admn")}),
    case("primary: plug-ins that are a word", "", "plugins", files=primary("plugins: ./a.py\n")),
    case("primary: a plug-in that is not there", "", "there is no file ./a.py", files=primary("plugins: [./a.py]\n")),
    case("primary: broken", "", "config.yaml, line", "not YAML", files={"conf/config.yaml": "defaults: [\n"}),
    case("primary: broken, checked", "check", "config.yaml, line", "not YAML", files={"conf/config.yaml": "defaults: [\n"}),
    case("primary: a search path of packages", "", "hydra.searchpath", "--config-dir", files=primary("hydra:\n  searchpath: [pkg://antigravity]\n")),
    case("primary: a search path, shown", "--cfg job", "hydra.searchpath", files=primary("hydra:\n  searchpath: [pkg://antigravity]\n")),
    case("conf is a file", "loss=mine", "there is no option 'mine'", files={"conf": "name: Huber\n"}),
    case("conf is a link to nothing", "loss=mine", "there is no option 'mine'", files={"conf": _link("nowhere")}),
    case("conf is a link to itself", "loss=mine", "there is no option 'mine'", files={"conf": _link("conf")}),
    case("a group is a file", "loss=focl", "Did you mean focal?", files={"conf/loss": "name: Huber\n"}),
    case("config folder that is not there", "-cd nowhere", "--config-dir", "there is no folder"),
    case("config folder that is a file", "-cd a.yaml", "--config-dir", "there is no folder", files={"a.yaml": "a: 1\n"}),
    case("config folder with broken YAML", "-cd more loss=mine", "mine.yaml", "not YAML", files={"more/loss/mine.yaml": "a: [\n"}),
    case("config folder without a name", "-cd", "--config-dir"),
    case("config path that is not there", "-cp nowhere", "--config-path", "there is no folder"),
    case("config path that holds nothing", "-cp more", "config", files={"more/x.txt": "a"}),
    case("config name that is not there", "-cn nothere", "nothere"),
    case("config name out of the folder", "-cn ../outside", "outside", files={"outside.yaml": "a: 1\n", "conf/x/y.yaml": "a: 1\n"}),
    case("config name by an absolute path", "-cn /etc/hostname", "hostname"),
    case("config name of a folder", "-cn loss", "loss"),
    case("a newer version's config", ["-cp", "outputs/runs/2026-01-02_03-04-05_decoy1", "-cn", "config"], "- trainrun", files={"outputs/runs/2026-01-02_03-04-05_decoy1/config.yaml": "version: 99\nseed: 42\nquantum: {name: entangled}\n"}),
    case("a newer version's keys", "experiment=newer", "quantum", files={"conf/experiment/newer.yaml": "# @package _global_\nquantum:\n  name: entangled\n"}),
    case("a newer version's trainer keys", "experiment=newer", "trainer.entangle", "no such key", files={"conf/experiment/newer.yaml": "# @package _global_\ntrainer:\n  entangle: true\n"}),
    case("a rerun from a pickle", "--experimental-rerun config.pickle", "reads a pickle", files={"config.pickle": b"\x80\x04\x95"}),
]  # fmt: skip

PLUGINS = [
    case("plug-in: not there", "plugins=[./nowhere.py]", "plugins", "there is no file ./nowhere.py"),
    case("plug-in: misspelt", "plugins=[./mien.py]", "Did you mean mine.py?", files=plugin("import trainrun\n")),
    case("plug-in: a folder", "plugins=[./mine]", "plugins", "./mine is a folder", files={"mine/a.py": "import trainrun\n"}),
    case("plug-in: no such module", "plugins=[no_such_module_at_all]", "there is no module"),
    case("plug-in: no such module in a package", "plugins=[json.no_such_module]", "there is no module"),
    case("plug-in: an odd name", "plugins=['a b c']", "there is no module"),
    case("plug-in: empty name", "plugins=['']", "plugins"),
    case("plug-in: dots", "plugins=[..]", "plugins"),
    case("plug-in: a path of 5,000 letters", f"plugins=[./{'x' * 5000}.py]", "plugins"),
    case("plug-in: another user's home", "plugins=[~nobody_at_all/a.py]", "plugins", "there is no file"),
    case("plug-in: a URL", "plugins=['https://example.org/a.py']", "plugins"),
    case("plug-in: a syntax error", "plugins=[./mine.py]", "./mine.py, line 2: this is not Python", files=plugin("import trainrun\ndef f(:\n")),
    case("plug-in: Python 2", "plugins=[./mine.py]", "this is not Python", files=plugin("import trainrun\nprint 'hello'\n")),
    case("plug-in: empty", "plugins=[./mine.py]", "registers nothing", files=plugin("")),
    case("plug-in: binary", "plugins=[./mine.py]", "./mine.py", files=plugin(bytes(range(256)))),
    case("plug-in: with a NUL", "plugins=[./mine.py]", "./mine.py", files=plugin("import trainrun\nx = 1\0\n")),
    case("plug-in: Latin-1", "plugins=[./mine.py]", "not a text file", files=plugin("import trainrun # Größe\n".encode("latin-1"))),
    case("plug-in: nested too deeply", "plugins=[./mine.py]", "./mine.py", files=plugin("import trainrun\nx = " + "(" * 5000 + ")" * 5000 + "\n")),
    case("plug-in: a module of Python's", "plugins=[antigravity]", "registers nothing, so it is not imported"),
    case("plug-in: os", "plugins=[os]", "registers nothing, so it is not imported"),
    case("plug-in: a file that registers nothing", "plugins=[./mine.py]", "registers nothing", files=plugin("open('stray', 'w').write('ran')\n")),
    case("plug-in: raises on import", "plugins=[./mine.py]", "mine.py, line 2: ZeroDivisionError", files=plugin("import trainrun\nx = 1 / 0\n")),
    case("plug-in: calls sys.exit(0)", "plugins=[./mine.py]", "cannot be imported", "SystemExit", files=plugin("import sys, trainrun\nsys.exit(0)\n")),
    case("plug-in: calls exit with a text", "plugins=[./mine.py]", "cannot be imported", "bye", files=plugin("import sys, trainrun\nsys.exit('bye')\n")),
    case("plug-in: imports what is not there", "plugins=[./mine.py]", "cannot be imported", "no_such_package", files=plugin("import trainrun\nimport no_such_package\n")),
    case("plug-in: raises without a text", "plugins=[./mine.py]", "cannot be imported", "AssertionError", files=plugin("import trainrun\nassert False\n")),
    case("plug-in: recursion without end", "plugins=[./mine.py]", "RecursionError", files=plugin("import trainrun\ndef f(): return f()\nf()\n")),
    case("plug-in: a group that is none", "plugins=[./mine.py]", "line 2", "Did you mean loss?", files=plugin("import trainrun\n@trainrun.register('los', 'x')\ndef x(): ...\n")),
    case("plug-in: a name with a slash", "plugins=[./mine.py]", "expected a name of letters", files=plugin("import trainrun\n@trainrun.register('loss', '../x')\ndef x(): ...\n")),
    case("plug-in: a name with blanks", "plugins=[./mine.py]", "expected a name of letters", files=plugin("import trainrun\n@trainrun.register('loss', 'my loss')\ndef x(): ...\n")),
    case("plug-in: a name that is a number", "plugins=[./mine.py]", "expected a name of letters", files=plugin("import trainrun\n@trainrun.register('loss', 7)\ndef x(): ...\n")),
    case("plug-in: an empty name", "plugins=[./mine.py]", "expected a name of letters", files=plugin("import trainrun\n@trainrun.register('loss', '')\ndef x(): ...\n")),
    case("plug-in: a bad name made on import", "plugins=[./mine.py]", "expected a name of letters", files=plugin("import trainrun\nname = '../' + 'x'\ntrainrun.register('loss', name)(lambda y_true, y_pred: 0)\n")),
    case("plug-in: a misspelt argument", "plugins=[./mine.py] loss=powered_a loss.pover=3", "Did you mean power?", files=plugin(REGISTERED.format(name="powered_a"))),
    case("plug-in: a wrong type", "plugins=[./mine.py] loss=powered_b loss.power=high", "loss.power", "expected a number", files=plugin(REGISTERED.format(name="powered_b"))),
    case("plug-in: a misspelt name", "plugins=[./mine.py] loss=powerd_c", "Did you mean powered_c?", files=plugin(REGISTERED.format(name="powered_c"))),
    case("plug-in: without being named", "loss=powered_d", "there is no option 'powered_d'", files=plugin(REGISTERED.format(name="powered_d"))),
    case("plug-in: a pipe", "plugins=[./mine.py]", "plugins", files={"mine.py": _pipe}),
    case("plug-in: a link to itself", "plugins=[./mine.py]", "plugins", files={"mine.py": _link("mine.py")}),
    case("plug-in: checked by check", "check plugins=[./mine.py]", "ZeroDivisionError", files=plugin("import trainrun\n1 / 0\n")),
    case("plug-in: in a sweep", "-m plugins=[./mine.py] seed=1,2", "ZeroDivisionError", files=plugin("import trainrun\n1 / 0\n")),
    case("plug-in: listed", "ls loss", "this is not Python", files={"mine.py": "import trainrun\ndef (:\n", **primary("plugins: [./mine.py]\n")}),
]  # fmt: skip

FOLDERS = [
    case("outputs is a file", "data=iris", "hydra.run.dir", "is no folder", files={"outputs": "mine\n"}, decoy=False),
    case("outputs/runs is a file", "data=iris", "hydra.run.dir", "is no folder", files={"outputs/runs": "mine\n"}, decoy=False),
    case("outputs/sweeps is a file", "-m seed=1,2", "hydra.sweep.dir", "is no folder", files={"outputs/sweeps": "mine\n"}),
    case("outputs is a link to nothing", "data=iris", "hydra.run.dir", files={"outputs": _link("nowhere")}, decoy=False),
    case("outputs is a link to itself", "data=iris", "hydra.run.dir", files={"outputs": _link("outputs")}, decoy=False),
    case("outputs is a pipe", "data=iris", "hydra.run.dir", files={"outputs": _pipe}, decoy=False),
    case("outputs is a socket", "data=iris", "hydra.run.dir", files={"outputs": _socket}, decoy=False),
    case("run directory of two lines", ["data=iris", "hydra.run.dir='x\ny'"], "hydra.run.dir", "U+000A"),
    case("outputs on /proc", "data=iris hydra.run.dir=/proc/trainrun", "/proc"),
    case("run directory of another run", "data=iris hydra.run.dir=outputs/runs/2026-01-02_03-04-05_decoy1", "hydra.run.dir", "not empty"),
    case("run directory: here", "data=iris hydra.run.dir=.", "hydra.run.dir", "not empty"),
    case("run directory: the root", "data=iris hydra.run.dir=/", "hydra.run.dir", "not empty"),
    case("run directory: a file", "data=iris hydra.run.dir=a.txt", "hydra.run.dir", "is no folder", files={"a.txt": "mine"}),
    case("run directory: below a file", "data=iris hydra.run.dir=a.txt/b", "hydra.run.dir", "is no folder", files={"a.txt": "mine"}),
    case("run directory: with a NUL", ["data=iris", "hydra.run.dir='a\0b'"], "hydra.run.dir"),
    case("run directory: 300 letters", f"data=iris hydra.run.dir={'x' * 300}", "x" * 60),
    case("init into a folder that has it", "init", "exist already", "Name an empty folder", files={"components.py": "mine\n"}),
    case("init into a folder with a part of it", "init mine", "exist already", files={"mine/conf/config.yaml": "mine: 1\n"}),
    case("init over a file", "init a.txt", "is a file", files={"a.txt": "mine"}),
    case("init below a file", "init a.txt/b", "is a file", files={"a.txt": "mine"}),
    case("init where conf is a file", "init mine", "cannot write", files={"mine/conf": "mine"}),
    case("init over a link to nothing", "init mine", "exist already", files={"mine/components.py": _link("nowhere")}),
    case("init on /proc", "init /proc/mine", "cannot write"),
    case("init with a NUL", ["init", "a\0b"], "cannot write"),
    case("init with 300 letters", f"init {'x' * 300}", "cannot write"),
    case("init with a flag that is none", "init --force", "--force"),
    case("init of two folders", "init a b", "unrecognized arguments: b"),
]  # fmt: skip

CASES: list[Case] = [*YAMLS, *PLUGINS, *FOLDERS]
