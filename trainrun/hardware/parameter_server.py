"""Weights on servers, updated by workers that do not wait for each other: refused, with the reason."""

from __future__ import annotations

from trainrun.errors import Problem, UserError

# Tried with TensorFlow 2.21 and Keras 3.15: the model builds on the servers, and a step of one's own runs through
# ClusterCoordinator.schedule, but `fit` stops at its own dataset.
REASON = (
    "parameter_server is not offered: Keras 3's fit cannot be fed under ParameterServerStrategy, and workers that "
    "update the weights without waiting for each other give another result each time, which no seed repeats and no "
    "resume continues. Take hardware=mirrored for one machine, hardware=multi_worker for several."
)


def parameter_server() -> None:
    """Refuse.

    Raises:
        UserError: always.
    """
    raise UserError(Problem("hardware", REASON))
