"""Every metric of Keras that a YAML names against scikit-learn, scipy or numpy, over two batches."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import sklearn.metrics as sk

import trainrun
from trainrun.registry import option_files

RNG = np.random.default_rng(3)
N = 300
WEIGHT = RNG.uniform(0, 2, N)
Y = RNG.integers(0, 2, N)
P = np.clip(0.3 * Y + RNG.beta(2, 3, N) * 0.7, 0, 1).astype("float32")
BITS = RNG.integers(0, 2, (N, 3))
PS = RNG.uniform(size=(N, 3)).astype("float32")
IDS = RNG.integers(0, 4, N)
LOGITS = (RNG.normal(size=(N, 4)) + 1.5 * np.eye(4)[IDS]).astype("float32")
SOFTMAX = scipy.special.softmax(LOGITS, axis=-1)
ONE_HOT = np.eye(4)[IDS]
GUESS = SOFTMAX.argmax(-1)
TRUE, PREDICTED = RNG.normal(size=(N, 3)), RNG.normal(size=(N, 3)).astype("float32")
PREDICTED = (TRUE + 0.5 * PREDICTED).astype("float32")
COUNTS, RATES = RNG.uniform(0.5, 5, (N, 2)), RNG.uniform(0.5, 5, (N, 2)).astype("float32")
BINARY, HARD = (Y, P), (P > 0.5).astype(int)


def average(values, w):
    return np.average(values, weights=w)


def rates(w):
    """Return TPR, FPR and precision at the 200 thresholds that Keras tries."""
    thresholds = np.array([-1e-7, *np.arange(1, 199) / 199, 1 + 1e-7])
    called = P[:, None] > thresholds
    w = np.ones(N) if w is None else w
    positive, negative = w[Y == 1] @ called[Y == 1], w[Y == 0] @ called[Y == 0]
    precision = np.divide(positive, positive + negative, where=positive + negative > 0, out=np.zeros(200))
    return positive / w[Y == 1].sum(), negative / w[Y == 0].sum(), precision


def confusion(i, j):
    return lambda w: sk.confusion_matrix(Y, HARD, sample_weight=w)[i, j]


def correlation(y, p):
    return np.array([scipy.stats.pearsonr(a, b)[0] for a, b in zip(y, p, strict=True)])


def concordance(y, p):
    covariance = ((y - y.mean(-1, keepdims=True)) * (p - p.mean(-1, keepdims=True))).mean(-1)
    return 2 * covariance / (y.var(-1) + p.var(-1) + (y.mean(-1) - p.mean(-1)) ** 2)


def hinge(y, p):
    return np.maximum(1 - (2 * y - 1) * p, 0)


def multi_hinge(w):
    losses = np.maximum(((1 - ONE_HOT) * LOGITS).max(-1) - (ONE_HOT * LOGITS).sum(-1) + 1, 0)
    return average(losses, w)


def iou(classes):
    return lambda w: sk.jaccard_score(IDS, GUESS, average=None, sample_weight=w)[classes].mean()


def f1(w, beta=1.0, average=None):
    return sk.fbeta_score(IDS, GUESS, beta=beta, average=average, sample_weight=w)


TWO = (BITS, PS)
SPARSE, DENSE = (IDS, SOFTMAX), (ONE_HOT, SOFTMAX)
LABELS = (IDS, GUESS)
REGRESSION, POSITIVE = (TRUE, PREDICTED), (COUNTS, RATES)

# The IoUs count in int by default, which cuts weights off; a run with weights gives them this.
FLOAT = {"num_classes": 4, "dtype": "float32"}

# name -> ((labels, predictions), arguments, reference by weights, relative tolerance).
CASES = {
    "equality_accuracy": (LABELS, {}, lambda w: sk.accuracy_score(IDS, GUESS, sample_weight=w), 1e-5),
    "binary_accuracy": (TWO, {}, lambda w: average(((PS > 0.5) == BITS).mean(-1), w), 1e-5),
    "categorical_accuracy": (DENSE, {}, lambda w: sk.accuracy_score(IDS, GUESS, sample_weight=w), 1e-5),
    "sparse_categorical_accuracy": (
        SPARSE,
        {},
        lambda w: sk.accuracy_score(IDS, GUESS, sample_weight=w),
        1e-5,
    ),
    "top_k_categorical_accuracy": (
        DENSE,
        {"k": 2},
        lambda w: sk.top_k_accuracy_score(IDS, SOFTMAX, k=2, sample_weight=w),
        1e-5,
    ),
    "sparse_top_k_categorical_accuracy": (
        SPARSE,
        {"k": 2},
        lambda w: sk.top_k_accuracy_score(IDS, SOFTMAX, k=2, sample_weight=w),
        1e-5,
    ),
    "auc": (BINARY, {"num_thresholds": 2000}, lambda w: sk.roc_auc_score(Y, P, sample_weight=w), 1e-3),
    "auc_pr": (
        BINARY,
        {"num_thresholds": 2000},
        lambda w: sk.average_precision_score(Y, P, sample_weight=w),
        1e-2,
    ),
    "precision": (BINARY, {}, lambda w: sk.precision_score(Y, HARD, sample_weight=w), 1e-5),
    "recall": (BINARY, {}, lambda w: sk.recall_score(Y, HARD, sample_weight=w), 1e-5),
    "true_positives": (BINARY, {}, confusion(1, 1), 1e-5),
    "true_negatives": (BINARY, {}, confusion(0, 0), 1e-5),
    "false_positives": (BINARY, {}, confusion(0, 1), 1e-5),
    "false_negatives": (BINARY, {}, confusion(1, 0), 1e-5),
    "precision_at_recall": (BINARY, {}, lambda w: rates(w)[2][rates(w)[0] >= 0.8].max(), 1e-4),
    "recall_at_precision": (BINARY, {}, lambda w: rates(w)[0][rates(w)[2] >= 0.8].max(), 1e-4),
    "sensitivity_at_specificity": (BINARY, {}, lambda w: rates(w)[0][1 - rates(w)[1] >= 0.8].max(), 1e-4),
    "specificity_at_sensitivity": (BINARY, {}, lambda w: 1 - rates(w)[1][rates(w)[0] >= 0.8].min(), 1e-4),
    "f1_score": (DENSE, {"average": "macro"}, lambda w: f1(w, average="macro"), 1e-4),
    "fbeta_score": (DENSE, {"beta": 2.0, "average": "weighted"}, lambda w: f1(w, 2.0, "weighted"), 1e-4),
    "mean_iou": (LABELS, FLOAT, iou(slice(None)), 1e-5),
    "iou": (LABELS, FLOAT | {"target_class_ids": [1, 2]}, iou([1, 2]), 1e-5),
    "binary_iou": (
        BINARY,
        {"dtype": "float32"},
        lambda w: sk.jaccard_score(Y, HARD, average=None, sample_weight=w).mean(),
        1e-5,
    ),
    "one_hot_iou": (DENSE, FLOAT, iou([1]), 1e-5),
    "one_hot_mean_iou": (DENSE, FLOAT, iou(slice(None)), 1e-5),
    "binary_crossentropy": (
        TWO,
        {},
        lambda w: average(-np.log(np.where(BITS, PS, 1 - PS)).mean(-1), w),
        1e-4,
    ),
    "categorical_crossentropy": (DENSE, {}, lambda w: sk.log_loss(IDS, SOFTMAX, sample_weight=w), 1e-4),
    "sparse_categorical_crossentropy": (
        SPARSE,
        {},
        lambda w: sk.log_loss(IDS, SOFTMAX, sample_weight=w),
        1e-4,
    ),
    "kl_divergence": (
        (SOFTMAX[::-1], SOFTMAX),
        {},
        lambda w: average(scipy.stats.entropy(SOFTMAX[::-1], SOFTMAX, axis=-1), w),
        1e-3,
    ),
    "poisson": (POSITIVE, {}, lambda w: average((RATES - COUNTS * np.log(RATES)).mean(-1), w), 1e-4),
    "hinge": (
        (Y[:, None], LOGITS[:, :1]),
        {},
        lambda w: sk.hinge_loss(Y, LOGITS[:, 0], sample_weight=w),
        1e-5,
    ),
    "squared_hinge": (
        (BITS, PREDICTED),
        {},
        lambda w: average((hinge(BITS, PREDICTED) ** 2).mean(-1), w),
        1e-5,
    ),
    "categorical_hinge": ((ONE_HOT, LOGITS), {}, multi_hinge, 1e-5),
    "mean_squared_error": (
        REGRESSION,
        {},
        lambda w: sk.mean_squared_error(TRUE, PREDICTED, sample_weight=w),
        1e-4,
    ),
    "root_mean_squared_error": (
        REGRESSION,
        {},
        lambda w: sk.mean_squared_error(TRUE, PREDICTED, sample_weight=w) ** 0.5,
        1e-4,
    ),
    "mean_absolute_error": (
        REGRESSION,
        {},
        lambda w: sk.mean_absolute_error(TRUE, PREDICTED, sample_weight=w),
        1e-4,
    ),
    "mean_absolute_percentage_error": (
        POSITIVE,
        {},
        lambda w: 100 * sk.mean_absolute_percentage_error(COUNTS, RATES, sample_weight=w),
        1e-4,
    ),
    "mean_squared_logarithmic_error": (
        POSITIVE,
        {},
        lambda w: sk.mean_squared_log_error(COUNTS, RATES, sample_weight=w),
        1e-4,
    ),
    "cosine_similarity": (
        REGRESSION,
        {},
        lambda w: average(np.diag(sk.pairwise.cosine_similarity(TRUE, PREDICTED)), w),
        1e-4,
    ),
    "log_cosh_error": (
        REGRESSION,
        {},
        lambda w: average(np.log(np.cosh(TRUE - PREDICTED)).mean(-1), w),
        1e-4,
    ),
    "r2_score": (REGRESSION, {}, lambda w: sk.r2_score(TRUE, PREDICTED, sample_weight=w), 1e-4),
    "pearson_correlation": (
        REGRESSION,
        {"axis": -1},
        lambda w: average(correlation(TRUE, PREDICTED), w),
        1e-4,
    ),
    "concordance_correlation": (
        REGRESSION,
        {"axis": -1},
        lambda w: average(concordance(TRUE, PREDICTED), w),
        1e-4,
    ),
}
OURS = {"accuracy", "top_k_accuracy", "auto", "ks", "ks_batch", "mean_pred", "cohen_kappa"}
ALIASES = {
    "acc": "accuracy",
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "rmse": "root_mean_squared_error",
    "kld": "kl_divergence",
    "cosine": "cosine_similarity",
    "f1": "f1_score",
    "fbeta": "fbeta_score",
    "r2": "r2_score",
    "pr_auc": "auc_pr",
    "bce": "binary_crossentropy",
    "tp": "true_positives",
}
# These have no demand left to the run.
RUN_TIME = {"mean_iou": {"num_classes": 4}}


def test_all_of_keras_metrics_are_here():
    known = {
        n
        for n, o in option_files.options("metric").items()
        if o.origin == "trainrun" and o.arguments.get("name")
    }
    assert known - OURS == set(CASES) | {"mean", "sum"}


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", CASES)
def test_equals_its_reference_over_two_batches(name, weighted):
    (y, p), arguments, reference, tolerance = CASES[name]
    weight = WEIGHT if weighted else None
    metric = trainrun.build("metric", name, **arguments)
    for part in (slice(0, 200), slice(200, N)):
        metric.update_state(y[part], p[part], sample_weight=None if weight is None else weight[part])
    np.testing.assert_allclose(metric.result(), reference(weight), rtol=tolerance)
    metric.reset_state()
    metric.update_state(y[:200], p[:200])
    metric.update_state(y[200:], p[200:])
    np.testing.assert_allclose(metric.result(), reference(None), rtol=tolerance)


@pytest.mark.parametrize("alias", ALIASES)
def test_alias_builds_the_same_metric(alias):
    arguments = RUN_TIME.get(ALIASES[alias], {})
    short = trainrun.build("metric", alias, **arguments)
    long = trainrun.build("metric", ALIASES[alias], **arguments)
    assert short.get_config() | {"name": ""} == long.get_config() | {"name": ""}
    assert type(short) is type(long)


def test_f1_without_averaging_gives_each_class():
    metric = trainrun.build("metric", "f1")
    metric.update_state(ONE_HOT, SOFTMAX)
    np.testing.assert_allclose(metric.result(), f1(None), rtol=1e-4)


def test_auc_pr_is_another_curve_than_auc():
    assert trainrun.build("metric", "auc_pr").curve.value == "PR"
    assert trainrun.build("metric", "auc").curve.value == "ROC"


def test_auc_of_several_labels_is_the_mean_of_their_areas():
    metric = trainrun.build("metric", "auc", multi_label=True, num_labels=3, num_thresholds=2000)
    metric.update_state(BITS, PS)
    expected = np.mean([sk.roc_auc_score(BITS[:, i], PS[:, i]) for i in range(3)])
    assert float(metric.result()) == pytest.approx(expected, abs=1e-3)


def test_mean_and_sum_of_values():
    assert float(trainrun.build("metric", "mean")([1.0, 3.0, 5.0])) == 3.0
    assert float(trainrun.build("metric", "sum")([1.0, 3.0, 5.0], sample_weight=[1, 0, 2])) == 11.0


@pytest.mark.parametrize("name", ["f1_score", "auc", "mean_iou", "rmse", "accuracy", "ks", "top_k_accuracy"])
def test_survives_saving(name):
    metric = trainrun.build("metric", name, **RUN_TIME.get(name, {}))
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert again.get_config() == metric.get_config()
