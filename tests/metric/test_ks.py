"""KS over the epoch against scikit-learn's ROC curve, at its edges, and in a run."""

from __future__ import annotations

import subprocess
import sys

import keras
import numpy as np
import pytest
import scipy.stats
import sklearn.metrics as sk
import tensorflow as tf
from sklearn.exceptions import UndefinedMetricWarning

import trainrun
from trainrun.errors import UserError
from trainrun.metric.ks import KS

RNG = np.random.default_rng(7)
N = 1000
Y = RNG.integers(0, 2, N)
P = np.clip(RNG.beta(2, 3, N) + 0.2 * Y, 0, 1).astype("float32")
P[:20] = 1.0
P[20:30] = 0.0
WEIGHT = RNG.uniform(0, 3, N)


def reference(y, p, bins, weight=None):
    """max(TPR - FPR) of scikit-learn, on scores rounded down to the bins' edges."""
    binned = np.minimum(np.floor(p * np.float32(bins)), bins - 1)
    fpr, tpr, _ = sk.roc_curve(y, binned, sample_weight=weight)
    return max(tpr - fpr)


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("bins", [2, 10, 200, 1000])
def test_equals_scikit_learn_on_the_same_bins(bins, weighted):
    weight = WEIGHT if weighted else None
    metric = trainrun.build("metric", "ks", bins=bins)
    for part in np.array_split(np.arange(N), 7):
        metric.update_state(Y[part, None], P[part, None], None if weight is None else weight[part])
    assert float(metric.result()) == pytest.approx(reference(Y, P, bins, weight), abs=1e-5)


def test_many_bins_come_to_the_exact_two_sample_statistic():
    exact = scipy.stats.ks_2samp(P[Y == 0], P[Y == 1], alternative="greater").statistic
    assert float(KS(bins=100_000)(Y, P)) == pytest.approx(exact, abs=1e-4)
    assert float(KS()(Y, P)) == pytest.approx(exact, abs=5e-3)


def test_batches_and_their_order_do_not_matter():
    whole, parts = KS(), KS()
    whole.update_state(Y, P)
    for part in np.array_split(RNG.permutation(N), 31):
        parts.update_state(Y[part], P[part])
    assert float(whole.result()) == float(parts.result())


def test_logits_equal_probabilities():
    logits = RNG.normal(size=N) * 3
    assert float(KS(from_logits=True)(Y, logits)) == float(KS()(Y, 1 / (1 + np.exp(-logits))))


def test_a_score_of_one_is_above_all_others():
    assert float(KS()([0, 0, 1, 1], [0.0, 0.999, 1.0, 1.0])) == pytest.approx(0.5)
    assert float(KS(bins=10)([0, 1], [0.89, 1.0])) == 1.0
    assert float(KS()([0, 1], [0.0, 1.0])) == 1.0


@pytest.mark.parametrize("y", [[0, 0, 0], [1, 1, 1], None], ids=["no positive", "no negative", "no batch"])
def test_is_undefined_while_a_class_is_absent(y):
    metric = KS()
    if y is not None:
        metric.update_state(y, [0.1, 0.5, 1.0])
        with pytest.warns(UndefinedMetricWarning):
            fpr, tpr, _ = sk.roc_curve(y, [0.1, 0.5, 1.0])
        assert np.isnan(np.max(tpr - fpr)), "the reference"
    assert np.isnan(float(metric.result()))


def test_is_zero_where_the_order_is_reversed():
    """One-sided: a score that ranks negatives first is no good score."""
    assert float(KS()([1, 0], [0.1, 0.9])) == 0.0


def test_zero_weights_leave_examples_out():
    weight = (np.arange(N) < 500).astype(float)
    assert float(KS()(Y, P, weight)) == pytest.approx(float(KS()(Y[:500], P[:500])), abs=1e-6)


def test_every_pixel_counts_with_its_images_weight():
    y, p = RNG.integers(0, 2, (6, 4, 5, 1)), RNG.uniform(size=(6, 4, 5, 1)).astype("float32")
    weight = RNG.uniform(size=6)
    expected = reference(y.ravel(), p.ravel(), 1000, np.repeat(weight, 20))
    assert float(KS()(y, p, weight)) == pytest.approx(expected, abs=1e-5)


def test_labels_of_minus_one_and_one():
    assert float(KS()(2 * Y - 1, P)) == float(KS()(Y, P))


def test_in_the_graph_with_xla_and_half_precision():
    metric, eager = KS(), KS()

    @tf.function(jit_compile=True)
    def update(y, p):
        metric.update_state(y, p)

    for part in (slice(0, 500), slice(500, N)):
        half = tf.cast(P[part], "bfloat16")
        update(Y[part], half)
        eager.update_state(Y[part], tf.cast(half, "float32"))
    assert float(metric.result()) == pytest.approx(float(eager.result()), abs=1e-6)
    assert metric.counts.dtype == "float32"


@pytest.mark.parametrize("jit", [False, True])
def test_in_evaluate_equals_the_whole_set(jit):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Activation("linear")])
    model.compile(loss="mse", metrics=[KS()], weighted_metrics=[KS(name="weighted")], jit_compile=jit)
    logs = model.evaluate(
        P[:, None], Y[:, None], sample_weight=WEIGHT, batch_size=128, verbose=0, return_dict=True
    )
    assert logs["ks"] == pytest.approx(reference(Y, P, 1000), abs=1e-5)
    assert logs["weighted"] == pytest.approx(reference(Y, P, 1000, WEIGHT), abs=1e-5)


def test_survives_saving():
    metric = KS(bins=50, from_logits=True)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert again.get_config() == metric.get_config()


def test_refuses_a_single_bin():
    with pytest.raises(UserError, match="at least 2"):
        trainrun.build("metric", "ks", bins=1)


REPLICAS = """
import keras, numpy as np, tensorflow as tf
from trainrun.metric.ks import KS
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
data = np.load("data.npz")
keras.config.set_dtype_policy("mixed_bfloat16")
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Activation("linear", dtype="float32")])
    model.compile(loss="mse", metrics=[KS()])
logs = model.evaluate(data["p"], data["y"], batch_size=100, verbose=0, return_dict=True)
print("ks", logs["ks"])
"""


@pytest.mark.slow
def test_two_replicas_add_up(tmp_path):
    """In a process of its own: logical devices must be made before TensorFlow starts."""
    np.savez(tmp_path / "data.npz", y=Y[:, None].astype("float32"), p=P[:, None])
    done = subprocess.run(
        [sys.executable, "-c", REPLICAS], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    value = float(done.stdout.split("ks ")[-1])
    assert value == pytest.approx(reference(Y, P, 1000), abs=1e-5)


@pytest.mark.parametrize("scores", [P, 1 - P], ids=["right way round", "inverted"])
@pytest.mark.parametrize(("two_sided", "alternative"), [(True, "two-sided"), (False, "greater")])
def test_both_sides_and_one_equal_scipy(scores, two_sided, alternative):
    metric = trainrun.build("metric", "ks", bins=100_000, two_sided=two_sided)
    metric.update_state(Y, scores)
    exact = scipy.stats.ks_2samp(scores[Y == 0], scores[Y == 1], alternative=alternative).statistic
    assert float(metric.result()) == pytest.approx(exact, abs=2e-3)
    assert type(metric).from_config(metric.get_config()).two_sided == two_sided
