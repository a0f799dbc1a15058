"""What every optimizer of ours must do with the arguments that all optimizers share."""

from __future__ import annotations

import copy
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import trainrun

RANDOM = np.random.RandomState(21)
KERNEL, TABLE = RANDOM.randn(3, 2), RANDOM.randn(5, 2)
KERNEL_GRADIENTS = RANDOM.randn(6, 3, 2)
ROWS, ROW_GRADIENTS = [2, 4, 2], RANDOM.randn(6, 3, 2)
# Name and arguments, short enough that each of them synchronizes or switches within six steps.
OURS = {
    "radam": {},
    "lookahead": {"inner": "sgdm", "sync_period": 2},
    "ranger": {"sync_period": 2},
    "lazy_adam": {},
    "adam_then_sgd": {"switch_at": 3},
    "schedule_free_adamw": {},
}
ours = pytest.mark.parametrize("name", OURS)


def build(name, **arguments):
    return trainrun.build("optimizer", name, **{"learning_rate": 0.02, **OURS[name], **arguments})


def dense(step, scale=1.0):
    table = np.zeros((5, 2))
    np.add.at(table, ROWS, ROW_GRADIENTS[step])
    return [scale * KERNEL_GRADIENTS[step], scale * table]


def train(optimizer, gradients, sparse=False, wrap=lambda function: function, each=lambda step: None):
    """Apply gradients (a list of pairs) and return the weights after each step."""
    variables = [keras.Variable(KERNEL.astype("float32")), keras.Variable(TABLE.astype("float32"))]
    optimizer.build(variables)

    def apply(kernel, rows, table):
        if sparse:
            table = tf.IndexedSlices(tf.gather(table, rows), rows, tf.constant([5, 2], tf.int64))
        optimizer.apply([kernel, table], variables)

    apply = wrap(apply)
    seen = []
    for step, (kernel, table) in enumerate(gradients):
        each(step)
        apply(tf.constant(kernel, tf.float32), tf.constant([2, 4], tf.int64), tf.constant(table, tf.float32))
        seen.append(np.concatenate([v.numpy().ravel() for v in variables]))
    return np.array(seen)


PLAIN = [dense(step) for step in range(6)]


@functools.cache
def plainly(name, sparse=False):
    """The path without any of the arguments, which most tests compare with; its first steps are those of a shorter one."""
    path = train(build(name), PLAIN, sparse)
    path.setflags(write=False)
    return path


def assert_close(left, right):
    np.testing.assert_allclose(left, right, rtol=3e-5, atol=3e-6)


@ours
@pytest.mark.parametrize("jit", [False, True], ids=["graph", "xla"])
def test_graph_and_xla_give_what_eager_gives(name, jit):
    # Of both kinds in one function: the kernel's gradient is dense, the table's sparse.
    compiled = train(build(name), PLAIN, True, wrap=lambda f: tf.function(f, jit_compile=jit))
    assert_close(compiled, plainly(name, True))


@ours
@pytest.mark.parametrize(
    ("argument", "sparse"),
    # With a sparse gradient among them the norms go a way of their own; without, Keras' own.
    [("clipnorm", False), ("clipnorm", True), ("clipvalue", True), ("global_clipnorm", True)],
)
def test_clipping_is_that_of_the_summed_gradients(name, argument, sparse):
    limit = 0.3

    def clipped(pair):
        if argument == "clipvalue":
            return [g.clip(-limit, limit) for g in pair]
        norms = [np.linalg.norm(g) for g in pair]
        norms = [np.hypot(*norms)] * 2 if argument == "global_clipnorm" else norms
        return [g * min(1.0, limit / n) for g, n in zip(pair, norms, strict=True)]

    weights = train(build(name, **{argument: limit}), PLAIN, sparse)
    assert_close(weights, train(build(name), [clipped(pair) for pair in PLAIN], sparse))


@ours
def test_weight_decay_takes_its_share_before_the_step(name):
    step = plainly(name)[:1] - np.concatenate([KERNEL.ravel(), TABLE.ravel()])
    decayed = np.concatenate([KERNEL.ravel(), TABLE.ravel()]) * (1 - 0.02 * 0.5)
    assert_close(train(build(name, weight_decay=0.5), PLAIN[:1]), decayed + step)


@ours
def test_ema_averages_the_weights_and_replaces_them_at_the_end(name):
    optimizer = build(name, use_ema=True, ema_momentum=0.7)
    path = train(optimizer, PLAIN)
    assert_close(path, plainly(name))
    average = path[0]
    for weights in path[1:]:
        average = 0.7 * average + 0.3 * weights
    variables = optimizer._trainable_variables
    optimizer.finalize_variable_values(variables)
    assert_close(np.concatenate([v.numpy().ravel() for v in variables]), average)


