"""One config and one seed: the three trainers give the same losses, metrics and weights."""

from __future__ import annotations

import numpy as np
import pytest

from trainrun.registry import option_files

from .conftest import TRAINERS

SMALL = ["data=iris", "model=mlp", "model.units=[6]", "trainer.limit=70", "trainer.batch_size=16"]
# One layer, without validation and metrics: less to compile, and the optimizers have a matrix and a vector all the same.
BARE = ["data=iris", "model=linear", *SMALL[3:], "data.validation=0", "metric=none"]
OPTIMIZERS = [o.name for o in option_files.options("optimizer").values() if not o.alias_of]
MODELS = {
    "mlp with penalty, dropout and class weights": [
        "data=digits", "model=mlp", "model.dropout=0.3", "model.regularizer={name: l2, l2: 0.01}", "trainer.class_weight=balanced",
    ],
    "cnn with dropout and batch norm": ["data=digits", "model=cnn", "model.filters=[4]", "model.dropout=0.3", "model.batch_norm=true"],
    "sparse_mlp, loss scaling, two phases, a shorter epoch, balanced classes": [
        "data=digits", "model=sparse_mlp", "optimizer=adam_then_sgd", "optimizer.switch_at=5", "optimizer.loss_scale_factor=64",
        "trainer.steps_per_epoch=2", "trainer.resample=oversample",
    ],
    "augmented: flips, mixed labels and weights": [
        "data=digits", "model=cnn", "model.filters=[4]", "augment=[random_flip,mixup]", "trainer.class_weight=balanced",
    ],
    "unet_small": ["experiment=segmentation_iou", "model.filters=[4,8]", "data.size=16", "trainer.limit=40"],
    "a real target, averaged weights, a schedule, validation every other epoch": [
        "data=diabetes", "model=mlp", "metric=[mae,r2]", "optimizer.use_ema=true", "optimizer.ema_momentum=0.8",
        "schedule=cosine_decay", "trainer.validation_freq=2",
    ],
    "a batch-wise metric, gradient accumulation, clipping, the data's own order": [
        "data=breast_cancer", "model=mlp", "metric=[ks,ks_batch,auc]", "optimizer=sgd", "optimizer.gradient_accumulation_steps=2",
        "optimizer.global_clipnorm=0.1", "trainer.shuffle=false",
    ],
}  # fmt: skip


