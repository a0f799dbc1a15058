"""Runs that are forked from the warm process, held to the same command in a process of its own.

A plug-in shows what its process was given: it is loaded before TensorFlow would be, so that these runs take no training.
"""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trainrun.cli import main
from trainrun.util import user_cache
from trainrun.warm import address, after_run, client, control, server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
PROBE = """
# A plug-in of trainrun.
import json, os, resource, signal, sys, time
import numpy
mode = os.environ["PROBE"]
if mode == "state":
    print(json.dumps({
        "cwd": os.getcwd(), "environment": dict(os.environ), "umask": os.umask(0), "input": sys.stdin.read(), "argv": sys.argv[1:],
        "encoding": sys.stdout.encoding, "terminal": [os.isatty(n) for n in (0, 1, 2)], "files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "nice": os.getpriority(os.PRIO_PROCESS, 0), "processors": sorted(os.sched_getaffinity(0)), "path": sys.path[1:],
        "ignored": [n for n in range(1, 32) if signal.getsignal(n) == signal.SIG_IGN], "mask": sorted(signal.pthread_sigmask(0, ())),
        "third": os.path.exists("/dev/fd/9") and os.read(9, 99).decode(), "main": sys.modules["__main__"].__name__[-8:],
        "interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler, "marked": hasattr(sys, "marked"),
    }), flush=True)
    sys.marked = os.environ["MARKED"] = "yes"
    os._exit(7)
if mode == "leave":
    import atexit
    sys.unflushed = open("unflushed", "w")
    sys.unflushed.write("all of it")
    atexit.register(lambda: print("at exit"))
    raise ImportError("of the probe")
if mode == "draw":
    print(numpy.random.random(), "tensorflow" in sys.modules, flush=True)
    os._exit(0)
if mode == "die":
    os.kill(os.getpid(), signal.SIGUSR2)
print("ready", os.getpid(), flush=True)
time.sleep(60)
"""
QUICK = [
    "data=iris",
    "metric=accuracy",
    "tracking=none",
    "trainer.epochs=2",
    "artifacts.plots=false",
    "artifacts.report=false",
]
COMMAND = [sys.executable, "-P", "-m", "trainrun"]


@pytest.fixture(scope="module", autouse=True)
def unblocked():
    """Let processes begin without blocked signals: another test may have imported the fork server of sweeps, which blocks some."""
    before = signal.pthread_sigmask(signal.SIG_SETMASK, ())
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


@pytest.fixture(autouse=True)
def soon():
    """End a test that waits for a process for good."""

    def late(*_):
        raise TimeoutError

    former = signal.signal(signal.SIGALRM, late)
    signal.alarm(180)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, former)


@pytest.fixture(scope="module")
def base(tmp_path_factory, unblocked):
    """Start a warm process of the module's own; return the environment of commands that use it."""
    sockets = tmp_path_factory.mktemp("w")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(sockets))
        patch.delenv("TRAINRUN_WARM", raising=False)
        environment = dict(os.environ)
        started = subprocess.run(
            [*COMMAND, "warm"], capture_output=True, text=True, check=False, env=environment
        )
        assert started.returncode == 0, started.stderr
        assert "it ends after 15 minutes without a run" in started.stdout
        yield environment
        stopped = [
            subprocess.run(
                [*COMMAND, "warm", "--stop"], capture_output=True, text=True, check=True, env=environment
            )
            for _ in "12"
        ]
        assert "has ended after" in stopped[0].stdout
        assert stopped[1].stdout == "no warm process was running\n"


@pytest.fixture
def folder(inside):
    (inside / "probe.py").write_text(PROBE)
    return inside


def state():
    """Ask the warm process with the environment of this process, whose fingerprint does not matter."""
    return control.state()


def start(environment, mode, warm=True, **options):
    variables = {**environment, "PROBE": mode, **({} if warm else {"TRAINRUN_WARM": "0"})}
    return subprocess.Popen([*COMMAND, "plugins=[./probe.py]"], env=variables, text=True, **options)


def test_a_process_is_given_what_a_shell_gives_it(base, folder):
    def given(warm):
        reader, writer = os.pipe()
        os.write(writer, b"of the shell")
        os.close(writer)

        def prepare():
            os.dup2(reader, 9)
            os.umask(0o027)
            os.nice(3)
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})

        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        variables = (
            {**base, "ANY": "thing", "PYTHONIOENCODING": "latin-1"} if not warm else {**base, "ANY": "thing"}
        )
        process = start(variables, "state", warm, preexec_fn=prepare, pass_fds=[9], **pipes)
        os.close(reader)
        out, error = process.communicate("some input")
        assert process.returncode == 7, error
        return json.loads(out)

    before = state()["runs"]
    once, again, direct = given(True), given(True), given(False)
    assert state()["runs"] == before + 2
    del direct["environment"]["TRAINRUN_WARM"], direct["environment"]["PYTHONIOENCODING"]
    assert once == again == {**direct, "encoding": once["encoding"]}
    assert (direct["third"], direct["input"]) == ("of the shell", "some input")


