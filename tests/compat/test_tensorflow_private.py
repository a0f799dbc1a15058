"""TensorFlow's process-wide state is where `trainrun.compat.tensorflow_private` looks for it."""

from __future__ import annotations

import inspect
import json
import random
import subprocess
import sys

import pytest
import tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.python.ops import stateful_random_ops

from trainrun.compat import tensorflow_private as private


def test_the_runtime_begins_with_its_first_operation():
    code = (
        "import json, tensorflow as tf\n"
        "from trainrun.compat import tensorflow_private as p\n"
        "before = p.has_begun(); tf.constant(1); print(json.dumps([before, p.has_begun()]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [False, True]


def test_coordination_takes_the_arguments_that_it_is_given(monkeypatch):
    own = type(context.context()).configure_coordination_service
    known = inspect.signature(own).parameters
    got = {}
    monkeypatch.setattr(
        type(context.context()), "configure_coordination_service", lambda self, *a, **k: got.update(k)
    )
    private.configure_coordination(3, 120, 10)
    assert set(got) <= set(known)
    assert got["cluster_register_timeout_in_ms"] == 120_000
    assert got["heartbeat_timeout_in_ms"] == 10_000
    assert [(job.name, job.num_tasks) for job in got["coordinated_jobs"]] == [("worker", 3)]


def test_determinism_can_be_asked_for_and_undone():
    was = private.is_deterministic()
    try:
        tf.config.experimental.enable_op_determinism()
        assert private.is_deterministic()
        private.disable_determinism()
        assert not private.is_deterministic()
    finally:
        if was:
            tf.config.experimental.enable_op_determinism()


def test_operation_seeds_decide_what_operations_without_a_seed_draw():
    tf.random.set_seed(5)
    seeds = private.operation_seeds()
    assert isinstance(seeds, random.Random)
    state = seeds.getstate()
    first = tf.random.uniform((2,), seed=None).numpy().tolist()
    assert seeds.getstate() != state
    tf.random.set_seed(5)
    private.operation_seeds().setstate(state)
    assert tf.random.uniform((2,), seed=None).numpy().tolist() == first


def test_global_generator_is_looked_at_without_being_made(monkeypatch):
    monkeypatch.setattr(stateful_random_ops, "global_generator", None)
    assert private.global_generator() is None
    made = tf.random.get_global_generator()
    assert private.global_generator() is made


def test_setting_a_seed_drops_the_kernels_but_not_inside_keep_kernels(monkeypatch):
    calls = []
    monkeypatch.setattr(context.pywrap_tfe, "TFE_ContextClearCaches", lambda handle: calls.append(1))
    tf.random.set_seed(1)
    assert calls, "TensorFlow drops kernels by another function"
    calls.clear()
    with private.keep_kernels():
        tf.random.set_seed(2)
    assert not calls
    tf.random.set_seed(3)
    assert calls, "outside it is as it was"


def test_inner_graphs_of_branches_are_there():
    @tf.function(autograph=False)
    def outer(x):
        return tf.function(lambda v: tf.sin(v))(x)

    graph = outer.get_concrete_function(tf.constant(1.0)).graph
    graphs = [private.inner_graph(graph, f.signature.name) for f in graph.as_graph_def().library.function]
    kinds = {op.type for inner in graphs if inner is not None for op in inner.get_operations()}
    assert "Sin" in kinds
    assert private.inner_graph(graph, "no such function") is None


def test_no_branch_differs_by_replica_under_the_default_strategy():
    assert private.branches_may_differ_by_replica() in (True, False)


@pytest.mark.parametrize("devices", [["CPU:0"], None])
def test_merge_call_hands_over_the_strategy_and_the_arguments(devices):
    strategy = tf.distribute.get_strategy() if devices is None else tf.distribute.MirroredStrategy(devices)
    got = []

    def function(distribution, value):
        got.append((distribution is strategy or distribution.extended is strategy.extended, value))

    with strategy.scope():
        strategy.run(lambda: private.merge_call_if_needed(function, strategy, 7))
    assert [value for _, value in got] == [7]


def test_strategies_of_one_process_number_their_groups_of_devices_apart():
    bases = [private.mirrored_strategy(["CPU:0"]).extended._collective_key_base for _ in range(2)]
    own = inspect.signature(tf.distribute.MirroredStrategy.__init__).parameters
    assert bases[1] - bases[0] == private.GROUPS_PER_STRATEGY and "devices" in own
    # TensorFlow has one number for all strategies of a class.
    assert tf.distribute.MirroredStrategy._collective_key_base == 0
