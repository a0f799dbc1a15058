"""Imports of the fork server of `hydra/launcher=local`, shared by all trials: TensorFlow, and all that a run uses.

Nothing is run: a process that is forked after TensorFlow has begun to compute hangs. So nothing here may
query devices, build a layer, or draw a number.
"""

import contextlib
import os
import signal

from trainrun.ui import console
from trainrun.util import imports, subprocesses

with contextlib.suppress(OSError):
    os.setsid()  # signals of the terminal and to the process group are not for the server
signal.pthread_sigmask(signal.SIG_BLOCK, subprocesses.BLOCKED)  # before TensorFlow starts threads
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with console.hushed(), imports.collector_paused("tensorflow", freeze=True):
    import keras  # noqa: F401
    import matplotlib
    import pandas  # noqa: F401
    import pynvml  # noqa: F401
    import sklearn.datasets  # noqa: F401
    import tensorflow  # noqa: F401

    matplotlib.use("Agg")
    import matplotlib.pyplot

    from trainrun.artifacts import environment
    from trainrun.run import builders, run_builder, run_record, runner, tuning  # noqa: F401
    from trainrun.tracking import journal_callback  # noqa: F401
    from trainrun.trainer import custom, fit, train_on_batch  # noqa: F401

environment.packages(), environment.versions()  # read once for all trials