@ours
def test_ema_overwrites_the_weights_at_its_frequency(name):
    path = train(build(name, use_ema=True, ema_momentum=0.7, ema_overwrite_frequency=2), PLAIN[:2])
    free = plainly(name)[:2]
    assert_close(path[0], free[0])
    assert_close(path[1], 0.7 * free[0] + 0.3 * free[1])


@ours
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_loss_scale_factor_is_taken_off_again(name, sparse):
    scaled = [[8 * g for g in pair] for pair in PLAIN]
    assert_close(train(build(name, loss_scale_factor=8.0), scaled, sparse), plainly(name, sparse))


@ours
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_accumulated_gradients_make_one_update_of_their_mean(name, sparse):
    # A switch counts batches, an update is every second one.
    arguments = {"switch_at": 4} if name == "adam_then_sgd" else {}
    accumulated = train(build(name, gradient_accumulation_steps=2, **arguments), PLAIN, sparse)[1::2]
    means = [[(a + b) / 2 for a, b in zip(PLAIN[i], PLAIN[i + 1], strict=True)] for i in (0, 2, 4)]
    arguments = {"switch_at": 2} if name == "adam_then_sgd" else {}
    assert_close(accumulated, train(build(name, **arguments), means, sparse))


@ours
def test_a_schedule_is_the_rate_of_each_step(name):
    rates = [0.05, 0.03, 0.03, 0.01, 0.01, 0.01]
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([0, 2], [0.05, 0.03, 0.01])
    scheduled = build(name, learning_rate=schedule)
    seen = []
    path = train(scheduled, PLAIN, each=lambda step: seen.append(float(scheduled.learning_rate)))
    np.testing.assert_allclose(seen, rates)
    by_hand = build(name)
    # At the switch the second optimizer gets its rate before its first step.
    inners = [by_hand.first, by_hand.second] if name == "adam_then_sgd" else [by_hand]

    def set_rate(step):
        for optimizer in inners:
            optimizer.learning_rate = rates[step]

    assert_close(path, train(by_hand, PLAIN, each=set_rate))


@ours
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_loss_scaling_unscales_and_skips_what_is_not_finite(name, sparse):
    scaled = keras.optimizers.LossScaleOptimizer(build(name), initial_scale=16.0)
    gradients = [[16 * g for g in pair] for pair in PLAIN[:3]]
    broken = [np.full_like(g, np.inf) for g in PLAIN[0]]
    path = train(scaled, [*gradients, broken], sparse, wrap=tf.function)
    assert_close(path[:3], plainly(name, sparse)[:3])
    np.testing.assert_array_equal(path[3], path[2])
    assert int(scaled.inner_optimizer._iterations) == 3
    assert float(scaled.dynamic_scale) == 8.0


@ours
@pytest.mark.parametrize("schedule", [False, True], ids=["float", "schedule"])
def test_the_config_rebuilds_it(name, schedule):
    rate = keras.optimizers.schedules.CosineDecay(0.1, 10) if schedule else 0.07
    optimizer = build(name, learning_rate=rate, clipnorm=0.5, weight_decay=0.01, use_ema=True)
    config = keras.optimizers.serialize(optimizer)
    again = keras.optimizers.deserialize(copy.deepcopy(config))  # it writes into what it is given
    assert type(again) is type(optimizer)
    assert keras.optimizers.serialize(again) == config
    np.testing.assert_array_equal(train(again, PLAIN), train(optimizer, PLAIN))


@ours
def test_set_weights_restores_the_whole_state(name):
    optimizer, other = build(name), build(name)
    train(optimizer, PLAIN)
    train(other, PLAIN[:1])
    other.set_weights([v.numpy() for v in optimizer.variables])
    assert len(other.variables) == len(optimizer.variables) > 3
    for left, right in zip(other.variables, optimizer.variables, strict=True):
        np.testing.assert_array_equal(left.numpy(), right.numpy())


@ours
def test_saves_and_loads_with_its_model(name, tmp_path, seeded):
    x, y = RANDOM.randint(0, 7, (8, 3)), RANDOM.randn(8, 1)
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Embedding(7, 2), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    model.compile(build(name), "mse", run_eagerly=True)  # as a function and under XLA: above
    fit = {"batch_size": 2, "shuffle": False, "verbose": 0}
    model.fit(x, y, **fit)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for left, right in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(left.numpy(), right.numpy())
    for each in (model, loaded):
        each.fit(x, y, **fit)
    for left, right in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
