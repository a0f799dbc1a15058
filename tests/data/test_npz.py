"""Arrays from a file: their meaning told by type and shape, faults told in words, nothing unpickled."""

from __future__ import annotations

import numpy as np
import pytest

from trainrun.data.npz import describe
from trainrun.errors import UserError
from trainrun.registry.construct import construct

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (30, 6, 5, 3), dtype="uint8")
NUMBERS = RNG.normal(2, 3, (30, 4))
TWO, FOUR = np.arange(30) % 2, np.arange(30) % 4


@pytest.fixture
def save(tmp_path):
    def save(file="mine.npz", **arrays):
        path = tmp_path / file
        np.savez(path, **arrays)
        return str(path)

    return save


def load(path, **arguments):
    return construct("data", {"name": "npz", "path": path, **arguments})


@pytest.mark.parametrize(
    ("x", "y", "arguments", "kind", "shape", "target"),
    [
        (IMAGES, FOUR, {}, "image", (6, 5, 3), "multiclass"),
        (IMAGES[..., 0], TWO, {}, "image", (6, 5, 1), "binary"),
        (NUMBERS.reshape(30, 2, 2), TWO == 1, {}, "image", (2, 2, 1), "binary"),
        (NUMBERS.reshape(30, 2, 2), TWO == 1, {"kind": "sequence"}, "numeric", (2, 2), "binary"),
        (NUMBERS, NUMBERS[:, 0], {}, "numeric", (4,), "real"),
        (NUMBERS, NUMBERS[:, :2], {}, "numeric", (4,), "real"),
        (NUMBERS[:, 0], TWO, {}, "numeric", (1,), "binary"),
        (NUMBERS, np.array(["a", "b", "c"])[np.arange(30) % 3], {}, "numeric", (4,), "multiclass"),
        (NUMBERS, np.arange(30), {}, "numeric", (4,), "real"),
        (NUMBERS, TWO, {"task": "regression"}, "numeric", (4,), "real"),
        (NUMBERS, FOUR[:, None] > [0, 1, 2], {}, "numeric", (4,), "multilabel"),
        (FOUR[:, None] + [0, 1, 2], TWO, {}, "tokens", (3,), "binary"),
        (FOUR[:, None] + [0, 1, 2], TWO, {"kind": "categorical"}, "categorical", (3,), "binary"),
        (FOUR[:, None] + [0, 1, 2], TWO, {"kind": "numeric"}, "numeric", (3,), "binary"),
        (FOUR[:, None] - [1, 1], TWO, {}, "numeric", (2,), "binary"),
        (IMAGES, IMAGES[..., 0] % 2, {}, "image", (6, 5, 3), "binary"),
    ],
)
def test_role_of_an_array_follows_from_type_and_shape(save, x, y, arguments, kind, shape, target):
    path = save(x=x, y=y)
    data, description = load(path, **arguments), describe(path=path, **arguments)
    assert (data.inputs[0].kind, data.inputs[0].shape, data.target.kind) == (kind, shape, target)
    assert (description.inputs, description.target, description.task, description.examples) == (
        (kind,),
        target,
        data.task,
        18,
    )
    assert description.classes == (len(data.target.classes) or None)
    assert data.task == (
        "segmentation" if y.ndim == 3 else "regression" if target == "real" else "classification"
    )


@pytest.mark.parametrize(("dtype", "divided", "is_told"), [("uint8", 1, False), ("int64", 1, True), ("float32", 1, True),
                                                           ("float32", 255, False)])  # fmt: skip
def test_images_of_bytes_in_another_type_are_told(save, capsys, dtype, divided, is_told):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 5, 5, 1))
    data = load(save(x=(pixels / divided).astype(dtype), y=TWO))
    told = "values up to 255, and are taken as they are; only those of uint8 are divided by 255"
    assert (told in capsys.readouterr().err) == is_told
    assert np.asarray(data.train.x[:]).max() > 1 or not is_told


