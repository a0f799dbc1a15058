"""TensorFlow's process-wide state: the eager context, determinism, the global generator, merge calls of strategies.

Checked with TensorFlow 2.21.0. Without one of these names the caller raises ImportError or AttributeError, except where
a function says otherwise.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf

GROUPS_PER_STRATEGY = 1000  # numbers for the groups of devices of one strategy
_strategies = itertools.count()


def has_begun() -> bool:
    """Return whether TensorFlow's runtime has been initialized, after which devices and clusters cannot be set.

    For: refusing `hardware=multi_worker` with a message before TensorFlow does.
    Public API: none; each setter raises a RuntimeError of its own. Checked: TensorFlow 2.21.0. Missing: AttributeError.
    """
    from tensorflow.python.eager import context

    return context.context()._initialized


def configure_coordination(workers: int, start_timeout_s: int, heartbeat_timeout_s: int) -> None:
    """Bound the time that workers wait for one another, at the start and between signs of life.

    For: MultiWorkerMirroredStrategy would wait an hour at the start. Workers end by themselves, the chief last: there is no
    barrier at the end.
    Public API: `tf.config.experimental` has no such function in TensorFlow 2.21.
    Checked: TensorFlow 2.21.0. Missing: ImportError or AttributeError when `hardware=multi_worker` begins.

    Args:
        workers: their number; the first one leads.
        start_timeout_s: seconds to wait for all of them to register.
        heartbeat_timeout_s: seconds of silence after which a worker counts as dead.
    """
    from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2
    from tensorflow.python.eager import context

    context.context().configure_coordination_service(
        "standalone",
        service_leader="/job:worker/replica:0/task:0",
        cluster_register_timeout_in_ms=start_timeout_s * 1000,
        heartbeat_timeout_in_ms=heartbeat_timeout_s * 1000,
        shutdown_barrier_timeout_in_ms=0,
        coordinated_jobs=[coordination_config_pb2.CoordinatedJob(name="worker", num_tasks=workers)],
    )


def is_deterministic() -> bool:
    """Return whether operations are deterministic (`tf.config.experimental.enable_op_determinism`).

    For: runs of one process that differ in `hardware.deterministic`.
    Public API: it can be enabled, not queried. Checked: TensorFlow 2.21.0. Missing: ImportError.
    """
    from tensorflow.python.framework import config

    return config.is_op_determinism_enabled()


def disable_determinism() -> None:
    """Undo `tf.config.experimental.enable_op_determinism`.

    For, public API, checked, missing: see `is_deterministic`.
    """
    from tensorflow.python.framework import config

    config.disable_op_determinism()


def operation_seeds() -> Any:
    """Return the `random.Random` from which TensorFlow draws the seeds of operations that have none; None before a seed is set.

    For: its state belongs into every checkpoint.
    Public API: `tf.random.set_seed` makes a new one; nothing returns it.
    Checked: TensorFlow 2.21.0. Missing: None, and a resumed run draws other numbers in operations without a seed.
    """
    from tensorflow.python.eager import context

    return getattr(context.context(), "_rng", None)


def global_generator() -> Any:
    """Return TensorFlow's global `tf.random.Generator` if one has been made, else None.

    For: its state belongs into a checkpoint, if it is used at all.
    Public API: `tf.random.get_global_generator` makes one. Checked: TensorFlow 2.21.0. Missing: ImportError.
    """
    from tensorflow.python.ops import stateful_random_ops

    return stateful_random_ops.global_generator


@contextmanager
def keep_kernels() -> Iterator[None]:
    """Keep compiled kernels while a seed is set: TensorFlow drops all of them at that.

    For: trials that share a compiled program. A dropped program is prepared again at its next call, which is
    most of the time of a short trial. Use it only if no kernel keeps a random state of its own.
    Public API: none. Patch: `TFE_ContextClearCaches` does nothing inside the `with`; no other thread may set a seed then.
    Checked: TensorFlow 2.21.0. Missing: AttributeError when a sweep's second trial begins.
    """
    from tensorflow.python.eager import context

    runtime = context.pywrap_tfe
    clear = runtime.TFE_ContextClearCaches
    runtime.TFE_ContextClearCaches = lambda handle: None
    try:
        yield
    finally:
        runtime.TFE_ContextClearCaches = clear


def mirrored_strategy(devices: Sequence[str]) -> tf.distribute.MirroredStrategy:
    """Return a `MirroredStrategy` whose groups of devices have unique numbers.

    For: several runs of one process over different numbers of devices. TensorFlow numbers the groups of devices that reduce
    together, and a number stands for one group as long as the process lives.
    Public API: none sets the first number. Checked: TensorFlow 2.21.0. Missing: the second strategy of a process with another
    number of devices fails at its first reduction.

    Args:
        devices: names such as ``GPU:0``.
    """
    import tensorflow as tf

    class OwnGroups(tf.distribute.MirroredStrategy):
        def __init__(self) -> None:
            self._collective_key_base = GROUPS_PER_STRATEGY * next(_strategies)
            super().__init__(devices)

    return OwnGroups()


def inner_graph(graph: Any, name: str) -> Any:
    """Return the graph of a function that a graph calls, or None.

    For: finding operations with a hidden state inside branches and loops, with the user's line that made them.
    Public API: `as_graph_def` has the operations without their tracebacks.
    Checked: TensorFlow 2.21.0. Missing: None, and operations are reported without their line.

    Args:
        graph: of a concrete function.
        name: of the function, as in the graph's library.
    """
    return getattr(getattr(graph, "_functions", {}).get(name), "graph", None)


def branches_may_differ_by_replica() -> bool:
    """Return whether the strategy in scope lets each replica branch by itself (it does without `merge_call`).

    For: a `tf.cond` that holds an update of variables. Public API: `tf.__internal__` only, which Keras uses likewise.
    Checked: TensorFlow 2.21.0. Missing: AttributeError at the first step of `adam_then_sgd`.
    """
    import tensorflow as tf

    return tf.__internal__.distribute.strategy_supports_no_merge_call()


def merge_call_if_needed(function: Callable[..., Any], strategy: Any, *args: Any) -> Any:
    """Call a function of (strategy, *args) once for all replicas if the strategy requires that, else on each replica.

    For: updating variables from an optimizer's step. Public API: `tf.__internal__` only, which Keras uses likewise.
    Checked: TensorFlow 2.21.0. Missing: AttributeError at the first step of `lookahead`.
    """
    import tensorflow as tf

    return tf.__internal__.distribute.interim.maybe_merge_call(function, strategy, *args)


def scratch_graph() -> Any:
    """Return a graph of a function that is never called; variables that are created in it are kept.

    For: creating variables by code that is not to be executed. Public API: `tf.function`, whose trace takes three times as long.
    Checked: TensorFlow 2.21.0. Missing: AttributeError when training begins.
    """
    import tensorflow as tf

    return tf.__internal__.FuncGraph("scratch")