def test_runs_draw_different_numbers_and_have_tensorflow(base, folder):
    shown = [start(base, "draw", stdout=subprocess.PIPE).communicate()[0].split() for _ in "12"]
    assert [imported for _, imported in shown] == ["True", "True"]
    assert shown[0][0] != shown[1][0]


def test_a_signal_that_kills_the_run_kills_the_command(base, folder):
    assert start(base, "die").wait() == -signal.SIGUSR2


def test_a_process_ends_as_python_ends(base, folder):
    process = start(base, "leave", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, error = process.communicate()
    assert "of the probe" in error
    assert (process.returncode, out, Path("unflushed").read_text()) == (2, "at exit\n", "all of it")


def test_a_config_error_is_said_as_usual(base, inside, capsys):
    words = ["loss=focl", "optimizer.lr=1"]
    done = subprocess.run([*COMMAND, *words], env=base, capture_output=True, text=True, check=False)
    assert main(words) == done.returncode == 2
    assert capsys.readouterr().err == done.stderr


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "direct"])
def test_a_shell_stops_continues_and_interrupts_it(base, folder, warm):
    if not shutil.which("bash"):
        pytest.skip("no bash")
    terminal, inside = pty.openpty()

    def own_terminal():
        os.setsid()
        os.close(os.open(os.ttyname(inside), os.O_RDWR))  # becomes the session's

    variables = {
        **base,
        "PROBE": "wait",
        **({} if warm else {"TRAINRUN_WARM": "0"}),
        "PS1": "",
        "HISTFILE": "",
    }
    streams = {"stdin": inside, "stdout": inside, "stderr": inside}
    shell = subprocess.Popen(["bash", "--norc", "-i"], env=variables, preexec_fn=own_terminal, **streams)
    os.close(inside)
    os.write(terminal, f"{shlex.join(COMMAND)} 'plugins=[./probe.py]'\n".encode())
    run = int(read_until(terminal, rb"ready (\d+)\r\n"))
    os.write(terminal, b"\x1a")
    read_until(terminal, rb"(Stopped)")
    assert status_of(run) == "T"
    os.write(terminal, b"fg\n")
    read_until(terminal, rb"(probe.py)")
    until = time.monotonic() + 10
    while status_of(run) == "T" and time.monotonic() < until:
        time.sleep(0.01)
    os.write(terminal, b"\x03")
    read_until(terminal, rb"(interrupted)")
    os.write(terminal, b"echo code=$?; exit\n")
    assert read_until(terminal, rb"code=(\d+)") == b"130"
    assert shell.wait() == 0
    os.close(terminal)