def test_it_is_said_that_images_in_grey_may_be_sequences(save, capsys):
    load(save(x=NUMBERS.reshape(30, 4, 1), y=TWO))
    assert (
        "[n, 4, 1], is taken for images in grey; sequences of numbers are data.kind=sequence"
        in capsys.readouterr().out
    )
    load(save(x=NUMBERS.reshape(30, 4, 1), y=TWO), kind="sequence")
    load(save(x=NUMBERS.reshape(30, 2, 2), y=TWO))
    assert "is taken for" not in capsys.readouterr().out


def test_bytes_become_numbers_up_to_one(save):
    data = load(save(x=IMAGES, y=FOUR))
    parts = np.concatenate([data.train.x, data.validation.x, data.test.x])
    assert sorted(parts.ravel()) == pytest.approx(sorted(IMAGES.ravel() / 255.0), abs=1e-6)
    assert data.target.classes == ("0", "1", "2", "3")


def test_class_ids_follow_the_sorted_labels(save):
    data = load(save(x=NUMBERS, y=np.array([7, -1, 30])[np.arange(30) % 3]))
    assert data.target.classes == ("-1", "7", "30") and set(data.train.y) == {0, 1, 2}


def test_cardinalities_are_the_highest_codes(save):
    x = FOUR[:, None] + [0, 10]
    assert load(save(x=x, y=TWO)).inputs[0].cardinalities == (14,)
    assert load(save(x=x, y=TWO), kind="categorical").inputs[0].cardinalities == (4, 14)


def test_segmentation_keeps_the_masks_with_their_images(save):
    data = load(save(x=IMAGES, y=IMAGES[..., 0] > 100))
    assert data.target.shape == (6, 5)
    assert np.array_equal(data.test.y, data.test.x[..., 0] > 100.5 / 255)


def test_classes_that_a_drawn_training_part_lacks_are_told(save, capsys):
    y = np.array(["a", "b"] * 30 + ["c"] * 2)
    path = save(x=np.arange(62.0)[:, None], y=y)
    told = [load(path, stratify=False, seed=seed) for seed in range(12)]
    lacking = [data for data in told if "c" not in {data.target.classes[i] for i in data.train.y}]
    assert lacking and all(bool(data.inferred) == any(data is one for one in lacking) for data in told)
    (notice,) = lacking[0].inferred["notices"][:1]
    assert (
        "examples are of classes that no training example has, so that they cannot be predicted: 'c'"
        in notice
    )
    assert notice.endswith("Take data.stratify=true, or leave those examples out.")
    assert "that they cannot be predicted" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("y", "words"),
    [(np.eye(4)[FOUR], "4 numbers"), (np.eye(4, dtype=int)[FOUR], "4 labels of which any may")],
)
def test_classes_in_one_hot_form_are_told(save, capsys, y, words):
    path = save(x=NUMBERS, y=y)
    (notice,) = load(path).inferred["notices"]
    assert words in notice and "y.argmax(axis=1)" in notice
    assert notice in capsys.readouterr().err.replace("\n", " ")
    assert not load(path, task="classification" if y.dtype == int else "regression").inferred
    several = y.copy()
    several[0] = 1  # an example with several labels
    assert not load(save(x=NUMBERS, y=several)).inferred


def test_two_classes_as_real_numbers_are_told(save, capsys):
    told = (
        "y has the values 0 and 1 only, and is learnt as a number. If they are two classes: data.task=class"
    )
    assert load(save(x=NUMBERS, y=TWO / 1.0)).task == "regression"
    assert told in " ".join(capsys.readouterr().err.split())
    assert load(save(x=NUMBERS, y=TWO / 1.0), task="classification").task == "classification"
    for others in ({"task": "regression"}, {}):
        load(save(x=NUMBERS, y=TWO / (1.0 if others else 2.0)), **others)
        assert "is learnt as" not in capsys.readouterr().err


