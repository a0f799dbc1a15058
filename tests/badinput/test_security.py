"""What no input may do: run code, unpickle, leave its folder, show a secret; held on the source and on real runs."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from badinput_harness import unspoilt

import trainrun
from trainrun.cli import main
from trainrun.errors import TrainingError, UserError, readable
from trainrun.hydra_bridge import interpolations
from trainrun.registry import construct, followed_keys, lookup
from trainrun.util import grants

PACKAGE = Path(trainrun.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
# (module, function) that run or build what a text or a file says.
RUNNING = {
    ("os", "system"), ("os", "popen"), ("os", "execv"), ("os", "execve"), ("os", "execvp"), ("os", "spawnv"), ("commands", "getoutput"),
    ("subprocess", "getoutput"), ("subprocess", "getstatusoutput"), ("yaml", "unsafe_load"), ("yaml", "full_load"),
    ("yaml", "unsafe_load_all"), ("yaml", "full_load_all"), ("marshal", "loads"), ("runpy", "run_path"), ("runpy", "run_module"),
    ("pandas", "read_pickle"), ("pd", "read_pickle"), ("joblib", "load"), ("shelve", "open"),
}  # fmt: skip
STARTING = {"run", "Popen", "call", "check_call", "check_output"}


def where(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def calls(path: Path) -> list[tuple[str, str, ast.Call]]:
    """Return (what is before the dot, the name, the call) of every call in a file."""
    sites = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = node.func
            owner = called.value if isinstance(called, ast.Attribute) else None
            sites.append(
                (
                    getattr(owner, "id", getattr(owner, "attr", "")),
                    getattr(called, "attr", getattr(called, "id", "")),
                    node,
                )
            )
    return sites


UNPICKLING = {
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "runpy", "code",
}  # fmt: skip


def imported(path: Path) -> set[str]:
    """Return the libraries that a file imports."""
    return {
        a.name.split(".")[0]
        for n in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(n, ast.Import | ast.ImportFrom)
        for a in (n.names if isinstance(n, ast.Import) else [ast.alias(n.module or "")])
    }


def fault(owner: str, name: str, call: ast.Call) -> str | None:
    """Return why a call may run what a user's file holds, or None."""
    keywords = {k.arg: k.value for k in call.keywords}
    if (owner, name) in RUNNING or name == "enable_unsafe_deserialization":
        return f"{owner}.{name}"
    if not owner and name in ("eval", "exec", "compile", "__import__"):
        return name
    if owner == "subprocess" and name in STARTING:
        if not call.args or isinstance(call.args[0], ast.Constant | ast.JoinedStr | ast.BinOp):
            return "a shell's string"
        if getattr(keywords.get("shell"), "value", False) is not False:
            return "shell"
    if name == "load" and owner in ("np", "numpy"):
        return (
            None if getattr(keywords.get("allow_pickle"), "value", None) is False else "no allow_pickle=False"
        )
    if owner == "yaml" and name in ("load", "load_all"):
        loader = ast.unparse(keywords.get("Loader", ast.Constant("none")))
        return None if "SafeLoader" in loader and not re.search("Unsafe|Full", loader) else loader
    if name == "load_model" and owner != "pyfunc":  # MLflow's, of a folder that trainrun has written
        return None if getattr(keywords.get("safe_mode"), "value", None) is True else "no safe_mode=True"
    return None


@pytest.mark.parametrize(
    "source",
    ["eval(x)", "os.system(x)", "subprocess.run('ls')", "subprocess.run(x, shell=True)", "np.load(x)",
     "yaml.load(x, Loader=yaml.UnsafeLoader)", "keras.saving.load_model(x)"],
)  # fmt: skip
def test_the_search_for_unsafe_calls_finds_one(source, tmp_path):
    (tmp_path / "a.py").write_text(source)
    assert [c for c in calls(tmp_path / "a.py") if fault(*c)]


def test_no_source_evaluates_or_unpickles_input():
    assert {where(p): imported(p) & UNPICKLING for p in MODULES if imported(p) & UNPICKLING} == {}
    faults = [(where(p), c[2].lineno, fault(*c)) for p in MODULES for c in calls(p)]
    assert [f for f in faults if f[2]] == []


