"""Texts in a table or in folders, against Keras' own vectorization."""

from __future__ import annotations

import csv

import keras
import numpy as np
import pandas as pd
import pytest

import trainrun
from trainrun.data import _text_files, overview
from trainrun.data.preprocessor import Preprocessor
from trainrun.data.text import describe
from trainrun.errors import UserError
from trainrun.run import stored_preprocessing

WORDS = ["a", "Good", "bad,", "film", "plot!", "NONE", "actor", "scène", "two\nlines", '"quoted"']
RNG = np.random.default_rng(0)
TEXTS = [" ".join(RNG.choice(WORDS, size=1 + i % 7)) + (" great" if i % 2 else " poor") for i in range(60)]
LABELS = ["pos" if i % 2 else "neg" for i in range(60)]


@pytest.fixture
def table(inside):
    with (inside / "reviews.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("review", "stars"), *zip(TEXTS, LABELS, strict=True)])
    return str(inside / "reviews.csv")


def write(path, rows):
    with open(path, "w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("review", "stars"), *rows])


def load(path, **arguments):
    return trainrun.build("data", "text", path=path, **arguments)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_tokens": 6, "standardize": "lower"},
        {"tokens": "character", "standardize": None},
        {"ngrams": 2, "sequence_length": 3},
    ],
    ids=str,
)
def test_tokens_are_those_of_keras_fitted_on_the_training_part(table, options):
    data = load(table, text="review", target="stars", split="time", **options)
    parts = [TEXTS[:36], TEXTS[36:48], TEXTS[48:]]
    length = data.inputs[0].shape[0]
    layer = keras.layers.TextVectorization(
        options.get("max_tokens", 20000),
        options.get("standardize", "lower_and_strip_punctuation"),
        options.get("tokens", "whitespace"),
        options.get("ngrams"),
        output_sequence_length=length,
    )
    layer.adapt(parts[0])
    for part, texts in zip((data.train, data.validation, data.test), parts, strict=True):
        assert part.x.tolist() == layer(texts).numpy().tolist()
    assert data.inputs[0].cardinalities == (layer.vocabulary_size(),)
    if "sequence_length" not in options and "tokens" not in options:
        lengths = sorted(len(text.split()) for text in parts[0])
        assert length == lengths[int(np.ceil(0.95 * 35))]


def test_texts_without_blanks_between_words_are_told(inside, capsys):
    letters = [chr(c) for c in RNG.integers(0x4E00, 0x4E20, 600)]
    texts = ["".join(letters[i * 10 : i * 10 + 10]) for i in range(60)]
    write("zh.csv", zip(texts, LABELS, strict=True))
    assert len(set(texts)) == 60
    data = load("zh.csv", text="review", target="stars")
    assert any("100% of the tokens of held-out texts are unknown" in n for n in data.inferred["notices"])
    assert not load("zh.csv", text="review", target="stars", tokens="character").inferred["notices"]
    capsys.readouterr()
    trainrun.build("data", "csv", path="zh.csv", text=["review"], target="stars")
    assert "data.text={review: {tokens: character}}" in " ".join(capsys.readouterr().err.split())


def test_files_without_a_text_are_left_out_and_utf_16_is_read_by_its_mark(inside):
    for i, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True)):
        (inside / "f" / label).mkdir(parents=True, exist_ok=True)
        (inside / "f" / label / f"{i:02}.txt").write_text(text, "utf-16" if i % 3 else "utf-8")
    arguments = {"validation": 0, "test": 0}
    whole = load("f", **arguments)
    (inside / "f" / "neg" / "00.txt").write_text("")
    (inside / "f" / "pos" / "01.txt").write_text(" \n", "utf-16")
    data = load("f", **arguments)
    assert len(whole.train) == 60 and len(data.train) == 58 and data.inferred["left_out"] == 2
    words = keras.layers.TextVectorization(output_sequence_length=data.inputs[0].shape[0])
    kept = [
        t for label in ("neg", "pos") for t, own in zip(TEXTS[2:], LABELS[2:], strict=True) if own == label
    ]
    words.adapt(kept)
    assert data.train.x.tolist() == words(kept).numpy().tolist()
    for file in (inside / "f").glob("*/*.txt"):
        file.write_text("")
    with pytest.raises(UserError, match="all files of a part have no text"):
        load("f", **arguments)


