"""submitit's private names: the signal of preemption. Checked with submitit 1.5.4."""

from __future__ import annotations

import signal


def preemption_signal() -> signal.Signals:
    """Return the signal by which Slurm announces, and submitit handles, the end of a job's time.

    For: a worker that handles it itself, so that its trial saves its state first.
    Public API: submitit's handlers only. Checked: submitit 1.5.4. Missing: AttributeError when a worker begins.
    """
    from submitit.core.job_environment import JobEnvironment

    return JobEnvironment._usr_sig()