def test_other_keys_and_weights(save):
    path = save(inputs=NUMBERS, labels=TWO, w=np.arange(30.0))
    data = load(path, x="inputs", y="labels", weight="w", standardize=False)
    rows = {float(np.float32(r[0])): i for i, r in enumerate(NUMBERS)}
    assert [rows[float(r[0])] for r in data.test.x] == data.test.weight.tolist()


def test_several_targets_are_outputs_with_weights_and_tasks_of_their_own(save):
    path = save(x=NUMBERS, churn=TWO, spend=NUMBERS[:, 0], stars=FOUR, w=np.arange(30.0))
    arguments = {"y": ["spend", "churn", "stars"], "weight": {"spend": "w"}, "task": {"stars": "regression"}}
    data = load(path, standardize=False, **arguments)
    assert {name: one.kind for name, one in data.target.named.items()} == {
        "spend": "real",
        "churn": "binary",
        "stars": "real",
    }
    assert describe(path=path, **arguments) == data.description()
    assert np.bincount(data.test.y["churn"]).tolist() == [3, 3]  # stratified by the first target of classes
    assert data.test.y["spend"][:, 0].astype("float32").tolist() == data.test.x[:, 0].tolist()
    rows = [NUMBERS[:, 0].tolist().index(value) for value in data.test.y["spend"][:, 0]]
    assert data.test.weight["spend"].tolist() == rows and set(data.test.weight["churn"]) == {1}


@pytest.mark.parametrize(
    ("arrays", "arguments", "key", "expected"),
    [
        ({"x": NUMBERS, "label": TWO}, {}, "y", "has no array 'y'"),
        ({"x": NUMBERS, "y": TWO[:9]}, {}, "y", "array 'y' has 9 examples, 'x' has 30"),
        ({"x": NUMBERS[:0], "y": TWO[:0]}, {}, "x", "holds no examples"),
        (
            {"x": np.array([{"a": 1}] * 30, dtype=object), "y": TWO},
            {},
            "x",
            "holds Python objects, which are never loaded",
        ),
        ({"x": NUMBERS.astype(str), "y": TWO}, {}, "x", "expected numbers"),
        (
            {"x": np.where(NUMBERS > 6, np.nan, NUMBERS), "y": TWO},
            {},
            "x",
            "hold NaN or infinity, the first is example",
        ),
        ({"x": NUMBERS, "y": TWO * 0}, {}, "y", "there is one class only"),
        ({"x": NUMBERS, "y": IMAGES[..., 0] % 3}, {}, "y", "class labels need the shape"),
        ({"x": NUMBERS, "y": TWO}, {"kind": "tokens"}, "x", "tokens need whole numbers from 0 on"),
        ({"x": NUMBERS, "y": TWO}, {"kind": "image"}, "x", "images need three or four axes"),
        ({"x": NUMBERS, "y": TWO}, {"kind": "sequence"}, "x", "sequences need numbers with three axes"),
        ({"x": NUMBERS, "y": TWO}, {"kind": "picture"}, "kind", "expected null or one of numeric, image"),
        ({"x": NUMBERS, "y": TWO}, {"task": "regresion"}, "task", "Did you mean regression?"),
        ({"x": NUMBERS, "y": np.array(["a", "b"])[TWO]}, {"task": "regression"}, "y", "the target is text"),
        ({"x": NUMBERS, "y": TWO}, {"test": 0.9}, "test", "below 1"),
        ({"x": NUMBERS, "y": TWO}, {"y": ["y", "z"]}, "y", "has no array 'z'"),
        ({"x": NUMBERS, "y": TWO, "name": TWO}, {"y": ["y", "name"]}, "y", "Rename it"),
        ({"x": NUMBERS, "y": TWO}, {"y": ["y", "x"]}, "y", "'x' is an input, too"),
        (
            {"x": NUMBERS, "y": TWO, "z": TWO * 0},
            {"y": ["y", "z"]},
            "y",
            "array 'z': there is one class only",
        ),
        (
            {"x": NUMBERS, "y": TWO, "z": TWO},
            {"y": ["y", "z"], "weight": {"q": "z"}},
            "weight",
            "no target 'q'",
        ),
        ({"x": NUMBERS, "y": TWO, "z": TWO}, {"weight": {"y": "z"}}, "weight", "got one target"),
    ],
)
def test_invalid_files_are_refused_by_preflight_and_loading(save, arrays, arguments, key, expected):
    path = save(**arrays)
    with pytest.raises(UserError) as caught:
        load(path, **arguments)
    assert any(p.key == f"data.{key}" and expected in p.message for p in caught.value.problems), caught.value
    assert any(k == key and expected in m for k, m in describe(path=path, **arguments).problems)