def test_a_column_of_a_table_has_the_same_tokens_also_by_a_stored_vocabulary(table, inside):
    arguments = {"target": "stars", "split": "time"}
    expected = load(table, text="review", **arguments)
    data = trainrun.build("data", "csv", path=table, text=["review"], **arguments)
    for part, same in zip(data.parts.values(), expected.parts.values(), strict=True):
        np.testing.assert_array_equal(part.x, same.x)
    with (inside / "later.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("review", "stars"), *zip(TEXTS[36:], LABELS[36:], strict=True)])
    stored = Preprocessor.from_json(Preprocessor.of(data).to_json())
    later = trainrun.build("data", "csv", path="later.csv", preprocessor=stored, **arguments)
    of_all = [
        np.concatenate([part.x for part in parts])
        for parts in (later.parts.values(), (data.validation, data.test))
    ]
    np.testing.assert_array_equal(*of_all)


def test_further_validation_sets_are_read_by_the_vocabulary_and_classes_of_the_training_part(table, inside):
    rows = [("good film unheard", "pos"), ("a bad plot", "neg")]
    write("hard.csv", rows)
    arguments = {
        "text": "review",
        "target": "stars",
        "split": "time",
        "validation_sets": {"hard": "hard.csv"},
    }
    data = load(table, **arguments)
    layer = keras.layers.TextVectorization(output_sequence_length=data.inputs[0].shape[0])
    layer.adapt(TEXTS[:36])
    assert data.validation_sets["hard"].x.tolist() == layer([text for text, _ in rows]).numpy().tolist()
    assert [data.target.classes[i] for i in data.validation_sets["hard"].y] == ["pos", "neg"]
    assert [len(part) for part in data.parts.values()] == [36, 12, 12]
    write("hard.csv", [*rows, ("no such stars", "mixed")])
    (fault,) = describe(path=table, **arguments).problems
    assert fault[0] == "validation_sets.hard"
    assert (
        "1 of 3 hard rows are of classes that no training row has, so that they cannot be predicted: 'mixed' (1)"
        in fault[1]
    )


def test_a_validation_set_of_texts_is_measured_alike_by_both_trainers_and_after_a_resume(table):
    write("hard.csv", list(zip(TEXTS[:9], LABELS[1:10], strict=True)))
    settings = ["data=text", f"data.path={table}", "data.text=review", "data.target=stars", "model=linear", "tracking=none",
                "artifacts.plots=false", "data.validation_sets={hard: hard.csv}"]  # fmt: skip
    runs = [trainrun.run([*settings, f"trainer={name}", "trainer.epochs=3"]) for name in ("fit", "custom")]
    losses = [run.history["val.hard_loss"] for run in runs]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4) and len(losses[0]) == 3
    for run in runs:
        expected = run.evaluate("hard.csv").metrics["loss"].value
        assert run.metrics["val.hard_loss"] == pytest.approx(expected, rel=1e-5)
    stopped = trainrun.run([*settings, "trainer=fit", "trainer.epochs=2"])
    resumed = trainrun.resume(stopped.run_dir, ["trainer.epochs=3"])
    assert resumed.history["val.hard_loss"] == pytest.approx(losses[0], rel=1e-6)


def test_a_missing_text_is_an_empty_one_and_needs_no_indicator_where_there_is_nothing_else(inside):
    with (inside / "gaps.csv").open("w", encoding="utf-8", newline="") as stream:
        texts = ["" if i % 9 == 4 else text for i, text in enumerate(TEXTS)]
        csv.writer(stream).writerows([("review", "stars"), *zip(texts, LABELS, strict=True)])
    data = trainrun.build("data", "csv", path="gaps.csv", target="stars", text=["review"])
    assert [spec.kind for spec in data.inputs] == ["tokens"] and (data.train.x == 0).all(axis=1).any()
    assert "missing values imputed: review 7 with an empty text" in list(overview.lines(overview.of(data)))


def test_rows_without_a_text_or_target_are_left_out(table, inside):
    frame = pd.read_csv(table)
    frame.loc[[3, 9], "review"] = [None, "  "]
    frame.loc[5, "stars"] = None
    frame.to_csv("gaps.csv", index=False)
    arguments = {"text": "review", "target": "stars", "validation": 0, "test": 0}
    data, known = load("gaps.csv", **arguments), describe(path="gaps.csv", **arguments)
    frame.drop(index=[3, 5, 9]).to_csv("whole.csv", index=False)
    expected = load("whole.csv", **arguments)
    np.testing.assert_array_equal(data.train.x, expected.train.x)
    np.testing.assert_array_equal(data.train.y, expected.train.y)
    assert not known.problems and known.examples == len(frame) - 3
    assert any(line.startswith("rows left out: 3 ") for line in overview.lines(overview.of(data)))
    with pytest.raises(UserError, match="column review: 2 missing values, the first in line 6") as caught:
        load("gaps.csv", **arguments, missing="error")
    assert "data.missing=auto" not in str(caught.value)