def test_servers_bind_to_loopback():
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        assert "0.0.0.0" not in text, f"{where(path)} names every address of the machine"
        for _, name, call in calls(path):
            if name == "bind" and "signature(" not in ast.unparse(call.func):
                address = ast.unparse(call)
                if where(path) == "warm/server.py" and address == "listener.bind(path)":
                    continue  # of a Unix socket, which only its user can open
                if "(HOST," in address and '\nHOST = "127.0.0.1"\n' in text:
                    continue
                assert "127.0.0.1" in address, f"{where(path)}:{call.lineno}"


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "../focal",
        "subprocess:Popen",
        "__init__",
        "_shared",
        "keras.losses.Huber",
        "",
        "a\0b",
        "Huber\n",
    ],
)
def test_the_registry_follows_no_path(name):
    for group in lookup.KERAS:
        with pytest.raises(UserError):
            lookup.find(group, name)


@pytest.mark.parametrize("key", sorted(followed_keys.FOLLOWED))
def test_python_api_follows_no_path_in_a_config(key):
    with pytest.raises(UserError, match="never followed"):
        trainrun.build("loss", "huber", **{key: "os"})
    with pytest.raises(UserError, match="never followed"):
        construct.construct("layer", {"name": "Dense", "units": 3, "activation": {"a": [{key: "os"}]}})


@pytest.mark.parametrize(
    "name",
    ["PASSWORD", "MY_TOKEN", "AWS_SECRET_ACCESS_KEY", "GH_PAT", "apikey", "DB_PWD", "PGPASSWORD", "SECRETKEY", "ACCESSTOKEN", "AUTHTOKEN",
     "SSHPASS", "JWT", "BEARER", "CREDS", "DSN", "SLACK_WEBHOOK", "TRAINRUN_TOKEN"],
)  # fmt: skip
def test_secrets_of_the_environment_are_not_read(name, monkeypatch):
    monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv(grants.NAMES, name)  # even if the command line names it
    with pytest.raises(ValueError, match="sounds like a secret"):
        interpolations.environment(name)


@pytest.mark.parametrize("name", ["DATABASE_URL", "KUBECONFIG_DATA", "KEY", "SITE"])
def test_other_variables_are_read_if_the_command_line_says_so(name, monkeypatch):
    monkeypatch.setenv(name, "here")
    monkeypatch.setenv(grants.NAMES, "")
    with pytest.raises(ValueError, match=f"--env {name}"):
        interpolations.environment(name, "default")
    monkeypatch.setenv(grants.NAMES, name)
    assert interpolations.environment(name) == "here"


@pytest.mark.parametrize("name", ["HOME", "PWD", "DATA_DIR", "TRAINRUN_SITE"])
def test_environment_variables_of_the_list_are_read(name, monkeypatch):
    monkeypatch.setenv(name, "here")
    assert interpolations.environment(name) == "here"


def test_messages_hide_secrets_and_what_steers_a_terminal():
    assert readable("https://me:pw@host \x1b[2J password=abc") == "https://***@host \\x1b[2J password=***"
    assert "pw" not in str(UserError("https://me:pw@host"))
    assert "pw" not in str(TrainingError("https://me:pw@host"))


def test_a_preset_cannot_bring_code_along(inside, capsys):
    """The whole of what an experiment from elsewhere may try, in a process of its own; nothing of it leaves a trace."""
    (inside / "conf" / "experiment").mkdir(parents=True)
    hydra = {
        "launcher": {"_target_": "os.system"},
        "callbacks": {"x": {"_target_": "subprocess.Popen", "args": ["touch", "stray"]}},
        "job": {"env_set": {"PYTHONSTARTUP": "stray.py"}},
    }
    for i, (key, value) in enumerate(hydra.items()):
        text = "# @package _global_\n" + json.dumps({"hydra": {key: value}}) + "\n"
        (inside / "conf" / "experiment" / f"e{i}.yaml").write_text(text)
        for argv in (
            [f"experiment=e{i}"],
            ["check", f"experiment=e{i}"],
            ["-m", f"experiment=e{i}", "seed=1,2"],
        ):
            with unspoilt():
                assert main(argv) == 2
            assert f"hydra.{key}" in capsys.readouterr().err
    assert sorted(p.name for p in inside.iterdir()) == ["conf"]


