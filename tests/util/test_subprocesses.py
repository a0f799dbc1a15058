"""A child process imports this package and what it is told to, and nothing from the working directory by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from trainrun.util import subprocesses

PROGRAM = """
import os, sys
print(sys.argv[1:], os.environ.get("OF_ITS_OWN"), os.getsid(0) == os.getpid(), sys.stdin.read() == "")
try:
    import beside
except ImportError:
    print("alone")
"""


@pytest.mark.parametrize(("path", "says"), [([], "alone"), ([""], "beside")])
def test_child_process_gets_arguments_environment_session_and_path(inside, monkeypatch, path, says):
    (inside / "elsewhere").mkdir()
    (inside / "elsewhere" / "program.py").write_text(PROGRAM)
    (inside / "beside.py").write_text("print('beside')")
    monkeypatch.setenv("PYTHONPATH", str(inside / "elsewhere"))
    for own_session in (True, False):
        child = subprocesses.start(
            "program",
            "a",
            path=path,
            environment={"OF_ITS_OWN": "yes"},
            own_session=own_session,
            stdout=subprocess.PIPE,
            text=True,
        )
        out, _ = child.communicate(timeout=60)
        assert out.splitlines() == [f"['a'] yes {own_session} True", says]
    assert "OF_ITS_OWN" not in os.environ


def test_another_program_gives_its_output_as_it_is_and_ends_in_time():
    code = "import os, sys; sys.stdout.buffer.write(b'a\\r\\n\\xff'); sys.exit(int(os.environ['CODE']))"
    done = subprocesses.run([sys.executable, "-c", code], 60, {"CODE": "3"})
    assert (done.stdout, done.stderr, done.returncode) == ("a\r\n\ufffd", "", 3)
    with pytest.raises(subprocess.TimeoutExpired):
        subprocesses.run([sys.executable, "-c", "import time; time.sleep(60)"], 0.2)


# In a process of its own: it kills fork servers.
FORKS = """
import atexit, os, signal, sys, time
import psutil
from trainrun.util import subprocesses

def wait_for(condition):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)

def sleeping(number):
    return [p for p in psutil.process_iter(["cmdline"]) if f"sleep {number}" in " ".join(p.info["cmdline"] or [])]

first = subprocesses.fork(time.sleep, 1000)
atexit.register(first.kill)  # else it keeps the pipe to the test open where this fails
server = psutil.Process(psutil.Process(first.pid).ppid())
assert os.getsid(server.pid) == server.pid, "signals to the group reach the server"
server.terminate()  # as scancel does to all processes
second = subprocesses.fork(os._exit, 7)
second.join(60)
assert second.exitcode == 7 and server.is_running(), second.exitcode
server.kill()
wait_for(lambda: not server.is_running() or server.status() == "zombie")
assert first.exitcode is None, "it lives, whatever its server does"
third = subprocesses.fork(os._exit, 8)  # by another server
third.join(60)
assert third.exitcode == 8
first.signal(signal.SIGTERM)
first.join(60)
assert first.exitcode == subprocesses.UNKNOWN
tree = subprocesses.fork(os.system, f"setsid sleep {sys.argv[1]}1 & sleep {sys.argv[1]}2")
wait_for(lambda: sleeping(f"{sys.argv[1]}1") and sleeping(f"{sys.argv[1]}2"))
tree.kill()
tree.join(60)
assert tree.exitcode == -signal.SIGKILL
leaves = subprocesses.fork(os.system, f"sleep {sys.argv[1]}3 & setsid sleep {sys.argv[1]}4 & (setsid sleep {sys.argv[1]}5 &)")
leaves.join(60)
leaves.kill_group()
wait_for(lambda: not sleeping(sys.argv[1]))
print("held")
"""


@pytest.mark.slow
def test_forks_survive_their_server_and_end_with_their_children(inside):
    """In a folder whose files are named like modules of Python, with a temporary folder whose name is too long for a socket."""
    for name in (
        "random",
        "types",
        "signal",
        "struct",
        "select",
        "socket",
        "selectors",
        "ast",
        "token",
        "numpy",
        "keras",
        "json",
    ):
        (inside / f"{name}.py").write_text("raise SystemExit('a file of the project was imported')\n")
    folder = inside / ("long" * 30)
    folder.mkdir()
    (inside / "unguarded.py").write_text(FORKS)  # without `if __name__ == "__main__"`: no fork runs it again
    done = subprocess.run(
        [sys.executable, "-P", "unguarded.py", f"{os.getpid()}0"], env={**os.environ, "TMPDIR": str(folder)}, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "held\n"), done.stderr


PARENT = """
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid())])
time.sleep(600)
"""
CHILD = """
import os, pathlib, signal, sys, time
from trainrun.util import subprocesses
if {ignores}:
    signal.signal(signal.SIGTERM, lambda *_: pathlib.Path("saved").write_text("state"))
subprocesses.end_with(int(sys.argv[1]), 0.2)
pathlib.Path("pid").write_text(str(os.getpid()))
while True:
    time.sleep(0.01)
"""


@pytest.mark.parametrize("ignores", [False, True], ids=["ends at SIGTERM", "goes on after SIGTERM"])
def test_process_ends_when_its_parent_is_killed(inside, ignores):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, CHILD.format(ignores=ignores)])
    try:
        wait_for(lambda: (inside / "pid").is_file() and (inside / "pid").read_text())
        child = psutil.Process(int((inside / "pid").read_text()))
        assert child.is_running()
        parent.send_signal(signal.SIGKILL)
        wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    finally:
        parent.kill()
        parent.wait()
    assert (inside / "saved").is_file() == ignores


def wait_for(condition):
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)