def test_a_folder_for_each_class_is_the_same_table(table, inside):
    for i, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True)):
        (inside / "reviews" / label).mkdir(parents=True, exist_ok=True)
        (inside / "reviews" / label / f"{i:02}.txt").write_text(text, encoding="utf-8")
    data, known = load(str(inside / "reviews"), test=0), describe(path=str(inside / "reviews"), test=0)
    assert data.target.classes == known.class_names == ("neg", "pos")
    assert (known.inputs, known.examples) == (("tokens",), len(data.train))
    expected = load(table, text="review", target="stars", test=0)
    assert data.inputs[0].cardinalities[0] == pytest.approx(expected.inputs[0].cardinalities[0], abs=2)


def test_texts_that_training_and_test_part_share_are_reported(inside, capsys):
    repeated = [f"{text} {i % 30}" for i, text in enumerate(TEXTS[:30] * 2)]
    for labels, expected in (
        (LABELS, 1),
        ([*LABELS[:45], *LABELS[44:-1]], 0),
    ):  # other labels in the test part
        with (inside / "reviews.csv").open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([("text", "stars"), *zip(repeated, labels, strict=True)])
        data = load("reviews.csv", text="text", target="stars", split="time", validation=0, test=0.25)
        assert len(data.inferred["notices"]) == expected
        notice = "15 of the 15 test texts are the same, with the same target, as a training one"
        assert (notice in " ".join(capsys.readouterr().err.split())) == bool(expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "data.target: expected the column to predict|data.text: expected the column of texts, got null. The file has review, stars"),
        ({"text": "reviw", "target": "stars"}, "data.text: the file has no column 'reviw'. Did you mean review"),
        ({"text": "review", "target": "review"}, "the target 'review' is among the features"),
        ({"text": "review", "target": "stars", "group": "nothing"}, "data.group: .*no column 'nothing'"),
        ({"text": "review", "target": "stars", "encoding": "ascii"}, "cannot be read as text in ascii"),
    ],
)  # fmt: skip
def test_faults_of_a_table_are_named(table, arguments, message):
    with pytest.raises(UserError, match=message):
        load(table, **arguments)
    assert describe(path=table, **arguments).problems


def test_files_in_another_encoding_are_named_with_the_way_out(inside):
    for label in ("neg", "pos"):
        (inside / "t" / label).mkdir(parents=True)
        for i in range(9):
            (inside / "t" / label / f"{i}.txt").write_bytes(f"caf\xe9 {i}".encode("cp1252"))
    with pytest.raises(UserError, match=r"neg/0.txt is not text in utf-8.* data.encoding=cp1252"):
        load(str(inside / "t"))
    assert len(load(str(inside / "t"), encoding="cp1252").train) > 0
    file = str(inside / "t" / "neg" / "0.txt")
    for trained in (None, "cp1252", "utf-16"):  # of a file that comes later
        texts, faults, warning = _text_files.read_later([file], trained)
        assert (texts, faults, file in warning) == (["café 0"], [], trained != "cp1252")


def test_other_texts_are_read_by_the_vocabulary_and_classes_of_the_model(table, inside):
    first = load(table, text="review", target="stars", split="time")
    stored = Preprocessor.from_json(Preprocessor.of(first).to_json())
    with (inside / "other.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = [(f"unheard of {TEXTS[i]}", "neg" if i % 3 else "pos") for i in range(60)]
        csv.writer(stream).writerows([("review", "stars"), *rows])
    arguments = {"text": "review", "target": "stars", "split": "time"}
    other = load("other.csv", **arguments)
    with pytest.raises(UserError, match=r"init_from: the model has a vocabulary of its own"):
        stored_preprocessing.applied(other, stored, "init_from", "init_from")
    data = stored_preprocessing.applied(load("other.csv", preprocessor=stored, **arguments), stored)
    layer = keras.layers.TextVectorization(output_sequence_length=first.inputs[0].shape[0])
    layer.adapt(TEXTS[:36])
    assert data.train.x.tolist() == layer([text for text, _ in rows[:36]]).numpy().tolist()
    assert (data.target.classes, data.inputs) == (first.target.classes, first.inputs)
    assert [data.target.classes[y] for y in data.test.y] == [label for _, label in rows[48:]]


def test_a_missing_text_is_answered_with_ways_out_that_there_are(inside):
    rows = [("review", "stars"), ("?", "pos"), *zip(TEXTS, LABELS, strict=True)]
    with (inside / "gaps.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)
    with pytest.raises(UserError) as refused:
        trainrun.build("data", "text", path="gaps.csv", text="review", target="stars", missing="error")
    text = str(refused.value)
    assert "column review: 1 missing values, the first in line 2 ('?' once)" in text
    assert "data.missing=auto" not in text and "data.na_values" not in text
    build = {"path": "gaps.csv", "target": "stars"}
    assert len(trainrun.build("data", "text", text="review", missing="drop", **build).train) == 36
    assert "data=csv 'data.text=[review]'" in text
    assert sum(map(len, trainrun.build("data", "csv", text=["review"], **build).parts.values())) == 61