@pytest.mark.parametrize("mapped_from", [0, 2**30], ids=["mapped", "read"])
def test_parts_and_further_validation_sets_have_files_of_their_own(save, monkeypatch, mapped_from):
    monkeypatch.setattr("trainrun.data._npz_file.MAPPED_FROM", mapped_from)
    monkeypatch.setattr("trainrun.data._arrays.IN_MEMORY", mapped_from)
    words = np.array(["no", "certainly"])
    path = save(x=NUMBERS, y=words[TWO])
    own = {name: save(f"{name}.npz", x=NUMBERS[:n] + n, y=words[TWO[:n]]) for name, n in (("test", 4), ("hard", 5), ("easy", 6))}  # fmt: skip
    arguments = {"test_path": own.pop("test"), "validation_sets": own}
    data = load(path, **arguments)
    assert [len(part) for part in data.parts.values()] == [24, 6, 4], "only validation is split off"
    mean, std = (np.asarray(data.preprocessing["standardize"][key]) for key in ("mean", "std"))
    rows = [*np.asarray(data.train.x[:]) * std + mean, *np.asarray(data.validation.x[:]) * std + mean]
    assert sorted(row[0] for row in rows) == pytest.approx(sorted(NUMBERS[:, 0]), abs=1e-5)
    for part, n in ((data.test, 4), (data.validation_sets["hard"], 5), (data.validation_sets["easy"], 6)):
        assert np.asarray(part.x[:]) == pytest.approx((NUMBERS[:n] + n - mean) / std, abs=1e-5)
        assert [data.target.classes[i] for i in part.y] == words[TWO[:n]].tolist()
    assert describe(path=path, **arguments).examples == 24


@pytest.mark.parametrize(
    ("arrays", "name", "expected"),
    [
        ({"x": NUMBERS}, "hard", "hard.npz has no array 'y'"),
        ({"x": NUMBERS[:, :2], "y": TWO}, "hard", "array 'x' is float [n, 2], that of"),
        ({"x": NUMBERS.astype("uint8"), "y": TWO}, "hard", "array 'x' is uint8 [n, 4], that of"),
        ({"x": NUMBERS, "y": TWO / 1.0}, "hard", "array 'y' is float [n], that of"),
        ({"x": NUMBERS, "y": TWO * 2}, "hard", "15 of 30 hard examples are of classes that no training"),
        ({"x": np.where(NUMBERS > 6, np.nan, NUMBERS), "y": TWO}, "hard", "hold NaN or infinity"),
        ({"x": NUMBERS, "y": TWO}, "hard_one", "expected letters and digits"),
    ],
)
def test_a_file_of_a_part_that_does_not_fit_is_refused(save, arrays, name, expected):
    path, other = save(x=NUMBERS, y=TWO), save("hard.npz", **arrays)
    with pytest.raises(UserError) as caught:
        load(path, validation_sets={name: other})
    assert expected in str(caught.value)
    assert describe(path=path, validation_sets={name: None}).problems[-1][1].startswith("expected the path")


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04 cut short"])
def test_damaged_files_are_refused(tmp_path, content):
    path = tmp_path / "mine.npz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"data\.path: .*(empty|is no \.npz file)"):
        load(str(path))
    assert describe(path=str(path)).problems[0][0] == "path"


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"data\.path: there is no file"):
        load(str(tmp_path / "none.npz"))