def test_a_plugin_is_imported_only_after_everything_else_is_right(inside):
    (inside / "mine.py").write_text(
        "import trainrun\nopen('stray', 'w').close()\n@trainrun.register('loss', 'straying')\ndef straying(y_true, y_pred): ...\n"
    )
    with unspoilt():
        assert main(["plugins=[./mine.py]", "loss=straying", "trainer.epoch=3"]) == 2
        assert main(["ls", "loss"]) == 0
    assert not (inside / "stray").exists()


def test_saved_models_of_ours_are_let_in(tmp_path):
    """What is refused is code, not models: one of each of our kinds comes back."""
    import keras

    from trainrun.data.dataset import InputSpec, TargetSpec
    from trainrun.model.file import file

    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(
        4,
        3,
        activation="gelu",
        kernel_regularizer="l2",
        kernel_initializer=keras.initializers.HeNormal(seed=1),
    )(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.SpatialDropout2D(0.1)(x)
    x = keras.ops.relu(x) + 1.0
    x = keras.layers.TimeDistributed(keras.layers.Dense(3, kernel_constraint="max_norm"))(x)
    x = keras.layers.Bidirectional(keras.layers.LSTM(3))(keras.layers.Reshape((-1, 3))(x))
    x = keras.layers.Dense(3, dtype="mixed_bfloat16", activation=keras.layers.LeakyReLU())(x)
    path = tmp_path / "m.keras"
    keras.Model(inputs, keras.Sequential([keras.layers.Dense(2, activation="softmax")])(x)).save(path)
    image, classes = InputSpec("image", "image", (8, 8, 1)), TargetSpec("multiclass", ("a", "b"), 2)
    assert file((image,), classes, None, path=str(path)).count_params()


@pytest.mark.skipif(
    os.geteuid() == 0, reason="root may read and write everything: this machine cannot show it"
)
def test_folders_without_permission_are_an_error_with_a_message(inside, capsys):
    (inside / "outputs").mkdir()
    (inside / "outputs").chmod(0o500)
    (inside / "t.csv").write_text("a,y\n1,2\n")
    (inside / "t.csv").chmod(0)
    try:
        assert main(["data=iris"]) == 2
        assert "cannot be written to" in capsys.readouterr().err
        assert main(["data=csv", "data.path=t.csv", "data.target=y"]) == 2
        assert "cannot be read" in capsys.readouterr().err
    finally:
        (inside / "outputs").chmod(0o700)


BAD = [
    ["loss=focl"],
    ["--nonsense"],
    ["data=csv", "data.path=nowhere.csv", "data.target=y"],
    ["plugins=[./mine.py]"],
    ["hydra.launcher._target_=os.system"],
]


@pytest.mark.parametrize(
    ("argv", "process"), [*((argv, False) for argv in BAD), (BAD[0], True), (BAD[3], True)]
)
def test_malicious_input_exits_with_code_2_and_one_message(argv, process, inside, capfd):
    """All of them in this process; in one of their own, what ends without TensorFlow, and what wants to end it."""
    (inside / "mine.py").write_text("import trainrun, sys\nsys.exit(0)\n")
    if process:
        done = subprocess.run(
            [sys.executable, "-m", "trainrun", *argv], capture_output=True, text=True, check=False
        )
        code, out, err = done.returncode, done.stdout, done.stderr
    else:
        with unspoilt():
            code = main(argv)
        out, err = capfd.readouterr()
    assert (code, out) == (2, "")
    assert "Traceback" not in err and err.startswith("error: ") and len(err.splitlines()) == 1
    assert [p.name for p in inside.iterdir() if p.name != "__pycache__"] == ["mine.py"]
