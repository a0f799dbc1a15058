"""Several processes, on one machine or on many: each has the whole model and a share of every batch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Annotated, Literal

import tensorflow as tf

from trainrun.compat import tensorflow_private
from trainrun.errors import Problem, TrainingError, UserError
from trainrun.hardware import _settings as settings
from trainrun.hardware._cluster import FIRST_PORT, Cluster, cluster
from trainrun.util.arguments import Count, Index, Precision, Range
from trainrun.util.declarations import declare


@declare(several_devices=True, several_processes=True, compiles_steps=False)
def multi_worker(
    workers: Sequence[str] | None = None,
    index: Index | None = None,
    port: Annotated[int, Range(1, 65535)] = FIRST_PORT,
    timeout: Annotated[int, Range(5)] = 120,
    silence: Annotated[int, Range(5)] = 10,
    communication: Literal["auto", "ring", "nccl"] = "auto",
    memory_growth: bool = True,
    memory_limit: Count | None = None,
    precision: Precision = "float32",
    deterministic: bool = False,
    threads: Count | None = None,
    tf32: bool = True,
) -> tf.distribute.Strategy:
    """Join the other workers.

    Args:
        workers: `host:port` of each, the chief's first; None: those of TF_CONFIG or Slurm.
        index: of this process among them.
        port: of the first worker on each node, under Slurm.
        timeout: seconds to wait for the other workers at the start.
        silence: seconds without a heartbeat after which a worker counts as lost, and the others stop.
        communication: ``auto``, ``ring`` (works everywhere) or ``nccl`` (GPUs).
        memory_growth: allocate memory as needed; False: all of it at once.
        memory_limit: MB to allocate on each GPU, at once; None: no limit.
        precision: Keras' dtype policy (``float32``, ``mixed_float16``, …).
        deterministic: the same bits on every run of the same config on the same machines.
        threads: of the CPU; None: TensorFlow's default, one per core.
        tf32: multiply float32 matrices with 10 bits of mantissa, if the GPU supports it.

    Returns:
        A `MultiWorkerMirroredStrategy`.

    Raises:
        UserError: the addresses are wrong, or TensorFlow is initialized in this process already.
        TrainingError: the other workers did not connect in time.
    """
    group = cluster(workers, index, os.environ, port)
    gpus = settings.physical_gpus()
    settings.memory(gpus, memory_growth, memory_limit)
    settings.threads(threads)
    settings.numbers(precision, deterministic, tf32)
    settings.announce(
        f"worker {group.index + 1} of {len(group.workers)} ({group.source}), "
        + (", ".join(settings.described(g) for g in gpus) or "CPU"),
        precision,
        deterministic,
    )
    if tensorflow_private.has_begun():
        raise UserError(Problem("hardware", settings.TOO_LATE))
    tensorflow_private.configure_coordination(len(group.workers), timeout, silence)
    implementation = getattr(tf.distribute.experimental.CommunicationImplementation, communication.upper())
    # The strategy would read the variable itself, and treat a chief differently.
    saved = os.environ.pop("TF_CONFIG", None)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(
            _resolver(group),
            tf.distribute.experimental.CommunicationOptions(implementation=implementation),
        )
    except (tf.errors.OpError, RuntimeError) as error:
        raise TrainingError(
            f"the workers did not connect within {timeout} s: {', '.join(group.workers)}. "
            f"Is trainrun running for each of them, and each address free and reachable? ({str(error).splitlines()[0]})"
        ) from error
    finally:
        if saved is not None:
            os.environ["TF_CONFIG"] = saved


def _resolver(group: Cluster) -> tf.distribute.cluster_resolver.ClusterResolver:
    return tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(group.workers)}),
        task_type="worker",
        task_id=group.index,
        rpc_layer="grpc",
    )
