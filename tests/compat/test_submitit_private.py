"""submitit's private names are where `trainrun.compat.submitit_private` looks for them."""

from __future__ import annotations

import signal
import subprocess
import sys

from trainrun.compat import submitit_private


def test_the_signal_is_the_one_that_submitit_handles():
    code = (
        "import signal\n"
        "from submitit.core import job_environment, utils\n"
        "from trainrun.compat import submitit_private\n"
        "print(int(submitit_private.preemption_signal()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) in (signal.SIGUSR1, signal.SIGUSR2)
    assert int(done.stdout) == submitit_private.preemption_signal()


def test_submitit_registers_its_handler_by_the_same_function():
    import inspect

    from submitit.core.job_environment import JobEnvironment

    assert "self._usr_sig()" in inspect.getsource(JobEnvironment._handle_signals)
