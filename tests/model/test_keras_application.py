"""Networks of keras.applications on the data's images; the smallest of them, for time."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from examples import BINARY, IMAGE, values

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.errors import UserError
from trainrun.registry.construct import construct

TINY = {"application": "MobileNetV2", "options": {"alpha": 0.35}}


def build(inputs=(IMAGE,), **arguments):
    return construct(
        "model",
        {"name": "keras_application", **TINY, **arguments},
        inputs=inputs,
        target=BINARY,
        head="sigmoid",
    )


def base(model):
    return next(layer for layer in model.layers if isinstance(layer, keras.Model))


@pytest.fixture(scope="module")
def models():
    """Return a model, and the weights that it and another of the same arguments begin with: each takes seconds to build."""
    arguments = {"regularizer": {"name": "l2", "l2": 0.1}, "initializer": {"name": "he_normal", "seed": 3}}
    model, again = build(**arguments), build(**arguments)
    starts = [[np.copy(w) for w in m.get_weights()] for m in (model, again)]
    return model, starts


@pytest.fixture(scope="module")
def frozen():
    return build((InputSpec("image", "image", (32, 32, 3)),), trainable=False)


def test_small_grey_images_are_resized_and_tripled(models, tmp_path):
    model, x = models[0], values((IMAGE,))
    assert base(model).input_shape == (None, 32, 32, 3)
    output = np.asarray(model(x))
    assert output.shape == (6, 1) and np.isfinite(output).all()
    model.save(tmp_path / "m.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "m.keras")(x), output)


def test_pixels_reach_the_network_in_its_own_range(frozen):
    model = frozen
    before = keras.Model(model.input, base(model)._inbound_nodes[-1].input_tensors[0])
    x = np.linspace(0, 1, 32 * 32 * 3, dtype="float32").reshape(1, 32, 32, 3)
    expected = keras.applications.mobilenet_v2.preprocess_input(255 * x.copy())
    np.testing.assert_allclose(before(x), expected, atol=1e-5)


def test_frozen_backbone_trains_only_the_head(frozen):
    assert [w.path.split("/")[0] for w in frozen.trainable_weights] == ["head", "head"]


def test_penalty_counts_every_kernel_and_seeds_repeat_the_start(models):
    model, starts = models
    kernels = [np.asarray(w, "float64") for w in model.trainable_weights if "kernel" in w.path]
    assert float(sum(model.losses)) == pytest.approx(0.1 * sum((k**2).sum() for k in kernels), rel=1e-4)
    assert len(kernels) == 53
    assert all(np.array_equal(a, b) for a, b in zip(*starts, strict=True))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            {"application": "MobileNetV22"},
            r"model\.application: expected one of .*Did you mean MobileNetV2\?",
        ),
        ({"options": {"alfa": 1}}, "MobileNetV2 refused: .*alfa"),
        ({"weights": "no_such.weights.h5"}, "model.weights: there is no file no_such"),
    ],
)
def test_bad_arguments_are_refused_with_a_message(arguments, says):
    with pytest.raises(UserError, match=says):
        build(**arguments)


def test_weights_of_a_file_are_loaded_and_those_of_another_network_refused(inside):
    source = keras.applications.MobileNet(
        include_top=False, weights=None, alpha=0.25, input_shape=(32, 32, 3)
    )
    source.save_weights("net.weights.h5")
    inputs, target = (InputSpec("image", "image", (32, 32, 3)),), TargetSpec("multiclass", ("a", "b"), 2)
    made = {"application": "MobileNet", "weights": "net.weights.h5"}

    def build(**arguments):
        return construct(
            "model", {"name": "keras_application", **arguments}, inputs=inputs, target=target, head=None
        )

    model = build(options={"alpha": 0.25}, **made)
    (base,) = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    for got, expected in zip(base.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(got, expected)
    with pytest.raises(
        UserError, match=r"model.weights: net.weights.h5 lacks, or has in another shape, conv1/kernel"
    ):
        build(options={"alpha": 0.5}, **made)
