"""A model of vectors is evaluated as its run has measured it, also on classes that training lacks."""

from __future__ import annotations

import numpy as np
import pytest

import trainrun
from trainrun.errors import UserError
from trainrun.hydra_bridge import preflight
from trainrun.registry import lookup

SOURCE = """
import keras, numpy as np, trainrun
from keras import ops

@trainrun.register("data", "kinds")
def kinds():
    x = np.random.default_rng(0).normal(size=(40, 4)).astype("float32")
    return {"train": (x, np.arange(40) % 3), "validation": (x[:10], np.arange(10) % 3), "test": (x[:19], np.arange(19) % 5)}

@trainrun.register("model", "vectors", output="embedding")
def vectors(inputs, target, head):
    x = keras.Input((4,))
    return keras.Model(x, keras.layers.UnitNormalization()(keras.layers.Dense(7)(x)))

def pairs(y_true, y_pred):
    kinds = ops.reshape(y_true, (-1,))
    return ops.matmul(y_pred, ops.transpose(y_pred)), ops.cast(kinds[:, None] == kinds[None], "float32")

@trainrun.register("loss", "contrast", labels="ids", predictions="any", whole_batch=True)
def contrast(y_true, y_pred):
    similar, alike = pairs(y_true, y_pred)
    return -ops.mean(alike * ops.log_softmax(similar / 0.1))

@trainrun.register("metric", "near", labels="ids", predictions="any", direction="max")
def near(y_true, y_pred):
    similar, alike = pairs(y_true, y_pred)
    return ops.sum(similar * alike, axis=1) / ops.sum(alike, axis=1)
"""
RUN = ["plugins=[./vectors.py]", "data=python", "data.function=kinds", "model=vectors", "loss=contrast", "metric=near", "trainer.epochs=1",
       "trainer.batch_size=8", "tracking=none", "artifacts.plots=false", "artifacts.report=false", "optimizer.learning_rate=0.1"]  # fmt: skip


def test_its_batches_are_measured_as_the_run_did_with_unseen_classes(inside):
    (inside / "vectors.py").write_text(SOURCE)
    with lookup.isolated():
        run = trainrun.run(RUN)
        scores = run.evaluate()
        assert (scores.source, scores.rows, scores.resamples) == ("test", 19, 0)
        assert {name: score.value for name, score in scores.metrics.items()} == pytest.approx(
            {name: run.metrics[f"test_{name}"] for name in ("loss", "near")}, rel=1e-6
        )
        assert np.isnan(scores.metrics["loss"].low)
        with pytest.raises(UserError, match="they are measured on the run's own test part"):
            run.evaluate((np.zeros((3, 4)), np.zeros(3, int)))


def test_a_model_that_predicts_classes_still_refuses_unseen_ones(inside):
    rows = [
        f"{i % 7}.5,{kind},{part}"
        for part, kinds in (("train", "ab"), ("test", "abc"))
        for kind in kinds
        for i in range(9)
    ]
    (inside / "rows.csv").write_text("\n".join(["size,kind,part", *rows]) + "\n")
    (inside / "vectors.py").write_text(SOURCE)
    table = ["data=csv", "data.path=rows.csv", "data.target=kind", "data.part=part"]
    with lookup.isolated():
        of_vectors = preflight.overrides([*(s for s in RUN if not s.startswith("data")), *table])[1]
        assert not any("no training row has" in p.message for p in of_vectors), of_vectors
        of_classes = preflight.overrides(["data=csv", *table[1:]])[1]
    assert any("no training row has" in p.message for p in of_classes), of_classes