def agree(results, rtol=1e-5):
    first = results[0]
    for other in results[1:]:
        assert list(other.history) == list(first.history)
        for name, values in first.history.items():
            np.testing.assert_allclose(other.history[name], values, rtol=rtol, atol=1e-7, err_msg=name)
        for got, expected in zip(other.weights, first.weights, strict=True):
            np.testing.assert_allclose(got, expected, rtol=rtol, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_every_kind_of_model_and_every_setting_of_the_loop(name, train, deterministic):
    settings = ["trainer.limit=70", "trainer.epochs=5", *MODELS[name]]
    results = [train(t, *settings) for t in TRAINERS]
    agree(results)
    assert len(results[0].history["loss"]) == 5


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer(optimizer, train, deterministic):
    needs = (
        ["optimizer.map={.*bias: {name: sgd, learning_rate: 0.01}, .*: adam}"] if optimizer == "multi" else []
    )
    agree([train(t, *BARE, f"optimizer={optimizer}", *needs, "trainer.epochs=5") for t in TRAINERS])


def test_mixed_precision_with_loss_scaling(train, deterministic):
    import keras

    results = []
    for trainer in TRAINERS:
        keras.config.set_dtype_policy("mixed_float16")
        try:
            results.append(train(trainer, *SMALL, "trainer.epochs=3"))
        finally:
            keras.config.set_dtype_policy("float32")
    assert type(results[0].job.model.optimizer).__name__ == "LossScaleOptimizer"
    agree(results, rtol=2e-3)  # half precision: ten bits


def test_plain_keras_on_the_same_batches_gives_the_same(train, deterministic):
    """The reference from outside: a script's `train_step` by hand, over the batches of `epoch_order`."""
    import keras

    from trainrun.data._order import epoch_order

    ours = train("custom", *SMALL, "metric=accuracy", "optimizer=sgd", "trainer.epochs=2")
    split, kept = ours.job.train, {}

    def keep(job):
        kept["model"] = keras.models.clone_model(job.model)
        kept["model"].set_weights(job.model.get_weights())

    train("custom", *SMALL, "metric=accuracy", "optimizer=sgd", "trainer.epochs=1", change=keep)
    model = kept["model"]
    model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy", jit_compile=False)
    for epoch in range(2):
        order = epoch_order(42, epoch, len(split))
        model.fit(split.x[order], split.y[order], batch_size=16, shuffle=False, verbose=0)
    for got, expected in zip(ours.weights, model.get_weights(), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def two_targets(tmp_path_factory):
    """The overrides of a table with a class and a number to predict; 70 training rows make a smaller last batch."""
    random = np.random.default_rng(3)
    age, visits = random.normal(40, 10, 100), random.integers(0, 60, 100)
    churn = np.where(random.random(100) < 1 / (1 + np.exp((50 - age) / 10)), "yes", "no")
    rows = [f"{a:.3f},{v},{c},{100 + 3 * v + a:.2f}" for a, v, c in zip(age, visits, churn, strict=True)]
    path = tmp_path_factory.mktemp("two") / "customers.csv"
    path.write_text("\n".join(["age,visits,churn,spend", *rows]), encoding="utf-8")
    return ["data=csv", f"data.path={path}", "data.target=[churn,spend]", "data.validation=0.1", "data.test=0.2", "model.units=[6]",
            "loss={churn: focal, spend: huber}", "metric={churn: [auc, ks], spend: [mae]}", "loss_weights={churn: 1, spend: 0.2}",
            "trainer.epochs=3", "trainer.batch_size=16"]  # fmt: skip


def test_several_outputs_train_alike_and_as_plain_keras_does(two_targets, train, deterministic):
    """The reference from outside: the same functional model, compiled with dicts, over the batches of `epoch_order`."""
    import keras

    from trainrun.data._order import epoch_order

    results, kept = [], {}

    def keep(job):
        kept["model"] = keras.models.clone_model(job.model)
        kept["model"].set_weights(job.model.get_weights())

    results = [train(t, *two_targets, change=keep) for t in TRAINERS]
    agree([*results, train("custom", *two_targets, "trainer.accumulate=3")])
    history, model = results[0].history, kept["model"]
    for split in ("", "val_"):
        terms = np.array(history[f"{split}churn_loss"]) + 0.2 * np.array(history[f"{split}spend_loss"])
        np.testing.assert_allclose(history[f"{split}loss"], terms, rtol=1e-5)
    assert {"churn_auc", "churn_ks", "spend_mean_absolute_error"} < set(history)

    data = results[0].job.dataset
    scale = data.preprocessing["outputs"]["spend"]["standardize_target"]
    y = {
        "churn": data.train.y["churn"][:, None].astype("float32"),
        "spend": ((data.train.y["spend"] - scale["mean"]) / scale["std"]).astype("float32"),
    }
    focal = keras.losses.BinaryFocalCrossentropy(apply_class_balancing=True, alpha=0.75, gamma=2.0)
    model.compile(
        keras.optimizers.Adam(1e-3),
        loss={"churn": focal, "spend": keras.losses.Huber()},
        loss_weights={"churn": 1.0, "spend": 0.2},
        jit_compile=False,
    )
    for epoch in range(3):
        order = epoch_order(42, epoch, len(data.train))
        batches = {name: labels[order] for name, labels in y.items()}
        model.fit(data.train.x[order], batches, batch_size=16, shuffle=False, verbose=0)
    for got, expected in zip(results[0].weights, model.get_weights(), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
