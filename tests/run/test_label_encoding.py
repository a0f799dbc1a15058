"""Bridges between forms of labels and predictions, each against numpy or scikit-learn."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
import scipy.special
import sklearn.metrics as sk
import tensorflow as tf

import trainrun
from trainrun.compat import keras_metric_private
from trainrun.data.dataset import TargetSpec
from trainrun.errors import UserError
from trainrun.registry import declaration_reader, option_files
from trainrun.registry.construct import construct
from trainrun.run.label_encoding import FORMS, arguments, choose, encode, weights
from trainrun.run.metric_adapter import Adapted, adapt

RNG = np.random.default_rng(11)
N = 240
WEIGHT = RNG.uniform(0, 2, N)
BINARY = TargetSpec("binary", ("no", "yes"), 1)
MULTICLASS = TargetSpec("multiclass", ("a", "b", "c"), 3)
MULTILABEL = TargetSpec("multilabel", ("x", "y", "z"), 3)
TARGET_REAL = TargetSpec("real", (), 2)
NONE = TargetSpec("none")
MASK = TargetSpec("binary", ("ground", "thing"), 1, (4, 5))
SCENE = TargetSpec("multiclass", ("sky", "sea", "land"), 3, (4, 5))

BITS = RNG.integers(0, 2, N)
MARGIN = (RNG.normal(size=N) + 1.5 * (BITS - 0.5)).astype("float32")[:, None]
SIGMOID = scipy.special.expit(MARGIN)
IDS = RNG.integers(0, 3, N)
LOGITS = (RNG.normal(size=(N, 3)) + np.eye(3)[IDS]).astype("float32")
SOFTMAX = scipy.special.softmax(LOGITS, axis=-1)
ONE_HOT = np.eye(3, dtype="float32")[IDS]


class TestChoose:
    @pytest.mark.parametrize(
        "words, target, expected",
        [
            (["binary", "one_hot"], BINARY, "binary"),
            (["binary", "one_hot"], MULTICLASS, "one_hot"),
            (["binary", "one_hot"], MULTILABEL, "binary"),
            (["ids"], BINARY, "ids"),
            (["ids", "one_hot"], MULTICLASS, "ids"),
            (["real", "binary", "one_hot"], MULTICLASS, "one_hot"),
            (["real", "binary"], TARGET_REAL, "real"),
            (["any"], MULTICLASS, "any"),
            ([], TARGET_REAL, "any"),
            (["any"], NONE, "any"),
        ],
    )
    def test_chosen_label_form_suits_the_target(self, words, target, expected):
        assert choose(words, target) == expected

    def test_prefers_what_the_batches_hold(self):
        assert choose(["binary", "ids"], BINARY, prefer="ids") == "binary"
        assert choose(["ids", "one_hot"], MULTICLASS, prefer="one_hot") == "one_hot"
        assert choose(["ids"], MULTICLASS, prefer="one_hot") == "ids"
        assert choose(["any"], MULTICLASS, prefer="ids") == "ids"

    @pytest.mark.parametrize(
        "words, target", [(["one_hot"], BINARY), (["real"], MULTICLASS), (["ids"], TARGET_REAL)]
    )
    def test_label_form_that_does_not_fit_is_refused_with_the_reason(self, words, target):
        with pytest.raises(UserError, match=f"{words[0]}.*{target.kind}"):
            choose(words, target)


class TestEncode:
    def test_class_ids(self):
        y = encode(IDS.astype("int32"), MULTICLASS, "ids")
        assert y.dtype == np.int64
        np.testing.assert_array_equal(y, IDS)

    def test_one_hot(self):
        y = encode(IDS, MULTICLASS, "one_hot")
        assert (y.dtype, y.shape) == (np.float32, (N, 3))
        np.testing.assert_array_equal(y.argmax(-1), IDS)
        assert (y.sum(-1) == 1).all()

    def test_binary(self):
        y = encode(BITS, BINARY, "binary")
        assert (y.dtype, y.shape) == (np.float32, (N, 1))
        np.testing.assert_array_equal(y[:, 0], BITS)

    def test_segmentation_keeps_the_images_shape(self):
        mask, scene = RNG.integers(0, 2, (6, 4, 5)), RNG.integers(0, 3, (6, 4, 5))
        assert encode(mask, MASK, "binary").shape == (6, 4, 5, 1)
        assert encode(mask, MASK, "ids").shape == (6, 4, 5)
        np.testing.assert_array_equal(encode(scene, SCENE, "one_hot").argmax(-1), scene)

    @pytest.mark.parametrize("form", ["binary", "one_hot"])
    def test_several_labels_are_themselves_in_both_forms(self, form):
        y = RNG.integers(0, 2, (N, 3))
        np.testing.assert_array_equal(encode(y, MULTILABEL, form), y.astype("float32"))

    def test_real_has_an_axis_for_outputs(self):
        assert encode(np.arange(4), TARGET_REAL, "real").shape == (4, 1)
        assert encode(np.zeros((4, 2)), TARGET_REAL, "real").dtype == np.float32

    def test_any_leaves_labels_alone(self):
        assert encode(IDS, MULTICLASS, "any") is IDS
        assert encode(BITS, NONE, "any") is BITS

    @pytest.mark.parametrize("form, target", [("one_hot", BINARY), ("real", MULTICLASS), ("ids", MULTILABEL)])
    def test_refuses_what_cannot_be(self, form, target):
        with pytest.raises(UserError, match=f"{target.kind}.*{form}"):
            encode(BITS, target, form)

    @pytest.mark.parametrize("stray", [-1, 3])
    def test_refuses_ids_outside_the_classes(self, stray):
        with pytest.raises(UserError, match="ignore_class"):
            encode(np.array([0, stray]), MULTICLASS, "one_hot")

    def test_every_form_that_choose_gives_can_be_encoded(self):
        y = {"multilabel": RNG.integers(0, 2, (N, 3)), "real": RNG.normal(size=(N, 2))}
        for target, form in [
            (t, f) for t in (BINARY, MULTICLASS, MULTILABEL, TARGET_REAL) for f in FORMS[t.kind]
        ]:
            assert len(encode(y.get(target.kind, BITS), target, form)) == N


class TestWeights:
    def test_none_stays_none(self):
        assert weights(IDS, MULTICLASS) is None

    def test_class_and_example_weights_multiply(self):
        expected = WEIGHT * np.select([IDS == 0, IDS == 2], [3.0, 0.5], 1.0)
        result = weights(IDS, MULTICLASS, WEIGHT, {0: 3.0, 2: 0.5})
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, expected, rtol=1e-6)
        np.testing.assert_allclose(weights(BITS, BINARY, None, {"1": 4.0}), 1 + 3 * BITS)

    def test_pixels_weigh_as_their_image_and_their_class(self):
        y, weight = RNG.integers(0, 3, (6, 4, 5)), RNG.uniform(size=6)
        result = weights(y, SCENE, weight, {1: 5.0})
        np.testing.assert_allclose(result, weight[:, None, None] * np.where(y == 1, 5.0, 1.0), rtol=1e-6)
        p = RNG.dirichlet([1, 1, 1], (6, 4, 5)).astype("float32")
        value = trainrun.build("loss", "scce")(y, p, sample_weight=result)
        each = -np.log(np.take_along_axis(p, y[..., None], -1))[..., 0]
        assert float(value) == pytest.approx((each * result).mean(), rel=1e-4)

    @pytest.mark.parametrize(
        "target, class_weight", [(TARGET_REAL, {0: 1.0}), (MULTILABEL, {0: 1.0}), (BINARY, {2: 1.0})]
    )
    def test_refuses_unknown_classes(self, target, class_weight):
        with pytest.raises(UserError, match="class weight"):
            weights(BITS, target, None, class_weight)


def build(name, target, labels, predictions, **spec):
    """Build a metric as a run does: by what it demands, filled in and adapted."""
    demands = declaration_reader.of("metric", option_files.find("metric", name).arguments["name"])
    reads = demands.predictions
    metric_form = choose(demands.labels, target, prefer=labels)
    result = arguments(target, metric_form, predictions, reads)
    metric = construct("metric", {"name": name, **spec}, **result, name=name)
    return adapt(metric, target, (labels, metric_form), (predictions, reads))


def accuracy(w):
    return sk.accuracy_score(IDS, SOFTMAX.argmax(-1), sample_weight=w)


def binary_accuracy(w):
    return sk.accuracy_score(BITS, MARGIN[:, 0] > 0, sample_weight=w)


def area(w):
    return sk.roc_auc_score(
        ONE_HOT.ravel(), SOFTMAX.ravel(), sample_weight=None if w is None else np.repeat(w, 3)
    )


# metric -> reference by weights; tried for every form of labels and predictions that a loss may leave.
MULTI = {
    "accuracy": accuracy,
    "equality_accuracy": accuracy,
    "categorical_accuracy": accuracy,
    "sparse_categorical_accuracy": accuracy,
    "f1_score": lambda w: sk.f1_score(IDS, SOFTMAX.argmax(-1), average="macro", sample_weight=w),
    "auc": area,
    "categorical_crossentropy": lambda w: sk.log_loss(IDS, SOFTMAX, sample_weight=w),
    "sparse_categorical_crossentropy": lambda w: sk.log_loss(IDS, SOFTMAX, sample_weight=w),
    "mean_squared_error": lambda w: sk.mean_squared_error(ONE_HOT, SOFTMAX, sample_weight=w),
    "top_k_accuracy": lambda w: 1.0,
}
SINGLE = {
    "accuracy": binary_accuracy,
    "binary_accuracy": binary_accuracy,
    "equality_accuracy": binary_accuracy,
    "f1_score": lambda w: sk.f1_score(BITS, MARGIN[:, 0] > 0, sample_weight=w),
    "auc": lambda w: sk.roc_auc_score(BITS, SIGMOID[:, 0], sample_weight=w),
    "binary_crossentropy": lambda w: sk.log_loss(BITS, SIGMOID[:, 0], sample_weight=w),
    "hinge": lambda w: sk.hinge_loss(BITS, MARGIN[:, 0], sample_weight=w),
    "precision": lambda w: sk.precision_score(BITS, MARGIN[:, 0] > 0, sample_weight=w),
    "mean_squared_error": lambda w: sk.mean_squared_error(BITS, SIGMOID[:, 0], sample_weight=w),
}


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("predictions", ["probabilities", "logits", "scores"])
class TestAnyMetricWithAnyLoss:
    @pytest.mark.parametrize("labels", ["ids", "one_hot"])
    @pytest.mark.parametrize("name", MULTI)
    def test_of_several_classes(self, name, labels, predictions, weight):
        metric = build(name, MULTICLASS, labels, predictions)
        y = encode(IDS, MULTICLASS, labels)
        p = SOFTMAX if predictions == "probabilities" else LOGITS
        for part in (slice(0, 100), slice(100, N)):
            metric.update_state(y[part], p[part], sample_weight=None if weight is None else weight[part])
        assert float(metric.result()) == pytest.approx(MULTI[name](weight), rel=2e-3)

    @pytest.mark.parametrize("labels", ["ids", "binary"])
    @pytest.mark.parametrize("name", SINGLE)
    def test_of_yes_or_no(self, name, labels, predictions, weight):
        metric = build(name, BINARY, labels, predictions)
        y = encode(BITS, BINARY, labels)
        p = SIGMOID if predictions == "probabilities" else MARGIN
        for part in (slice(0, 100), slice(100, N)):
            metric.update_state(y[part], p[part], sample_weight=None if weight is None else weight[part])
        assert float(metric.result()) == pytest.approx(SINGLE[name](weight), rel=2e-3)


def test_several_labels():
    y, logits = RNG.integers(0, 2, (N, 3)), RNG.normal(size=(N, 3)).astype("float32")
    for name, expected in {
        "accuracy": (y == (logits > 0)).mean(),
        "binary_accuracy": (y == (logits > 0)).mean(),
        "f1_score": sk.f1_score(y, logits > 0, average="macro"),
        "auc": sk.roc_auc_score(y.ravel(), logits.ravel()),
    }.items():
        metric = build(name, MULTILABEL, "binary", "logits")
        metric.update_state(encode(y, MULTILABEL, "binary"), logits)
        assert float(metric.result()) == pytest.approx(expected, rel=3e-3), name


SCENE_IDS = RNG.integers(0, 3, (12, 4, 5))
SCENE_LOGITS = (RNG.normal(size=(12, 4, 5, 3)) + np.eye(3)[SCENE_IDS]).astype("float32")
FLAT, GUESS = SCENE_IDS.ravel(), SCENE_LOGITS.reshape(-1, 3).argmax(-1)
PIXELS = {
    "accuracy": lambda w: sk.accuracy_score(FLAT, GUESS, sample_weight=w),
    "mean_iou": lambda w: sk.jaccard_score(FLAT, GUESS, average="macro", sample_weight=w),
    "one_hot_mean_iou": lambda w: sk.jaccard_score(FLAT, GUESS, average="macro", sample_weight=w),
    "f1_score": lambda w: sk.f1_score(FLAT, GUESS, average="macro", sample_weight=w),
    "recall": lambda w: np.average(
        scipy.special.softmax(SCENE_LOGITS, -1).reshape(-1, 3)[np.arange(240), FLAT] > 0.5, weights=w
    ),
}


@pytest.mark.parametrize("weighted", [None, "image", "axes", "pixel"])
@pytest.mark.parametrize("labels", ["ids", "one_hot"])
@pytest.mark.parametrize("name", PIXELS)
def test_every_pixel_is_an_example(name, labels, weighted):
    shape = {None: None, "image": (12,), "axes": (12, 1, 1), "pixel": (12, 4, 5)}[weighted]
    weight = None if shape is None else RNG.uniform(size=shape)
    metric = build(name, SCENE, labels, "logits", **({"dtype": "float32"} if "iou" in name else {}))
    metric.update_state(encode(SCENE_IDS, SCENE, labels), SCENE_LOGITS, sample_weight=weight)
    each = (
        None
        if weight is None
        else np.broadcast_to(weight.reshape(12, *weight.shape[1:] or (1, 1)), (12, 4, 5)).ravel()
    )
    assert float(metric.result()) == pytest.approx(PIXELS[name](each), rel=1e-4)


@pytest.mark.parametrize("name", ["mean_iou", "binary_iou", "ks"])
def test_every_pixel_of_a_mask(name):
    y, p = RNG.integers(0, 2, (12, 4, 5)), RNG.uniform(size=(12, 4, 5, 1)).astype("float32")
    metric = build(name, MASK, "binary", "probabilities")
    metric.update_state(encode(y, MASK, "binary"), p)
    binned = np.floor(p.ravel() * np.float32(1000))
    fpr, tpr, _ = sk.roc_curve(y.ravel(), binned)
    overlap = sk.jaccard_score(y.ravel(), p.ravel() > 0.5, average="macro")
    assert float(metric.result()) == pytest.approx(max(tpr - fpr) if name == "ks" else overlap, rel=1e-4)


class TestAdapted:
    def test_is_not_made_where_nothing_is_to_convert(self):
        metric = build("sparse_categorical_accuracy", MULTICLASS, "ids", "logits")
        assert type(metric) is keras.metrics.SparseCategoricalAccuracy
        assert type(build("mse", TARGET_REAL, "real", "real")) is keras.metrics.MeanSquaredError

    def test_bears_the_name_and_the_state_of_the_metric_inside(self):
        inside = keras.metrics.AUC(name="area")
        metric = adapt(inside, MULTICLASS, ("ids", "one_hot"), ("logits", ["probabilities"]))
        assert (metric.name, metric.dtype) == ("area", "float32")
        assert metric.variables == inside.variables
        metric.update_state(IDS, LOGITS)
        assert float(metric.result()) == float(inside.result()) > 0.5
        metric.reset_state()
        assert all(float(tf.reduce_sum(v)) == 0 for v in inside.variables)

    def test_probabilities_become_scores(self):
        metric = build("hinge", BINARY, "binary", "probabilities")
        metric.update_state(BITS[:, None], SIGMOID)
        assert float(metric.result()) == pytest.approx(sk.hinge_loss(BITS, MARGIN[:, 0]), rel=1e-4)
        edges = build("hinge", BINARY, "binary", "probabilities")
        edges.update_state([[0.0], [1.0]], [[1.0], [0.0]])
        assert np.isfinite(edges.result())

    @pytest.mark.parametrize("name, spec", [("f1_score", {}), ("recall", {"thresholds": [0.2, 0.8]})])
    def test_vector_results_become_their_mean(self, name, spec):
        metric = build(name, BINARY, "binary", "probabilities", **spec)
        metric.update_state(BITS[:, None], SIGMOID)
        expected = {
            "f1_score": sk.f1_score(BITS, SIGMOID[:, 0] > 0.5),
            "recall": np.mean([sk.recall_score(BITS, SIGMOID[:, 0] > t) for t in (0.2, 0.8)]),
        }
        assert metric.result().shape == ()
        assert float(metric.result()) == pytest.approx(expected[name], rel=1e-4)

    def test_r2_of_each_output_becomes_the_mean(self):
        y, p = RNG.normal(size=(N, 2)), RNG.normal(size=(N, 2))
        metric = build("r2_score", TARGET_REAL, "real", "real", class_aggregation=None)
        metric.update_state(y, p)
        assert float(metric.result()) == pytest.approx(sk.r2_score(y, p), rel=1e-4)

    def test_dicts_pass(self):
        class Both(keras.metrics.Mean):
            def update_state(self, y_true, y_pred, sample_weight=None):
                super().update_state(y_pred)

            def result(self):
                return {"mean": super().result()}

        metric = adapt(Both(name="both"), TARGET_REAL, ("real", "real"), ("real", ["real"]))
        metric.update_state([0.0], [3.0])
        assert float(metric.result()["mean"]) == 3.0

    @pytest.mark.parametrize(
        "name, expected", [("mean", np.average), ("sum", lambda p, weights: (p * weights).sum())]
    )
    def test_mean_and_sum_read_the_predictions(self, name, expected):
        metric = build(name, BINARY, "binary", "probabilities")
        metric.update_state(BITS[:, None], SIGMOID, sample_weight=WEIGHT)
        assert float(metric.result()) == pytest.approx(expected(SIGMOID[:, 0], weights=WEIGHT), rel=1e-4)

    def test_survives_saving(self):
        metric = build("f1_score", MULTICLASS, "ids", "logits")
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
        assert isinstance(again, Adapted)
        assert again.get_config() == metric.get_config()
        for m in (metric, again):
            m.update_state(IDS, LOGITS)
        assert float(again.result()) == float(metric.result())

    def test_a_compiled_model_saves_and_loads_with_it(self, tmp_path):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        names = ["accuracy", "f1_score", "ks", "mean_pred", "mean"]
        metrics = [build(n, BINARY, "binary", "logits") for n in names]
        model.compile(loss=trainrun.build("loss", "focal", from_logits=True), metrics=metrics)
        model.train_on_batch(MARGIN, BITS[:, None])
        before = model.evaluate(MARGIN, BITS[:, None], batch_size=N, verbose=0, return_dict=True)
        model.save(tmp_path / "model.keras")
        again = keras.models.load_model(tmp_path / "model.keras")
        after = again.evaluate(MARGIN, BITS[:, None], batch_size=N, verbose=0, return_dict=True)
        assert after == pytest.approx(before, rel=1e-5)
        assert set(names) < set(after)

    @pytest.mark.parametrize("jit", [False, True])
    def test_in_fit_with_weights(self, jit):
        """Losses that read ids, metrics that read one-hot labels, class ids and probabilities."""
        model = keras.Sequential([keras.Input((3,)), keras.layers.Activation("linear")])
        names = ["accuracy", "f1_score", "auc", "categorical_crossentropy", "equality_accuracy"]
        model.compile(
            loss=trainrun.build("loss", "scce", from_logits=True),
            weighted_metrics=[build(n, MULTICLASS, "ids", "logits") for n in names],
            jit_compile=jit,
        )
        logs = model.evaluate(LOGITS, IDS, sample_weight=WEIGHT, batch_size=64, verbose=0, return_dict=True)
        for name in names:
            assert logs[name] == pytest.approx(MULTI[name](WEIGHT), rel=2e-3), name

    def test_adapted_metric_carries_its_direction(self):
        assert keras_metric_private.direction(build("auc", MULTICLASS, "ids", "logits")) == "max"
        assert (
            keras_metric_private.direction(build("categorical_crossentropy", MULTICLASS, "ids", "logits"))
            == "min"
        )


class TestArguments:
    def test_logits_only_to_those_that_take_them(self):
        assert arguments(BINARY, "binary", "logits", ["probabilities", "logits"])["from_logits"] is True
        assert arguments(BINARY, "binary", "logits", ["probabilities"])["from_logits"] is False
        assert (
            arguments(BINARY, "binary", "probabilities", ["probabilities", "logits"])["from_logits"] is False
        )

    def test_two_classes_of_a_single_output(self):
        result = arguments(MASK, "ids", "probabilities", ["ids"])
        assert (result["num_classes"], result["threshold"], result["elementwise"]) == (2, 0.5, True)
        assert "threshold" not in arguments(MULTICLASS, "ids", "probabilities", ["ids"])

    def test_fractional_weights_are_not_cut_off(self):
        result = arguments(MULTICLASS, "ids", "logits", ["ids"], weighted=True)
        metric = adapt(
            construct("metric", "mean_iou", **result), MULTICLASS, ("ids", "ids"), ("logits", ["ids"])
        )
        metric.update_state(IDS, LOGITS, sample_weight=WEIGHT)
        expected = sk.jaccard_score(IDS, LOGITS.argmax(-1), average="macro", sample_weight=WEIGHT)
        assert float(metric.result()) == pytest.approx(expected, rel=1e-4)


def demanding(target):
    """Yield every metric that says it fits the target."""
    for name, option in option_files.options("metric").items():
        targets = declaration_reader.of("metric", option.arguments.get("name")).targets or tuple(FORMS)
        if option.arguments.get("name") and option.arguments["name"] != "auto" and target.kind in targets:
            yield name


TARGETS = {
    "binary": BINARY,
    "multiclass": MULTICLASS,
    "multilabel": MULTILABEL,
    "real": TARGET_REAL,
    "none": NONE,
}


@pytest.mark.parametrize(
    "kind, name",
    list(itertools.chain.from_iterable(((k, n) for n in demanding(t)) for k, t in TARGETS.items())),
)
def test_every_metric_works_for_every_target_that_it_declares(kind, name):
    """One compiled step: shapes, dtypes and a scalar result."""
    target = TARGETS[kind]
    y = {"binary": BITS, "multiclass": IDS, "multilabel": RNG.integers(0, 2, (N, 3))}.get(
        kind, RNG.uniform(1, 2, (N, 2)).astype("float32")
    )
    labels = FORMS[kind][0]
    predictions = "real" if kind in ("real", "none") else "logits"
    p = {"binary": MARGIN, "multiclass": LOGITS, "multilabel": LOGITS}.get(kind, y + 0.1)
    metric = build(name, target, labels, predictions)
    y = encode(y, target, labels)
    metric.update_state(y[:8], p[:8])
    tf.function(metric.update_state)(y, p, sample_weight=WEIGHT if "iou" not in name else None)
    result = metric.result()
    assert result.shape == ()
    assert np.isfinite(result)


def losses_for(target):
    """Yield every loss that says it fits the target, but `ctc`, whose labels are sequences."""
    for name, option in option_files.options("loss").items():
        if (
            option.arguments.get("name", "auto") not in ("auto", "CTC")
            and target.kind in declaration_reader.of("loss", option.arguments["name"]).targets
        ):
            yield name


@pytest.mark.parametrize(
    "kind, name",
    list(itertools.chain.from_iterable(((k, n) for n in losses_for(t)) for k, t in TARGETS.items())),
)
def test_every_loss_has_a_gradient_for_every_target_that_it_declares(kind, name):
    target, option = TARGETS[kind], option_files.find("loss", name)
    y = {"binary": BITS, "multiclass": IDS, "multilabel": RNG.integers(0, 2, (N, 3))}.get(
        kind, RNG.uniform(1, 2, (N, 2)).astype("float32")
    )
    demands = declaration_reader.of("loss", option.arguments["name"])
    reads = demands.predictions
    output = "real" if kind in ("real", "none") else next(w for w in reads if w != "real" or len(reads) == 1)
    form = choose(demands.labels, target)
    raw = {"binary": MARGIN, "multiclass": LOGITS, "multilabel": LOGITS}.get(kind, y + 0.1)
    raw = raw / np.linalg.norm(raw, axis=-1, keepdims=True) if name == "circle" else raw
    head = {"probabilities": scipy.special.softmax if kind == "multiclass" else scipy.special.expit}
    p = (
        head["probabilities"](raw, **({"axis": -1} if kind == "multiclass" else {}))
        if output == "probabilities"
        else raw
    )
    loss = construct("loss", name, **arguments(target, form, output, reads))
    with tf.GradientTape() as tape:
        p = tf.constant(p)
        tape.watch(p)
        value = loss(encode(y, target, form), p, sample_weight=WEIGHT)
    gradient = tape.gradient(value, p)
    assert value.shape == ()
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0
