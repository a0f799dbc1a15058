"""A child process imports this package and what it is told to, and nothing from the working directory by itself."""

from __future__ import annotations

import os
import subprocess
import sys

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
