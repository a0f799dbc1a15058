"""Trials that share a compiled program come to the bits of trials that do not; whatever is in the program is not shared."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

import trainrun
from trainrun.config import plugins
from trainrun.run import builders, runner
from trainrun.run.context import RunContext, SharedCaches
from trainrun.trainer.epoch_loop import build
from trainrun.trainer.program_cache import ProgramCache

QUIET = ["tracking=none", "artifacts.plots=false", "artifacts.report=false", "artifacts.model=false", "data=digits",
         "trainer.epochs=2", "trainer.limit=150"]  # fmt: skip
POINTS = [["seed=1"], ["seed=2", "optimizer.learning_rate=0.003"], ["seed=1", "trainer.epochs=3"]]


def outcomes(inside, settings, points, caches=None):
    """Return what each point comes to: weights, metrics, history."""
    results = []
    for point in points:
        overrides = [*QUIET, *settings, *point]
        config = trainrun.compose(overrides)
        plugins.load(config["plugins"])
        run_dir = Path(tempfile.mkdtemp(dir=inside))
        result = runner.run(config, run_dir, overrides, context=RunContext(caches=caches))
        results.append((result.summary["weights_sha256"], result.metrics, result.history))
    return results


def both(inside, settings, points):
    """Return what the points come to alone, what they come to with shared programs, and how many programs were shared."""
    alone = outcomes(inside, settings, points)
    caches = SharedCaches.of_process(programs=True)
    return alone, outcomes(inside, settings, points, caches), caches.programs.reuses


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
def test_a_shared_program_gives_the_same_bits(inside, settings):
    points = POINTS if "model.batch_norm=true" in settings else POINTS[:2]
    if "schedule=cosine" in settings:  # its rates are in the program
        points = [["seed=1"], ["seed=2"]]
    alone, together, reuses = both(inside, settings, points)
    assert reuses == len(points) - 1
    assert together == alone
    assert len({sha for sha, _, _ in alone}) == len(points)


def test_what_is_in_the_program_is_not_shared():
    """Each differs in one thing from the one before it, whose program would be taken; the last differs in its seed only."""
    changes = ["loss.gamma=1.0", "loss.gamma=2.0", "model.dropout=0.2", "optimizer.beta_1=0.8", "trainer.class_weight=balanced",
               "model.activation=tanh", "schedule=cosine", "trainer.epochs=2", "seed=7"]  # fmt: skip
    settings = [
        "data=iris",
        "trainer.epochs=1",
        "loss=focal",
        "metric=none",
        "model.units=[8]",
        "model.dropout=0.1",
    ]
    programs, reuses = ProgramCache(), []
    for i in range(len(changes)):
        config = trainrun.compose([*QUIET, *settings, *changes[: i + 1]])
        build(programs.job(builders.job(config, builders.dataset(config), builders.strategy(config))))
        reuses.append(programs.reuses)
    assert reuses == [0] * (len(changes) - 1) + [1]


def test_xla_is_not_shared_by_epochs_of_another_length(inside, monkeypatch):
    """A call of more steps than the program has would be made by the kernels, and the clock decides how many steps a call has."""
    settings = ["data=iris", "model=linear", "metric=none", "trainer=custom", "trainer.jit_compile=true", "trainer.batch_size=16",
                "trainer.steps_per_execution=4"]  # fmt: skip
    points = [["trainer.steps_per_epoch=2"], ["trainer.steps_per_epoch=4"]]
    alone, together, _ = both(inside, settings, points)
    assert together == alone


def test_a_real_target_has_its_unit_in_the_program(inside):
    settings = ["data=diabetes", "model=mlp"]
    points = [["seed=1"], ["seed=2"]]  # another split: another mean
    alone, together, _ = both(inside, settings, points)
    assert together == alone


def test_numbers_drawn_by_a_kernel_are_not_shared(inside):
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
    caches = SharedCaches.of_process(programs=True)
    outcomes(inside, ["plugins=[./noisy.py]", "model=noisy"], POINTS[:2], caches)
    assert caches.programs.reuses == 0