def status_of(pid):
    """Return the letter of a process's state, `Z` too if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"


def read_until(terminal, pattern):
    shown = b""
    while not (found := re.search(pattern, shown)):
        shown += os.read(terminal, 4096)
    return found[1]


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGTERM, -signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_two_runs_at_once_of_which_one_is_stopped(base, folder, sent, code):
    both = [start(base, "wait", stdout=subprocess.PIPE) for _ in "12"]
    pids = [int(process.stdout.readline().split()[1]) for process in both]
    assert state()["running"] == 2
    os.kill(both[0].pid, sent)
    assert both[0].wait() == code
    until = time.monotonic() + 10
    while status_of(pids[0]) != "Z" and time.monotonic() < until:
        time.sleep(0.01)
    assert status_of(pids[0]) == "Z"
    assert both[1].poll() is None
    os.kill(both[1].pid, signal.SIGINT)
    assert both[1].wait() == 130
    for process in both:
        process.stdout.close()


def test_a_command_does_not_run_twice_when_the_process_between_is_killed(base, folder):
    process = start(base, "wait", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    run = int(process.stdout.readline().split()[1])
    between = int(Path(f"/proc/{run}/stat").read_text().rpartition(")")[2].split()[1])
    assert between not in (os.getpid(), process.pid)
    os.kill(between, signal.SIGKILL)
    assert process.wait() == 1
    assert "`trainrun runs` shows the run" in process.stderr.readline()
    assert status_of(run) != "Z"
    os.kill(run, signal.SIGKILL)
    process.communicate()


def test_a_run_ends_with_the_weights_and_lines_of_a_direct_one(base, inside, capsys):
    def lines(text):  # without times, rates and the directory
        return [
            line.partition(" 0.001 ")[0]
            for line in text.splitlines()
            if line[:5] not in ("time ", "run  ", "track")
        ]

    done = subprocess.run(
        [*COMMAND, *QUICK, "tracking=mlflow", "tracking.timeout=120", "hydra.run.dir=warm"],
        env=base,
        capture_output=True,
        text=True,
        check=False,
    )
    assert main([*QUICK, "hydra.run.dir=direct"]) == done.returncode == 0, done.stderr
    warm, direct = (json.loads(Path(name, "summary.json").read_text()) for name in ("warm", "direct"))
    assert warm["weights_sha256"] == direct["weights_sha256"]
    assert warm["metrics"] == direct["metrics"]
    assert json.loads(
        Path("warm", "tracking.json").read_text()
    )  # by a process that waited with mlflow imported
    shown = lines(done.stdout)
    assert shown == lines(capsys.readouterr().out)
    doctor = subprocess.run(
        [*COMMAND, "doctor", "--quick"], env=base, capture_output=True, text=True, check=True
    ).stdout
    assert re.search(r"✓ warm +process \d+, \d+ runs, ends after 15 minutes", doctor)


def test_only_its_user_can_open_the_socket(base):
    path = Path(address.path())
    assert stat.S_IMODE(path.stat().st_mode) == 0o700 & ~0o077
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.parent.chmod(0o750)
    try:
        assert client.connect() is None
    finally:
        path.parent.chmod(0o700)


def test_another_environment_has_a_fresh_process_started(base, folder):
    other, before = {**base, "TF_SOMETHING": "1"}, state()["pid"]
    # It ends the former process, runs by itself, and starts a fresh one when it has ended.
    assert (
        subprocess.run([*COMMAND, "loss=focl"], env=other, capture_output=True, check=False).returncode == 2
    )
    until = time.monotonic() + 60
    while ((now := state()) is None or now["pid"] == before) and time.monotonic() < until:
        time.sleep(0.1)
    assert now["stale"]  # for the environment of this process
    assert start(other, "draw", stdout=subprocess.PIPE).communicate()[0].split()[1] == "True"
    assert state()["runs"] == 1


def test_an_idle_process_ends(inside):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind("s")
        listener.listen()
        began = time.monotonic()
        assert server.Server(listener, "", idle_s=0.2).serve() is None
        assert 0.2 <= time.monotonic() - began < 5


def test_a_newcomer_is_told_once_after_the_third_run_in_ten_minutes(inside, monkeypatch, capsys):
    for name in ("XDG_CACHE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(inside))
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("TRAINRUN_WARM", raising=False)
    clock = iter([0, 500, 700, 800, 900, 1000, 1100])
    monkeypatch.setattr(after_run.time, "time", lambda: next(clock))
    after_run.begin(None)  # not on a terminal: not counted
    monkeypatch.setattr(after_run.streams, "is_terminal", lambda: True)
    shown = []
    for _ in range(6):
        after_run.begin(None)
        shown.append("trainrun warm" in capsys.readouterr().out)
    assert shown == [False, False, False, True, False, False]  # at 800: 500 and 700 are within ten minutes


def test_an_edited_file_and_an_installed_package_are_noticed(inside, monkeypatch):
    for folder in ("package", "conf", "site-packages"):
        (inside / folder).mkdir()
    monkeypatch.setattr(user_cache, "PACKAGE", str(inside / "package"))
    monkeypatch.setattr(sys, "path", ["", str(inside / "site-packages")])
    file = inside / "package" / "a.py"
    file.write_text("a = 1")
    seen = {address.fingerprint()}
    assert seen == {address.fingerprint()}
    for change in (
        lambda: file.write_text("a = 2"),
        lambda: (inside / "conf" / "a.yaml").write_text("a: 1"),
        lambda: (inside / "site-packages" / "b-1.dist-info").mkdir(),
        lambda: monkeypatch.setenv("KERAS_HOME", "elsewhere"),
        lambda: file.unlink(),
    ):
        time.sleep(0.01)  # the clock of the file system
        change()
        assert address.fingerprint() not in seen
        seen.add(address.fingerprint())


def test_a_command_without_a_warm_process_imports_nothing_for_it():
    code = "import sys, trainrun.warm.client as c; c.connect(); print({'socket', 'json', 'fcntl', 'resource'} & {*sys.modules})"
    environment = {**os.environ, "XDG_RUNTIME_DIR": "/nowhere", "TRAINRUN_WARM": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("words", "taken"),
    [
        ("", True),
        ("optimizer=adam", True),
        ("--config-name mine model=mlp", True),
        ("predict last new.csv", True),
        ("predict --help", False),
        ("-m optimizer=adam,sgd", False),
        ("--cfg job", False),
        ("optimizer=adam -c=job", False),
        ("hydra.job.env_set.OMP_NUM_THREADS=1", False),
        ("ls", False),
    ],
)
def test_which_commands_are_forked(words, taken, monkeypatch):
    monkeypatch.delenv("TRAINRUN_WARM", raising=False)
    assert client.takes(words.split()) is taken
