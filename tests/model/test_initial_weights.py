"""Initial weights from a file: every weight is accounted for, and hostile files are refused."""

from __future__ import annotations

import h5py
import keras
import numpy as np
import pytest

from trainrun.errors import UserError
from trainrun.model import initial_weights, stored_weights, variable_paths


def model(rows=6, width=4, outputs=3):
    inputs = keras.Input((5,), dtype="int32")
    x = keras.layers.Embedding(rows, 3, name="tokens")(inputs)
    x = keras.layers.MultiHeadAttention(1, 2, name="attention")(x, x)
    x = keras.layers.BatchNormalization(name="norm")(keras.layers.Flatten()(x))
    x = keras.Sequential([keras.layers.Dense(width, name="inner")], name="block")(x)
    return keras.Model(inputs, keras.layers.Dense(outputs, name="head")(x), name="whole")


def outcomes(rows):
    return {row.path: row.outcome for row in rows}


def values(model):
    return {w.path: w.variable.numpy() for w in variable_paths.weights(model)}


@pytest.mark.parametrize("ending", [".keras", ".weights.h5"])
def test_both_kinds_of_file_give_the_weights_that_keras_loads(inside, seeded, ending):
    source, target = model(), model()
    (source.save if ending == ".keras" else source.save_weights)(f"source{ending}")
    rows = initial_weights.apply(target, stored_weights.read(inside / f"source{ending}", "init_from"))
    assert set(outcomes(rows).values()) == {"loaded"} and len(rows) == len(source.weights)
    other = model()
    other.load_weights(f"source{ending}")
    for got, expected in zip(target.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_each_weight_is_loaded_resized_skipped_new_or_unused(seeded):
    source, target = model(), model(rows=8, outputs=2)
    stored, drawn = values(source) | {"old/kernel": np.ones((2, 2))}, values(target)
    rows = initial_weights.apply(target, stored, [r"norm/.*"])
    assert outcomes(rows) == {
        **dict.fromkeys(drawn, "loaded"),
        "tokens/embeddings": "resized",
        **{f"norm/{name}": "skipped" for name in ("gamma", "beta", "moving_mean", "moving_variance")},
        "head/kernel": "new",
        "head/bias": "new",
        "old/kernel": "unused",
    }
    now = values(target)
    np.testing.assert_array_equal(now["tokens/embeddings"][:6], stored["tokens/embeddings"])
    np.testing.assert_array_equal(now["tokens/embeddings"][6:], drawn["tokens/embeddings"][6:])
    np.testing.assert_array_equal(now["block/inner/kernel"], stored["block/inner/kernel"])
    np.testing.assert_array_equal(now["head/kernel"], drawn["head/kernel"])


def test_of_several_outputs_only_the_head_that_predicts_something_else_is_new(seeded):
    x = keras.Input((3,))
    heads = {name: keras.layers.Dense(2, name=f"to_{name}")(x) for name in ("kind", "size", "place")}
    target = keras.Model(x, heads)
    stored = values(target) | {"to_size/kernel": np.ones((3, 5)), "to_size/bias": np.ones(5)}
    rows = outcomes(initial_weights.apply(target, stored, (), {"place": "other classes"}))
    assert rows == {
        f"to_{name}/{weight}": outcome
        for name, outcome in (("kind", "loaded"), ("size", "new"), ("place", "new"))
        for weight in ("kernel", "bias")
    }


@pytest.mark.parametrize(
    ("made", "skip", "message"),
    [
        (
            lambda: model(width=9),
            (),
            "block/inner/kernel is 15×4 in the file and 15×9 here.*init_skip='block/inner/.*'",
        ),
        (
            lambda: keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="d")]),
            (),
            "no weight of the file",
        ),
        (model, ["atention/.*"], "matches the path of no weight. Near ones: attention"),
        (model, ["block/inner"], "Write block/inner/.*"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_way_out_and_nothing_is_set(seeded, made, skip, message):
    target = made()
    before = target.get_weights()
    with pytest.raises(UserError, match=message):
        initial_weights.apply(target, values(model()), skip)
    assert all(np.array_equal(a, b) for a, b in zip(before, target.get_weights(), strict=True))


def _linked(file):
    file["layers/dense/vars"] = h5py.ExternalLink("/etc/hostname", "/x")


def _outside(file):
    group = file.create_group("layers/dense/vars")
    group.create_dataset("0", (4,), "u1", external=[("/etc/hostname", 0, 4)])


def _bomb(file):
    file.create_group("layers/dense/vars").create_dataset("0", (10**8, 10**6), "f4", chunks=(10**3, 10**3))


def _loop(file):
    group = file.create_group("layers/dense")
    group["again"] = group


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_linked, "is a link"),
        (_outside, "no numbers of its own"),
        (_bomb, "in memory"),
        (_loop, "too deeply"),
    ],
)
def test_a_hostile_file_is_refused(inside, make, reason):
    with h5py.File("hostile.weights.h5", "w") as file:
        make(file)
    with pytest.raises(UserError, match=reason):
        stored_weights.read(inside / "hostile.weights.h5", "init_from")


def test_what_is_no_file_of_weights_is_refused(inside):
    (inside / "text.weights.h5").write_text("no")
    with pytest.raises(UserError, match="is damaged"):
        stored_weights.read(inside / "text.weights.h5", "init_from")
