"""`teacher`: distillation, held against plain Keras."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from hydra.types import RunMode
from keras import ops

import trainrun
from trainrun.errors import UserError
from trainrun.hydra_bridge import compose, compose_cache, preflight
from trainrun.loss._soft_targets import SoftTargets

ROWS, COLUMNS, BATCH, EPOCHS, ALPHA, T = 50, 6, 16, 3, 0.3, 2.5
QUIET = ["tracking=none", "artifacts.plots=false", "artifacts.report=false", "metric=none"]
TRAINED = [
    *QUIET,
    "data=npz",
    "data.path=data.npz",
    "data.validation=0",
    "data.test=0",
    "data.standardize=false",
    "model=file",
    "model.path=student.keras",
    "optimizer=adam",
    "optimizer.learning_rate=0.01",
    "artifacts.weights=last",
    "trainer.shuffle=false",
    f"trainer.epochs={EPOCHS}",
    f"trainer.batch_size={BATCH}",
    "teacher=teacher.keras",
    f"teacher_alpha={ALPHA}",
]


def network(units: int, outputs: int, activation: str | None) -> keras.Model:
    inside = keras.layers.Dense(units, activation="tanh")(given := keras.Input((COLUMNS,)))
    return keras.Model(given, keras.layers.Dense(outputs, activation=activation)(inside))


def saved(folder, kind):
    """Write data, teacher and student of a kind of target; return the examples and both models."""
    random = np.random.default_rng(3)
    x = random.normal(size=(ROWS, COLUMNS)).astype("float32")
    outputs = 4 if kind == "softmax" else 1
    score = x @ random.normal(size=(COLUMNS, outputs))
    y = {
        "softmax": score.argmax(1),
        "sigmoid": (score[:, 0] > 0).astype("int64"),
        "real": 40 + 5 * score[:, 0],
    }[kind]
    np.savez(folder / "data.npz", x=x, y=y)
    keras.utils.set_random_seed(5)
    activation = None if kind == "real" else kind
    teacher, student = network(16, outputs, activation), network(5, outputs, activation)
    # Sure of itself, so that the temperature matters.
    teacher.layers[-1].kernel.assign(teacher.layers[-1].kernel * 6)
    for model, name in ((teacher, "teacher"), (student, "student")):
        model.save(folder / f"{name}.keras")
    return x, y, teacher, student


class Distiller(keras.Model):
    """Keras' own way: https://keras.io/examples/vision/knowledge_distillation/, with the teacher called in each step."""

    def __init__(self, student, teacher, kind, scale):
        super().__init__()
        self.student, self.teacher, self.kind, self.scale = student, teacher, kind, scale

    def call(self, x):
        return self.student(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        taught = self.teacher(x, training=False)
        if self.kind == "real":
            mean, deviation = self.scale
            y, y_pred, taught = ((v - mean) / deviation for v in (y, y_pred, taught))
            return ALPHA * ops.mean((y - y_pred) ** 2) + (1 - ALPHA) * ops.mean((taught - y_pred) ** 2)
        hard = keras.losses.SparseCategoricalCrossentropy()
        if self.kind == "sigmoid":
            hard = keras.losses.BinaryCrossentropy()
            y, (soft, own) = (
                y[:, None],
                (
                    ops.softmax(ops.concatenate([ops.log(p), ops.log(1 - p)], axis=1) / T)
                    for p in (taught, y_pred)
                ),
            )
        else:
            soft, own = (ops.softmax(ops.log(p) / T) for p in (taught, y_pred))
        on_teacher = keras.losses.KLDivergence()(soft, own, sample_weight) * T**2
        return ALPHA * hard(y, y_pred, sample_weight) + (1 - ALPHA) * on_teacher


@pytest.mark.parametrize(
    ("kind", "trainers"),
    [
        (
            "softmax",
            [
                "trainer=fit",
                "trainer=train_on_batch trainer.run_eagerly=true",
                "trainer=custom trainer.accumulate=2",
            ],
        ),
        (
            "sigmoid",
            ["trainer=custom trainer.class_weight={0:1,1:3} callback=gradient_logger"],
        ),
        ("real", ["trainer=fit"]),
    ],
)
def test_a_student_is_that_of_plain_keras(tmp_path, monkeypatch, kind, trainers):
    monkeypatch.chdir(tmp_path)
    x, y, teacher, student = saved(tmp_path, kind)
    scale = (y.mean(), y.std()) if kind == "real" else None
    weight = np.where(y == 1, 3.0, 1.0).astype("float32") if kind == "sigmoid" else None
    plain = Distiller(student, teacher, kind, scale)
    teacher.trainable = False
    plain.compile(optimizer=keras.optimizers.Adam(0.01))
    target = y.astype("float32")[:, None] if kind == "real" else y
    history = plain.fit(x, target, BATCH, EPOCHS, shuffle=False, sample_weight=weight, verbose=0).history
    temperature = [] if kind == "real" else [f"teacher_temperature={T}"]
    for number, trainer in enumerate(trainers):
        result = trainrun.run([*TRAINED, *temperature, *trainer.split()], run_dir=f"run{number}")
        np.testing.assert_allclose(result.history["loss"], history["loss"], rtol=1e-5)
        ours = keras.saving.load_model(result.run_dir / "model.keras")
        for got, expected in zip(ours.weights, student.weights, strict=True):
            np.testing.assert_allclose(got, expected, atol=1e-5)
    if kind == "real":
        (tmp_path / "teacher.keras").write_bytes((tmp_path / "student.keras").read_bytes())
        with pytest.raises(UserError, match=r"teacher: teacher.keras has changed since the run began"):
            trainrun.resume("run0", [f"trainer.epochs={EPOCHS + 1}"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with data, a teacher and a student."""
    made = tmp_path_factory.mktemp("distilled")
    saved(made, "softmax")
    return made


def test_an_experiments_teacher_is_left_out_by_one_override(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "conf" / "experiment").mkdir(parents=True)
    preset = "# @package _global_\nteacher: teacher.keras\nteacher_alpha: 0.2\nteacher_temperature: 2\n"
    (folder / "conf" / "experiment" / "taught.yaml").write_text(preset)
    config, problems = preflight.overrides(["data=iris", "experiment=taught", "teacher=null"])
    assert problems == [] and config["teacher_alpha"] is None
    swept = ["data=iris", "experiment=taught", "teacher=null,teacher.keras", "teacher_alpha=0.5"]
    assert preflight.sweep(swept)[1] == []
    with compose.application() as hydra:
        loader = hydra.config_loader
        composer = compose_cache.Composer(
            loader, loader.load_configuration("config", swept, run_mode=RunMode.MULTIRUN)
        )
        alone, taught = (composer([*swept[:2], f"teacher={t}", swept[3]]) for t in ("null", "teacher.keras"))
    assert (alone.teacher_alpha, alone.teacher_temperature) == (None, None)
    assert (taught.teacher_alpha, taught.teacher_temperature) == (0.5, 2)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["teacher=null"], "teacher_alpha: it goes with teacher"),  # typed, as in TRAINED
        (["teacher=nowhere"], "teacher: no run 'nowhere'"),
        (["teacher=data.npz"], "teacher: expected a run, or a file ending in .keras, got data.npz"),
        (["teacher_alpha=1.5"], r"teacher_alpha: expected a number in \[0, 1\]"),
        (["teacher_temperature=0"], "teacher_temperature: expected a number above 0"),
        (["trainer=minimize"], "teacher: trainer=minimize takes no steps"),
        (["augment=gaussian_noise"], "teacher: its outputs are computed once, for the examples as they are"),
        (["loss=hinge"], "teacher: loss=Hinge reads scores"),
        (
            ["data=diabetes", "model=mlp", "teacher_temperature=2"],
            "teacher_temperature: it softens the probabilities",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_tensorflow(folder, monkeypatch, overrides, message):
    monkeypatch.chdir(folder)
    keep = TRAINED[: 3 if overrides[0] == "data=diabetes" else None]
    with pytest.raises(UserError, match=message):
        trainrun.compose([*QUIET, "teacher=teacher.keras", *keep[1:], *overrides])


def test_a_teacher_of_other_data_is_refused(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(
        UserError, match=r"teacher: teacher.keras takes numeric of shape \[6\]; the data has numeric \[4\]"
    ):
        trainrun.run([*QUIET, "data=iris", "model=mlp", "teacher=teacher.keras"])


def test_terms_are_those_of_the_paper():
    """Hinton et al. 2015, equation 2: at a high temperature the gradient is that of the logits' squared difference, divided by their number."""
    random = np.random.default_rng(0)
    teacher, student = random.normal(size=(2, 1, 5)).astype("float32")
    teacher, student = (v - v.mean() for v in (teacher, student))
    with tf.GradientTape() as tape:
        given = tf.Variable(student)
        loss = SoftTargets("softmax", 1e3)(teacher, given)
    np.testing.assert_allclose(tape.gradient(loss, given), (student - teacher) / 5, atol=2e-3)
