"""Trials that share a compiled program come to the bits of trials that do not; whatever is in the program is not shared."""

from __future__ import annotations

import pytest

import trainrun
from trainrun.trainer import program_cache

QUIET = ["tracking=none", "artifacts.plots=false", "artifacts.report=false", "artifacts.model=false", "data=digits",
         "trainer.epochs=2", "trainer.limit=150"]  # fmt: skip
POINTS = [["seed=1"], ["seed=2", "optimizer.learning_rate=0.003"], ["seed=1", "trainer.epochs=3"]]


@pytest.fixture
def sharing():
    """Share programs, and forget them afterwards."""
    program_cache.activate()
    program_cache.shared = 0
    yield
    program_cache.activate(False)


def outcomes(settings, points):
    """Return what each point comes to: weights, metrics, history."""
    found = []
    for point in points:
        result = trainrun.run([*QUIET, *settings, *point])
        found.append((result.summary["weights_sha256"], result.metrics, result.history))
    return found


@pytest.mark.parametrize(
    "settings",
    [
        ["model.dropout=0.3", "model.batch_norm=true", "model.regularizer={name: l2, l2: 0.01}", "metric=[accuracy,auc]"],
        ["trainer=custom", "optimizer=lookahead", "model.dropout=0.2"],
        ["model=cnn", "model.filters=[4]", "trainer=custom", "optimizer=adam", "optimizer.use_ema=true"],
        ["optimizer=schedule_free_adamw", "hardware.precision=mixed_float16", "trainer.class_weight=balanced"],
        ["optimizer=sgd", "schedule=cosine", "callback=early_stopping"],
    ],
    ids=lambda settings: "-".join(s.partition("=")[2] for s in settings)[:50],
)  # fmt: skip
def test_a_shared_program_gives_the_same_bits(inside, settings, sharing):
    points = POINTS if "model.batch_norm=true" in settings else POINTS[:2]
    if "schedule=cosine" in settings:  # its rates are in the program
        points = [["seed=1"], ["seed=2"]]
    program_cache.activate(False)
    alone = outcomes(settings, points)
    program_cache.activate()
    together = outcomes(settings, points)
    assert program_cache.shared == len(points) - 1
    assert together == alone
    assert len({sha for sha, _, _ in alone}) == len(points)


def test_what_is_in_the_program_is_not_shared(inside, sharing):
    """Each differs in one thing from the one before it, whose program would be taken."""
    changes = ["loss.gamma=1.0", "loss.gamma=2.0", "model.dropout=0.2", "optimizer.beta_1=0.8", "trainer.class_weight=balanced",
               "model.activation=tanh", "schedule=cosine", "trainer.epochs=2"]  # fmt: skip
    settings = [
        "data=iris",
        "trainer.epochs=1",
        "loss=focal",
        "metric=none",
        "model.units=[8]",
        "model.dropout=0.1",
    ]
    points = [changes[: i + 1] for i in range(len(changes))]
    program_cache.activate(False)
    alone = outcomes(settings, points)
    program_cache.activate()
    assert outcomes(settings, points) == alone
    assert program_cache.shared == 0


def test_a_real_target_has_its_unit_in_the_program(inside, sharing):
    settings = ["data=diabetes", "model=mlp"]
    points = [["seed=1"], ["seed=2"]]  # another split: another mean
    program_cache.activate(False)
    alone = outcomes(settings, points)
    program_cache.activate()
    assert outcomes(settings, points) == alone


def test_numbers_drawn_by_a_kernel_are_not_shared(inside, sharing):
    (inside / "noisy.py").write_text(
        "import trainrun\n"
        "@trainrun.register('model', 'noisy')\n"
        "def noisy(inputs, target, head):\n"
        "    import keras, tensorflow as tf\n"
        "    class Noise(keras.layers.Layer):\n"
        "        def call(self, x, training=False):\n"
        "            return x + tf.random.normal(tf.shape(x)) if training else x\n"
        "    x = keras.Input(inputs[0].shape)\n"
        "    y = keras.layers.Dense(target.outputs)(Noise()(keras.layers.Flatten()(x)))\n"
        "    return keras.Model(x, y)\n"
    )
    outcomes(["plugins=[./noisy.py]", "model=noisy"], POINTS[:2])
    assert program_cache.shared == 0
