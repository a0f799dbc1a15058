"""Each augmentation against Keras' layer, scipy, numpy, or the distribution that it is drawn from."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import tensorflow as tf

import trainrun
from trainrun.augment import _draw
from trainrun.augment._sequence import Augmentations, Named
from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.errors import UserError
from trainrun.registry import declaration_reader, lookup
from trainrun.registry.construct import construct

OPTIONS = sorted(lookup.own_names("augment"))
KINDS = {"image": (12, 10, 3), "numeric": (6,), "tokens": (9,), "categorical": (4,)}


def seed(step=0):
    return _draw.seed_of_step([7, 0, step])


def batch(kind, size=64):
    rng = np.random.default_rng(0)
    if kind in ("tokens", "categorical"):
        return rng.integers(0, 20, (size, *KINDS[kind])).astype("int32")
    return rng.random((size, *KINDS[kind])).astype("float32")


def augmentations(name, kind=None, target=None, **arguments):
    declared = declaration_reader.of("augment", name)
    kind = kind or declared.inputs[0]
    part = Named(name, construct("augment", {"name": name, **arguments}), declared)
    return kind, Augmentations([part], [InputSpec("input", kind, KINDS[kind])], target or TargetSpec("real"))


@pytest.mark.parametrize("name", OPTIONS)
def test_a_batch_is_a_function_of_seed_epoch_and_step(name):
    kind, augment = augmentations(name)
    x, y = batch(kind), np.eye(64, dtype="float32")
    drawn = {}
    for at in ([7, 0, 0], [8, 0, 0], [7, 1, 0], [7, 0, 1]):
        place = tf.constant(at, tf.int64)
        once = augment(tf.constant(x), tf.constant(y), None, place)[0]
        compiled = tf.function(augment, autograph=False)
        again = compiled(tf.constant(x), tf.constant(y), None, place)[0]
        np.testing.assert_allclose(again, once, atol=1e-5, err_msg=f"{name} {at}")
        assert once.shape == x.shape
        assert once.dtype == x.dtype
        drawn[np.asarray(once).tobytes()] = at
    assert len(drawn) == 4, drawn


@pytest.mark.parametrize(
    ("mode", "axes"), [("horizontal", [2]), ("vertical", [1]), ("horizontal_and_vertical", [1, 2])]
)
def test_each_image_is_flipped_half_of_the_time(mode, axes):
    images = np.broadcast_to(batch("image", 1), (4000, *KINDS["image"]))
    flipped = construct("augment", {"name": "random_flip", "mode": mode})(tf.constant(images), seed())
    kinds = {tuple(s): np.flip(images[0], [a - 1 for a in s]) for s in ([], *[[a] for a in axes], axes)}
    counts = {s: sum(np.array_equal(f, k) for f in np.asarray(flipped)) for s, k in kinds.items()}
    assert sum(counts.values()) == 4000
    # Five standard deviations of a binomial.
    p = 1 / len(kinds)
    assert all(abs(c - 4000 * p) < 5 * (4000 * p * (1 - p)) ** 0.5 for c in counts.values()), counts


@pytest.mark.parametrize("fill_mode", ["reflect", "constant", "nearest"])
@pytest.mark.parametrize(
    ("name", "layer", "arguments"),
    [
        ("random_rotation", "RandomRotation", {"factor": [0.1, 0.1]}),
        (
            "random_translation",
            "RandomTranslation",
            {"height_factor": [0.2, 0.2], "width_factor": [-0.31, -0.31]},
        ),
        ("random_zoom", "RandomZoom", {"height_factor": [0.3, 0.3], "width_factor": [-0.2, -0.2]}),
        ("random_zoom", "RandomZoom", {"height_factor": [0.3, 0.3]}),
    ],
)
def test_pixels_move_as_in_keras_layers(name, layer, arguments, fill_mode):
    """The ranges are single values, so that nothing is random."""
    images = batch("image", 3)
    ours = construct("augment", {"name": name, "fill_mode": fill_mode, **arguments})(
        tf.constant(images), seed()
    )
    theirs = getattr(keras.layers, layer)(fill_mode=fill_mode, **arguments)(images, training=True)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_rotation_is_scipys_affine_transform():
    image, angle = batch("image", 1)[0, :, :, 0], 2 * np.pi * 0.07
    rotate = construct(
        "augment", {"name": "random_rotation", "factor": [0.07, 0.07], "fill_mode": "constant"}
    )
    ours = np.asarray(rotate(tf.constant(image[None, :, :, None]), seed()))[0, :, :, 0]
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    center = (np.array(image.shape) - 1) / 2
    theirs = [
        scipy.ndimage.affine_transform(image, m, center - m @ center, order=1, mode="grid-constant")
        for m in (matrix, matrix.T)
    ]
    assert min(np.abs(ours - t).max() for t in theirs) < 1e-5


def test_numbers_are_drawn_from_the_whole_range():
    images = np.full((4000, 1, 1, 1), 0.5, "float32")
    bright = construct("augment", {"name": "random_brightness", "factor": 0.3})(tf.constant(images), seed())
    values = np.asarray(bright).ravel()
    assert scipy.stats.kstest(values, scipy.stats.uniform(0.2, 0.6).cdf).pvalue > 1e-3


def test_contrast_is_that_of_numpy():
    images = batch("image", 50) * 0.2 + 0.4
    ours = np.asarray(
        construct("augment", {"name": "random_contrast", "factor": 0.5})(tf.constant(images), seed())
    )
    mean = images.mean((1, 2), keepdims=True)
    scale = (ours - mean) / (images - mean)
    scales = np.median(scale, axis=(1, 2, 3))
    np.testing.assert_allclose(ours, (images - mean) * scales[:, None, None, None] + mean, atol=1e-5)
    assert 0.5 <= scales.min() < 0.6 < 1.4 < scales.max() <= 1.5


@pytest.mark.parametrize(("fill_mode", "pads"), [("constant", "constant"), ("reflect", "symmetric")])
def test_a_crop_is_a_window_of_the_padded_image(fill_mode, pads):
    image = batch("image", 1)[0]
    crop = construct("augment", {"name": "random_crop", "padding": 1, "fill_mode": fill_mode})
    padded = np.pad(image, [(1, 1), (1, 1), (0, 0)], pads)
    windows = {padded[i : i + 12, j : j + 10].tobytes(): (i, j) for i in range(3) for j in range(3)}
    crops = np.asarray(crop(tf.constant(np.repeat(image[None], 500, 0)), seed()))
    places = [windows[c.tobytes()] for c in crops]
    counts = np.unique(places, axis=0, return_counts=True)[1]
    assert len(counts) == 9
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


def test_erased_rectangles_have_the_share_and_the_rate():
    images = np.ones((2000, 40, 40, 1), "float32")
    erase = construct(
        "augment", {"name": "random_erasing", "rate": 0.3, "scale": [0.25, 0.25], "fill_value": 0.0}
    )
    holes = 1 - np.asarray(erase(tf.constant(images), seed()))[..., 0]
    hit = holes.any((1, 2))
    assert abs(hit.mean() - 0.3) < 5 * (0.21 / 2000) ** 0.5
    np.testing.assert_array_equal(holes[hit].sum((1, 2)), 400)  # half of each side
    for hole in holes[hit][:20]:
        rows, columns = hole.any(1), hole.any(0)
        np.testing.assert_array_equal(hole, np.outer(rows, columns))


def test_color_jitter_keeps_grey_grey_and_changes_saturation():
    jitter = construct(
        "augment",
        {"name": "color_jitter", "brightness_factor": 0.0, "contrast_factor": 0.0, "saturation_factor": 1.0},
    )
    grey = np.repeat(batch("image", 4)[..., :1], 3, -1)
    np.testing.assert_allclose(jitter(tf.constant(grey), seed()), grey, atol=1e-6)
    color = batch("image", 4) * 0.2 + 0.4
    luminance = color @ np.array([0.299, 0.587, 0.114], "float32")
    ours = np.asarray(jitter(tf.constant(color), seed()))
    np.testing.assert_allclose(ours @ np.array([0.299, 0.587, 0.114]), luminance, atol=1e-5)
    assert np.abs(ours - color).max() > 0.01


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_mixup_mixes_inputs_labels_and_weights_by_the_same_shares(alpha):
    """Unit vectors as inputs: the mixed vector shows which examples it is of, and their shares."""
    n = 1500
    eye, weight = np.eye(n, dtype="float32"), np.linspace(1, 2, n).astype("float32")
    mix = construct("augment", {"name": "mixup", "alpha": alpha})
    x, y, w = mix({"a": tf.constant(eye)}, tf.constant(eye), tf.constant(weight), seed())
    shares = np.asarray(x["a"])
    np.testing.assert_array_equal(y, shares)
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-6)
    np.testing.assert_allclose(w, shares @ weight, rtol=1e-5)
    assert ((shares > 0).sum(1) <= 2).all()
    own = np.diag(shares)
    other = shares - np.diag(own)
    assert (np.count_nonzero(other, axis=0) <= 1).all()  # a permutation
    assert scipy.stats.kstest(own, scipy.stats.beta(alpha, alpha).cdf).pvalue > 1e-3


def test_cutmix_mixes_labels_by_the_pixels_that_were_pasted():
    n = 400
    images = np.broadcast_to(np.arange(1, n + 1, dtype="float32")[:, None, None, None], (n, 40, 50, 1))
    mix = construct("augment", {"name": "cutmix"})
    x, y, _ = mix({"a": tf.constant(images)}, tf.constant(np.eye(n, dtype="float32")), None, seed())
    pixels = np.asarray(x["a"])[..., 0].astype(int)
    expected = np.stack([np.bincount(p.ravel(), minlength=n + 1)[1:] / 2000 for p in pixels])
    np.testing.assert_allclose(y, expected, atol=1e-6)
    assert scipy.stats.kstest(np.diag(expected), scipy.stats.uniform.cdf).pvalue > 1e-3


def test_noise_and_dropout_have_their_rates():
    values = batch("numeric", 4000)
    noise = (
        np.asarray(
            construct("augment", {"name": "gaussian_noise", "stddev": 0.5})(tf.constant(values), seed())
        )
        - values
    )
    assert scipy.stats.kstest(noise.ravel(), scipy.stats.norm(0, 0.5).cdf).pvalue > 1e-3
    dropped = np.asarray(
        construct("augment", {"name": "feature_dropout", "rate": 0.2})(tf.constant(values), seed())
    )
    assert set(np.unique(dropped[dropped != values])) == {0}
    assert abs((dropped == 0).mean() - 0.2) < 0.02
    ids = batch("tokens", 4000)
    tokens = np.asarray(
        construct("augment", {"name": "token_dropout", "rate": 0.3, "token": 99})(tf.constant(ids), seed())
    )
    np.testing.assert_array_equal(tokens[ids == 0], 0)
    assert abs((tokens == 99)[ids != 0].mean() - 0.3) < 0.02


@pytest.mark.parametrize("shape", [(2000, 3), (300, 5, 3)])
def test_swap_noise_takes_values_of_the_same_column(shape):
    values = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    swapped = np.asarray(
        construct("augment", {"name": "swap_noise", "rate": 0.4})(tf.constant(values), seed())
    )
    for column in range(3):
        rows = {v.tobytes() for v in values[..., column]}
        assert all(v.tobytes() in rows for v in swapped[..., column])
    changed = (swapped != values).reshape(shape[0], -1, 3).any(1).mean()
    assert abs(changed - 0.4) < 0.06


@pytest.mark.parametrize("form", ["ids", "one_hot", "binary"])
@pytest.mark.parametrize("name", [n for n in OPTIONS if declaration_reader.of("augment", n).moves_pixels])
def test_masks_move_as_their_images(name, form):
    """An image of the class ids themselves, read from the nearest pixel as the mask is."""
    classes = 2 if form == "binary" else 4
    ids = np.random.default_rng(1).integers(0, classes, (8, 12, 10))
    y = {"ids": ids, "one_hot": np.eye(4, dtype="float32")[ids], "binary": ids[..., None].astype("float32")}[
        form
    ]
    weight = (ids + 1).astype("float32")
    nearest = {} if name in ("random_flip", "random_crop") else {"interpolation": "nearest"}
    _, augment = augmentations(name, "image", TargetSpec("multiclass", tuple("abcd"), 4, (12, 10)), **nearest)
    x, moved, weights = augment(
        tf.constant(ids[..., None].astype("float32")),
        tf.constant(y),
        tf.constant(weight),
        tf.constant([7, 0, 0], tf.int64),
    )
    image = np.asarray(x)[..., 0]
    assert not np.array_equal(image, ids)
    got = (
        np.argmax(moved, -1)
        if form == "one_hot"
        else np.asarray(moved)[..., 0]
        if form == "binary"
        else moved
    )
    np.testing.assert_array_equal(got, image)
    if name != "random_crop":  # outside of the image there is class 0, and no weight
        np.testing.assert_array_equal(weights, image + 1)


@pytest.mark.parametrize("values", [[1, 0], [0, 0], [0, 0.5, 1]])
def test_a_range_of_values_goes_upwards(values):
    for name in ("color_jitter", "random_brightness", "random_contrast", "random_erasing"):
        with pytest.raises(UserError, match="value_range: expected a smallest and a largest value"):
            augmentations(name, value_range=values)


def test_a_zoom_to_nothing_is_refused(inside):
    for factor in (-1, [-1, 0]):
        text = f"augment.random_zoom.height_factor={factor}".replace(" ", "")
        with pytest.raises(UserError, match=r"height_factor: expected a number in \(-1, 1\]"):
            trainrun.run(["data=digits", "model=cnn", "augment=[random_zoom]", text])


def test_padding_by_mirror_images_beyond_the_image_is_refused():
    kind, augment = augmentations("random_crop", padding=11, fill_mode="reflect")
    with pytest.raises(UserError, match="of 10 pixels at least; got 11"):
        augment(tf.constant(batch(kind)), tf.zeros([64, 1]), None, tf.constant([7, 0, 0], tf.int64))
