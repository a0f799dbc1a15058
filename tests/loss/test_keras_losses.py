"""Every loss of Keras that a YAML names against a formula in numpy, built as a run builds it."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
import sklearn.metrics

import trainrun
from trainrun.registry import option_files

RNG = np.random.default_rng(0)
BATCH = 12
REAL = RNG.normal(size=(BATCH, 3)), RNG.normal(size=(BATCH, 3))
POSITIVE = RNG.uniform(0.5, 4, size=(BATCH, 3)), RNG.uniform(0.5, 4, size=(BATCH, 3))
BITS = RNG.integers(0, 2, size=(BATCH, 3)).astype(float), RNG.uniform(0.02, 0.98, size=(BATCH, 3))
SCORES = BITS[0], RNG.normal(size=(BATCH, 3)) * 2
IDS = RNG.integers(0, 4, size=BATCH)
LOGITS = RNG.normal(size=(BATCH, 4)) * 2
SOFTMAX = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
ONE_HOT = np.eye(4)[IDS]
UNIT = RNG.normal(size=(BATCH, 5))
UNIT /= np.linalg.norm(UNIT, axis=-1, keepdims=True)
FEW_IDS = np.arange(BATCH) % 3


def bce(y, p):
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


def signs(y):
    return 2 * y - 1


def picked(p, ids):
    return p[np.arange(len(ids)), ids]


def circle(ids, embedding, gamma=80.0, margin=0.4):
    """Sun et al. 2020, equation 6, with the similarity of an embedding to itself left out."""
    similarity = embedding @ embedding.T
    losses = []
    for i in range(len(ids)):
        alike = (ids == ids[i]) & (np.arange(len(ids)) != i)
        other = ids != ids[i]
        s_p, s_n = similarity[i, alike], similarity[i, other]
        positive = np.exp(-gamma * np.maximum(1 + margin - s_p, 0) * (s_p - (1 - margin))).sum()
        negative = np.exp(gamma * np.maximum(s_n + margin, 0) * (s_n - margin)).sum()
        losses.append(np.log1p(positive * negative))
    return np.array(losses)


def ctc(labels, logits):
    """Minus the log of the summed probability of all paths that collapse to the label; 0 is the blank."""
    losses = []
    for label, logit in zip(labels, logits, strict=True):
        p = np.exp(logit) / np.exp(logit).sum(-1, keepdims=True)
        total = 0.0
        for path in itertools.product(range(p.shape[1]), repeat=len(p)):
            collapsed = [c for c, _ in itertools.groupby(path) if c]
            if collapsed == [c for c in label if c]:
                total += np.prod([p[t, c] for t, c in enumerate(path)])
        losses.append(-np.log(total))
    return np.array(losses)


def overlap(y, p, alpha=0.5, beta=0.5):
    hit, false, miss = (y * p).sum(), ((1 - y) * p).sum(), (y * (1 - p)).sum()
    return 1 - hit / (hit + alpha * false + beta * miss)


# name -> (labels, predictions, arguments, the loss of each example, or of the whole batch).
CASES = {
    "mean_squared_error": (*REAL, {}, lambda y, p: ((y - p) ** 2).mean(-1)),
    "mean_absolute_error": (*REAL, {}, lambda y, p: abs(y - p).mean(-1)),
    "mean_absolute_percentage_error": (*REAL, {}, lambda y, p: 100 * abs((y - p) / y).mean(-1)),
    "mean_squared_logarithmic_error": (
        *POSITIVE,
        {},
        lambda y, p: ((np.log1p(y) - np.log1p(p)) ** 2).mean(-1),
    ),
    "huber": (
        *REAL,
        {"delta": 0.7},
        lambda y, p: np.where(abs(y - p) <= 0.7, 0.5 * (y - p) ** 2, 0.7 * (abs(y - p) - 0.35)).mean(-1),
    ),
    "log_cosh": (*REAL, {}, lambda y, p: np.log(np.cosh(y - p)).mean(-1)),
    "cosine_similarity": (
        *REAL,
        {},
        lambda y, p: -(y * p).sum(-1) / np.linalg.norm(y, axis=-1) / np.linalg.norm(p, axis=-1),
    ),
    "poisson": (*POSITIVE, {}, lambda y, p: (p - y * np.log(p)).mean(-1)),
    "binary_crossentropy": (*BITS, {}, lambda y, p: bce(y, p).mean(-1)),
    "binary_focal_crossentropy": (
        *BITS,
        {"apply_class_balancing": True, "alpha": 0.3, "gamma": 1.5},
        lambda y, p: (np.where(y == 1, 0.3 * (1 - p) ** 1.5, 0.7 * p**1.5) * bce(y, p)).mean(-1),
    ),
    "categorical_crossentropy": (ONE_HOT, SOFTMAX, {}, lambda y, p: -(y * np.log(p)).sum(-1)),
    "sparse_categorical_crossentropy": (IDS, SOFTMAX, {}, lambda y, p: -np.log(picked(p, y))),
    "categorical_focal_crossentropy": (
        ONE_HOT,
        SOFTMAX,
        {},
        lambda y, p: -(0.25 * y * (1 - p) ** 2 * np.log(p)).sum(-1),
    ),
    "categorical_generalized_cross_entropy": (
        IDS,
        SOFTMAX,
        {"q": 0.7},
        lambda y, p: (1 - picked(p, y) ** 0.7) / 0.7,
    ),
    "kl_divergence": (SOFTMAX[::-1], SOFTMAX, {}, lambda y, p: (y * np.log(y / p)).sum(-1)),
    "hinge": (*SCORES, {}, lambda y, p: np.maximum(1 - signs(y) * p, 0).mean(-1)),
    "squared_hinge": (*SCORES, {}, lambda y, p: (np.maximum(1 - signs(y) * p, 0) ** 2).mean(-1)),
    "categorical_hinge": (
        ONE_HOT,
        LOGITS,
        {},
        lambda y, p: np.maximum(((1 - y) * p).max(-1) - (y * p).sum(-1) + 1, 0),
    ),
    "dice": (*BITS, {}, overlap),
    "tversky": (*BITS, {}, overlap),
    "ctc": (
        np.array([[1, 2], [2, 0], [1, 1]]),
        RNG.normal(size=(3, 4, 3)),
        {},
        ctc,
    ),
    "circle": (FEW_IDS, UNIT, {"gamma": 8.0}, lambda y, p: circle(y, p, gamma=8.0)),
}
ALIASES = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "kld": "kl_divergence",
    "logcosh": "log_cosh",
    "cosine": "cosine_similarity",
    "bce": "binary_crossentropy",
    "cce": "categorical_crossentropy",
    "scce": "sparse_categorical_crossentropy",
    "gce": "categorical_generalized_cross_entropy",
}


def test_all_of_keras_losses_are_here():
    known = {n for n, o in option_files.options("loss").items() if o.origin == "trainrun" and not o.alias_of}
    assert known - {"auto", "focal", "model_output", "ordinal", "quantile"} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_class_and_function_equal_the_formula(name):
    y, p, arguments, formula = CASES[name]
    y, p = y if y.dtype == int else y.astype("float32"), p.astype("float32")
    expected = formula(y, p.astype(float))
    value = trainrun.build("loss", name, **arguments)(y, p)
    np.testing.assert_allclose(value, np.mean(expected), rtol=2e-5)
    each = trainrun.build("loss", name, form="function", **arguments)(y, p)
    np.testing.assert_allclose(each, expected, rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize("alias", ALIASES)
def test_alias_builds_the_same_loss(alias):
    assert type(trainrun.build("loss", alias)) is type(trainrun.build("loss", ALIASES[alias]))


def test_scikit_learn_agrees_on_cross_entropy_and_hinge():
    value = trainrun.build("loss", "scce")(IDS, SOFTMAX)
    assert float(value) == pytest.approx(sklearn.metrics.log_loss(IDS, SOFTMAX), rel=1e-5)
    value = trainrun.build("loss", "hinge")(SCORES[0][:, :1], SCORES[1][:, :1])
    assert float(value) == pytest.approx(
        sklearn.metrics.hinge_loss(SCORES[0][:, 0], SCORES[1][:, 0]), rel=1e-5
    )


def test_hinge_takes_labels_of_zero_and_one_or_of_minus_and_plus_one():
    hinge = trainrun.build("loss", "hinge")
    assert float(hinge(SCORES[0], SCORES[1])) == pytest.approx(float(hinge(signs(SCORES[0]), SCORES[1])))


@pytest.mark.parametrize(
    "name", ["bce", "cce", "scce", "binary_focal_crossentropy", "categorical_focal_crossentropy", "focal"]
)
def test_logits_equal_probabilities(name):
    binary = name in ("bce", "binary_focal_crossentropy")
    logits = SCORES[1] if binary else LOGITS
    y = SCORES[0] if binary else IDS if name == "scce" else ONE_HOT
    probabilities = 1 / (1 + np.exp(-logits)) if binary else SOFTMAX
    by_logits = trainrun.build("loss", name, from_logits=True)(y, logits)
    by_default = trainrun.build("loss", name)(y, probabilities)
    assert float(by_logits) == pytest.approx(float(by_default), rel=1e-5)


@pytest.mark.parametrize("name", ["bce", "cce", "binary_focal_crossentropy", "focal"])
def test_label_smoothing_spreads_a_share_of_the_label(name):
    binary = name in ("bce", "binary_focal_crossentropy")
    y, p = BITS if binary else (ONE_HOT, SOFTMAX)
    smooth = y * 0.8 + 0.2 / (2 if binary else 4)
    value = trainrun.build("loss", name, label_smoothing=0.2)(y, p)
    assert float(value) == pytest.approx(float(trainrun.build("loss", name)(smooth, p)), rel=1e-5)


def test_tversky_weighs_false_alarms_against_misses():
    value = float(trainrun.build("loss", "tversky", alpha=0.3, beta=0.7)(*BITS))
    # Keras up to 3.15.1 swaps the two (its pull request 23333); the YAML's header says so.
    swapped = tuple(map(int, keras.__version__.split(".")[:3])) <= (3, 15, 1)
    expected = overlap(*BITS, 0.7, 0.3) if swapped else overlap(*BITS, 0.3, 0.7)
    assert value == pytest.approx(expected, rel=1e-5)


def test_ignored_class_does_not_count():
    value = trainrun.build("loss", "scce", ignore_class=3, reduction="none")(IDS, SOFTMAX)
    np.testing.assert_allclose(value, np.where(IDS == 3, 0, -np.log(picked(SOFTMAX, IDS))), rtol=1e-5)


@pytest.mark.parametrize("name", ["mse", "huber", "bce", "cce", "hinge", "focal"])
@pytest.mark.parametrize("weighted", [False, True])
def test_reductions_with_and_without_weights(name, weighted):
    y, p = {"bce": BITS, "hinge": SCORES}.get(name, REAL)
    y, p = (ONE_HOT, SOFTMAX) if name in ("cce", "focal") else (y, p)
    weight = RNG.uniform(0, 2, BATCH) if weighted else None
    each = np.array(trainrun.build("loss", name, form="function")(y.astype("float32"), p.astype("float32")))
    each = each if weight is None else each * weight
    total = BATCH if weight is None else weight.sum()
    expected = {
        "sum_over_batch_size": each.mean(),
        "mean": each.mean(),
        "sum": each.sum(),
        "none": each,
        "mean_with_sample_weight": each.sum() / total,
    }
    for reduction, value in expected.items():
        loss = trainrun.build("loss", name, reduction=reduction)
        np.testing.assert_allclose(loss(y, p, sample_weight=weight), value, rtol=1e-5)


@pytest.mark.parametrize("form", ["binary", "ids", "one_hot"])
def test_class_weights_reach_the_loss(form):
    """In `train_on_batch`, hence in `fit`: the weight of an example is that of its class."""
    classes = 2 if form == "binary" else 4
    ids = IDS % classes
    name = {"binary": "focal", "ids": "scce", "one_hot": "focal"}[form]
    y = {"binary": ids[:, None].astype("float32"), "ids": ids, "one_hot": np.eye(classes)[ids]}[form]
    x = BITS[1][:, :1] if form == "binary" else SOFTMAX
    model = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Activation("linear")])
    model.compile(loss=trainrun.build("loss", name))
    weights = {0: 1.0, 1: 3.0, 2: 0.5, 3: 2.0}
    each = trainrun.build("loss", name, reduction="none")(y, x)
    expected = (np.array(each) * [weights[i] for i in ids]).mean()
    assert float(model.test_on_batch(x, y)) == pytest.approx(float(np.mean(each)), rel=1e-5)
    dataset = next(iter(_weighted(x, y, {k: weights[k] for k in range(classes)})))
    assert float(model.test_on_batch(*dataset)) == pytest.approx(expected, rel=1e-5)


def _weighted(x, y, class_weight):
    """Yield the batch that Keras' `fit` makes of class weights."""
    from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter

    return ArrayDataAdapter(x, y, batch_size=len(x), class_weight=class_weight).get_tf_dataset()
