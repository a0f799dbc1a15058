"""Every sink with every kind of secret: nothing that a run or a sweep leaves behind, or prints, holds one."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys

import pytest
from badinput_harness import unspoilt

from trainrun.cli import main

SECRET, NUMBER = "s3cr3tPassw0rd", "31337007"
URI = f"postgresql://me:a/{SECRET}?x#y@127.0.0.1:9/db"
PLUGIN = """
import keras, trainrun
@trainrun.register("callback", "sends")
class Sends(keras.callbacks.Callback):
    def __init__(self, password=1, token=(), credentials=None, secret_key="", pin_passcode="", address=""):
        super().__init__()
"""
# Spellings of a secret in files of the checkout, whose changes are recorded.
SPELLINGS = f"""
password: {SECRET}
  "api_key": "{SECRET}",
connect("password={SECRET}")
headers = {{"Authorization": "Bearer {SECRET}"}}
curl -H 'Authorization: Bearer {SECRET}' --token {SECRET}
uri = "mysql://me:b#{SECRET}@host/db"
tokens:
  - {SECRET}
passphrase: |
  {SECRET}
os.environ["DB_PASSWORD"] = '{SECRET}'
dbPassword = "{SECRET}"
- name: CLIENT_SECRET
  value: {SECRET}
https://hooks.slack.com/services/{SECRET}
-----BEGIN RSA PRIVATE KEY-----
{SECRET}
-----END RSA PRIVATE KEY-----
machine host login me password {SECRET}
"""
ENVIRONMENT = {
    "TF_API_TOKEN": SECRET,
    "CUDA_PASSWORD": SECRET,
    "KERAS_SECRETKEY": SECRET,
    "MLFLOW_TRACKING_TOKEN": f"env-{SECRET}",
}
COMMON = [
    "data=iris", "trainer.epochs=1", "artifacts.plots=false", "plugins=[./sends.py]", "callback=sends",
    f"callback.sends.password={NUMBER}", f"callback.sends.token=[{SECRET},x]", f"callback.sends.credentials={{value: {SECRET}}}",
    f"callback.sends.secret_key='a b {SECRET}'", f"callback.sends.pin_passcode={SECRET}",
    f"callback.sends.address='https://me:c/{SECRET}@host/'", f"name='see {URI}'",
]  # fmt: skip
# What MLflow's store has of one, and what is written where the store does not answer.
LINES = {
    "run": ["tracking=[mlflow,tensorboard]", *COMMON],
    "sweep": ["-m", "seed=1", "tracking.timeout=0.5", f"tracking.uri='{URI}'", *COMMON],
}
# In one process, for its imports: each command line in a folder of its own.
PROGRAM = """
import json, os, sys
from trainrun.cli import main
code = 0
for folder, argv in json.loads(sys.argv[1]):
    os.chdir(folder)
    sys.argv = ["trainrun", *argv]
    code = code or main(argv)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def secret_runs(tmp_path_factory):
    """A run and a sweep in a process of their own with the mask 027; each in a checkout of its own, with changes."""
    folder = tmp_path_factory.mktemp("secret")
    for name in LINES:
        (folder / name).mkdir()
        (folder / name / "sends.py").write_text(PLUGIN)
        (folder / name / "notes.txt").write_text("nothing yet\n")
        git = ["git", "-c", "user.name=me", "-c", "user.email=me@localhost", "-c", "commit.gpgsign=false"]
        for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
            subprocess.run([*git, *words], cwd=folder / name, check=True, capture_output=True)
        (folder / name / "notes.txt").write_text(f"changed\n{SPELLINGS}")
    typed = json.dumps([(str(folder / name), line) for name, line in LINES.items()])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, typed],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        umask=0o027,
        env={**os.environ, **ENVIRONMENT, "XDG_CONFIG_HOME": str(folder / "config")},
    )
    return folder, done


@pytest.fixture(params=list(LINES))
def secret_run(request, secret_runs):
    folder, done = secret_runs
    return folder / request.param, done


def holding(folder, word):
    """Return the files below a folder that hold a word, but for those that the user has written."""
    own = (folder / "notes.txt", folder / "sends.py")
    return [
        p.relative_to(folder).as_posix()
        for p in folder.rglob("*")
        if p.is_file() and p not in own and ".git" not in p.parts and word.encode() in p.read_bytes()
    ]


def test_no_file_and_no_line_holds_a_secret(secret_run):
    folder, done = secret_run
    assert done.returncode == 0, done.stderr
    for secret in (SECRET, NUMBER):
        assert secret not in done.stdout + done.stderr
        assert holding(folder, secret) == []
    assert "***" in next(folder.rglob(".hydra/overrides.yaml")).read_text()
    assert '+  "api_key": "***"' in next(folder.rglob("environment.txt")).read_text()


def test_the_stores_have_the_record_itself(secret_runs):
    folder, _ = secret_runs
    assert holding(folder / "run", "callback.sends.password"), "MLflow, journal and files"
    assert any(name.startswith("mlflow.db") for name in holding(folder / "run", "callback.sends.password"))


def test_files_have_the_mask_of_the_user(secret_run):
    folder, _ = secret_run
    odd = {
        p.relative_to(folder).as_posix(): oct(stat.S_IMODE(p.stat().st_mode))
        for p in (folder / "outputs").rglob("*")
        if stat.S_IMODE(p.stat().st_mode) != (0o750 if p.is_dir() else 0o640)
    }
    assert odd == {}


def test_a_run_with_hidden_values_asks_for_them_when_it_goes_on(secret_runs, monkeypatch, capsys):
    folder, _ = secret_runs
    monkeypatch.chdir(folder / "run")
    with unspoilt():
        assert main(["resume", "last", "trainer.epochs=2"]) == 2
    message = capsys.readouterr().err
    assert "callback.sends.password: its value is a secret, which is in no file" in message
    assert "callback.sends.token" in message and "callback.sends.credentials" in message


def test_errors_do_not_show_the_password(inside, capsys):
    for argv in (
        ["data=iris", f"tracking.uri='{URI}'", "tracking.ury=1"],
        ["--cfg", "job", f"tracking.uri='{URI}'", "loss=focl"],
        [f"tracking.uri=http://me:{SECRET}@127.0.0.1:9/", "loss=focl"],
        [f"https://me:{SECRET}@host"],
        ["check", f"data.path=https://me:{SECRET}@host/x.csv", "data=csv"],
        ["-m", "data=iris", f"tracking.uri='{URI}'", "seed=1,x"],
    ):
        with unspoilt():
            assert main(argv) == 2
        captured = capsys.readouterr()
        assert SECRET not in captured.out + captured.err, argv
