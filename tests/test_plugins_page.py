"""docs/plugins.md: a component of each kind trains, and each wrong line of its table gets the message that stands beside it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import trainrun
from trainrun.errors import TrainingError, UserError
from trainrun.registry import lookup

PAGE = (Path(__file__).parent.parent / "docs" / "plugins.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, re.S))
QUIET = [
    "tracking=none",
    "artifacts.plots=false",
    "artifacts.report=false",
    "artifacts.model=weights",
    "trainer.epochs=1",
]
WAVES = ["data=python", "data.function={name: waves, n: 60}"]
LAYERS = ["model=layers", "model.layers=[{name: squared},{name: Dense,units: 2}]"]
# Group -> the line as it should be, and a config that uses it; the page has the line that goes wrong.
RIGHT = {
    "loss": ("return ops.mean(ops.log(ops.cosh((y_true - y_pred) / scale)), axis=-1)", ["loss=log_cosh_mean"]),
    "metric": ("self.correct.assign_add(ops.sum(correct * weight))", ["data=iris", "metric=my_accuracy"]),
    "optimizer": ("def update_step(self, gradient, variable, learning_rate):", ["optimizer=sign_sgd"]),
    "schedule": ("return self.initial_learning_rate * 0.5 ** ops.floor(step / self.steps)", ["schedule=halving"]),
    "callback": ("def on_epoch_end(self, epoch, logs):", ["callback=gap"]),
    "layer": ("class Squared(layers.Layer):", [*LAYERS, "artifacts.model=true"]),
    "initializer": ('return {"stddev": self.stddev, "seed": self.seed}', ["model.initializer=tiny"]),
    "regularizer": ("return self.strength * ops.sum(ops.tanh(weights**2))", ["model.regularizer=bounded"]),
    "constraint": ("return ops.clip(weights, -self.limit, self.limit)", ["model.constraint=clipped"]),
    "augment": ("tf.random.stateless_normal(tf.shape(x), seed)", ["augment=scaled"]),
    "model": ("layers.Dense(target.outputs, activation=head)", ["model=two_towers"]),
    "data": ("return x, np.sin(x.sum(axis=1)) + random.normal(size=n) * noise", []),
    "step": ("return loss, y_pred", ["data=iris", "trainer=custom", "trainer.step=gradient_penalty"]),
    "trainer": ("return fitted.history", ["trainer=one_by_one"]),
    "hardware": ("return tf.distribute.get_strategy()", ["hardware=single_precision"]),
}  # fmt: skip
ROWS = re.findall(
    r"^\| `(\w+)` \| `([^\n]*?)` \| (.*?) \|$", PAGE.partition("## The line that goes wrong")[2], re.M
)


def run(folder, overrides, **changed):
    """Train with the page's files, of which lines may be changed."""
    for name, code in FILES.items():
        for old, new in changed.values():
            code = code.replace(old, new)
        (folder / name).write_text(code)
    for name in [n for n in sys.modules if n.startswith("trainrun_plugin_")]:
        del sys.modules[name]
    plugins = f"plugins=[{','.join(f'./{name}' for name in FILES)}]"
    with lookup.isolated():
        return trainrun.run([*(WAVES if "data=iris" not in overrides else ()), *QUIET, plugins, *overrides])


def test_a_component_of_each_kind_trains(inside):
    settings = [
        "loss=log_cosh_mean",
        "optimizer=sign_sgd",
        "schedule=halving",
        "callback=gap",
        "augment=scaled",
    ]
    parts = [
        "model.initializer=tiny",
        "model.regularizer=bounded",
        "model.constraint={name: clipped, limit: 0.001}",
    ]
    result = run(inside, [*settings, *parts, "hardware=single_precision", "optimizer.learning_rate=0.01"])
    assert result.history["gap"][0] == pytest.approx(
        result.history["val_loss"][0] - result.history["loss"][0]
    )
    assert max(abs(w.numpy()).max() for w in result.model.weights if w.path.endswith("kernel")) <= 0.00101
    assert run(inside, [*LAYERS, "trainer=one_by_one"]).model.get_layer("dense").kernel.shape == (6, 2)
    assert run(inside, ["model=two_towers", "model.width=5"]).model.count_params() == 2 * (3 * 5 + 5) + 11


def test_the_table_has_each_kind():
    assert [group for group, _, _ in ROWS] == list(RIGHT)


@pytest.mark.parametrize(("group", "wrong", "message"), ROWS, ids=[group for group, _, _ in ROWS])
def test_the_wrong_line_gets_the_message(inside, group, wrong, message):
    right, overrides = RIGHT[group]
    assert sum(right in code for code in FILES.values()) == 1
    with pytest.raises((UserError, TrainingError)) as caught:
        run(inside, overrides, line=(right, wrong.replace("⏎", "\n")))
    start, _, end = message.partition("…")
    assert start in str(caught.value) and end in str(caught.value)
