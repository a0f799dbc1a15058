"""A TPU, in a cloud or attached to the machine."""

from __future__ import annotations

import tensorflow as tf

from trainrun.errors import Problem, UserError
from trainrun.hardware import _settings as settings
from trainrun.util.arguments import Count, Precision
from trainrun.util.declarations import declare


@declare(several_devices=True)
def tpu(
    address: str | None = None,
    precision: Precision = "float32",
    deterministic: bool = False,
    threads: Count | None = None,
) -> tf.distribute.Strategy:
    """Connect to a TPU and set it up.

    Args:
        address: its name or `grpc://` address; ``local`` for one attached to this machine; None: from the
            environment (TPU_NAME, KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS).
        precision: Keras' dtype policy; TPUs are built for ``mixed_bfloat16``.
        deterministic: every run of a config gives the same bits.
        threads: of the host's CPU; None: TensorFlow's default, one per core.

    Returns:
        A `TPUStrategy`.

    Raises:
        UserError: there is no TPU.
    """
    settings.threads(threads)
    settings.numbers(precision, deterministic, tf32=True)
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=address or "")
        if address != "local":
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, RuntimeError, OSError, tf.errors.OpError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise UserError(
            Problem(
                "hardware",
                f"no TPU can be reached ({reason}); TensorFlow finds {settings.all_devices()}. "
                "Set hardware.address or TPU_NAME, or take hardware=auto.",
            )
        ) from error
    strategy = tf.distribute.TPUStrategy(resolver)
    settings.announce(f"TPU ({strategy.num_replicas_in_sync} replicas)", precision, deterministic)
    return strategy
