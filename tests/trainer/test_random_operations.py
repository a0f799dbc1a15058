"""The table of random operations against TensorFlow's own list of operations."""

from __future__ import annotations

from tensorflow.core.framework import op_def_pb2
from tensorflow.python.client import pywrap_tf_session

from trainrun.trainer.random_operations import RANDOM_OPERATIONS

# Stateful, with a seed, and no part of a training step that draws: recurrent kernels use it for a dropout that Keras never
# asks of them; queues belong to input pipelines of TensorFlow 1.
DRAWS_NOTHING = ("CudnnRNN", "RandomShuffleQueue")


def test_every_stateful_operation_with_a_seed_is_in_the_table():
    buffer = pywrap_tf_session.TF_GetAllOpList()
    operations = op_def_pb2.OpList.FromString(pywrap_tf_session.TF_GetBuffer(buffer)).op
    seeded = {o.name for o in operations if o.is_stateful and any(a.name == "seed" for a in o.attr)}
    assert {name for name in seeded if not name.startswith(DRAWS_NOTHING)} == RANDOM_OPERATIONS
