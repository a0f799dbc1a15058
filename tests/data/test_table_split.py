"""Splits of a table by groups, time, a column and files, and folds; against scikit-learn's definitions."""

from __future__ import annotations

import numpy as np
import pytest

from trainrun.data import overview
from trainrun.data.csv import csv, describe
from trainrun.errors import UserError

ROWS = 240


@pytest.fixture
def write(tmp_path):
    def write(columns, name="t.csv"):
        rows = [",".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
        (tmp_path / name).write_text("\n".join([",".join(columns), *rows]) + "\n")
        return str(tmp_path / name)

    return write


def table(rows=ROWS, first=0):
    random = np.random.default_rng(0)
    return {
        "row": [f"{first + i}.5" for i in range(rows)],
        "patient": [f"p{i * i % 40}" for i in range(rows)],
        "when": [f"2021-{1 + i % 12:02}-{1 + i // 12 % 28:02}" for i in random.permutation(rows)],
        "part": [("train", "train", "Val", "TEST", "train")[i % 5] for i in range(rows)],
        "y": [("ok", "bad")[i % 4 == 0] for i in range(rows)],
    }


def load(path, **arguments):
    """Return the rows of each part of a table, having checked that the preflight knows how many are trained on."""
    arguments = {"path": path, "target": "y", "features": ["row"], "standardize": False} | arguments
    data = csv(**arguments)
    described = describe(**arguments)
    assert not described.problems and described.examples in (len(data.train), None)
    splits = (data.train, data.validation, data.test)
    return [np.zeros(0, int) if s is None else np.floor(s.x[:, 0]).astype(int) for s in splits], data


def faults(path, **arguments):
    arguments = {"path": path, "target": "y"} | arguments
    with pytest.raises(UserError) as caught:
        csv(**arguments)
    assert [f"data.{k}: {m}" for k, m in describe(**arguments).problems] == list(
        map(str, caught.value.problems)
    )
    return str(caught.value)


def test_rows_of_a_group_stay_together(write):
    columns = table()
    patients, labels = np.array(columns["patient"]), np.array(columns["y"])
    for seed in range(5):
        parts, data = load(write(columns), group="patient", seed=seed)
        assert sorted(np.concatenate(parts)) == list(range(ROWS))
        train, validation, test = ({*patients[part]} for part in parts)
        assert not train & validation and not train & test and not validation & test
        groups = len({*patients})
        assert (len(validation), len(test)) == (round(groups / 5), round(groups / 5))
        assert len({*labels[parts[0]]}) == 2
    assert data.features == ("row",) and overview.of(data)["split"] == "by groups of patient"
    again = load(write(columns), group="patient", seed=4)[0]
    assert all(np.array_equal(a, b) for a, b in zip(parts, again, strict=True))
    assert csv(path=write(columns), target="y", group="patient").features == (
        "row",
        "when year",
        "when month",
        "when day",
        "when weekday",
    )


def test_the_latest_rows_are_held_out(write):
    columns = table()
    when = np.array(columns["when"], "datetime64[D]")
    parts, data = load(write(columns), time="when")
    train, validation, test = (when[part] for part in parts)
    assert train.max() < validation.min() and validation.max() < test.min()
    assert sum(map(len, parts)) == ROWS and abs(len(test) - ROWS / 5) <= 3
    assert overview.of(data)["split"] == "by when"
    in_order, _ = load(write(columns), split="time")
    assert [part.tolist() for part in in_order] == [
        list(range(144)),
        list(range(144, 192)),
        list(range(192, 240)),
    ]


@pytest.mark.parametrize("years", [(0.4, 0.3, 0.3), (0.1, 0.1, 0.8), (0.8, 0.1, 0.1), (0.9, 0.05, 0.05)])
def test_rows_of_the_same_time_leave_no_part_empty(write, years):
    year = np.repeat([2019, 2020, 2021], [round(share * ROWS) for share in years])
    path = write(table() | {"year": year})
    parts, _ = load(path, time="year", stratify=False)
    assert [part.tolist() for part in parts] == [
        np.flatnonzero(year == y).tolist() for y in (2019, 2020, 2021)
    ]
    (train, validation, test), _ = load(path, time="year", validation=0, test=0.05)
    assert not len(validation) and {*year[test]} == {2021} and {*year[train]} == {2019, 2020}
    message = faults(write(table() | {"year": year // 2020}), time="year")
    assert "data.time: 2 different times are too few for 3 parts" in message and "data.test=0" in message


def test_a_column_names_the_parts(write):
    columns = table()
    parts, _ = load(write(columns), part="part")
    named = np.char.lower(columns["part"])
    for part, name in zip(parts, ("train", "val", "test"), strict=True):
        assert part.tolist() == np.flatnonzero(named == name).tolist()
    columns["part"] = ["train" if i % 5 else "test" for i in range(ROWS)]
    parts, _ = load(write(columns), part="part")
    assert len(parts[1]) == round(0.2 * 192) and parts[2].tolist() == list(range(0, ROWS, 5))


def test_parts_may_have_files_of_their_own(write):
    path, test = write(table()), write(table(60, first=500), "test.csv")
    parts, data = load(path, test_path=test)
    assert parts[2].tolist() == list(range(500, 560)) and len(parts[1]) == 48 and len(parts[0]) == 192
    assert overview.of(data)["split"] == "drawn at random, test from files of their own" and data.name == "t"
    assert overview.of(load(path, validation_path=test, test_path=test)[1])["split"] == (
        "validation and test from files of their own"
    )
    assert overview.of(load(path, validation=0, test=0)[1])["split"] == "all for training"
    parts, _ = load(path, validation_path=test, test=0)
    assert (
        parts[0].tolist() == list(range(ROWS))
        and parts[1].tolist() == list(range(500, 560))
        and not len(parts[2])
    )
    other = write({"row": [1], "z": [2]}, "other.csv")
    assert "has other columns than" in faults(path, test_path=other)
    lacking, more = (
        {"row": range(500, 530), "y": ["ok", "bad"] * 15, **other} for other in ({}, {"z": [1] * 30})
    )
    unread = [name for name in table() if name not in ("row", "y")]
    for file in (write(lacking, "lacking.csv"), write(more, "more.csv")):
        assert load(path, test_path=file)[0][2].tolist() == list(range(500, 530))
    excluded = {"features": None, "exclude": unread}
    assert len(load(path, test_path=write(lacking, "lacking.csv"), **excluded)[0][2]) == 30
    with pytest.raises(UserError, match="it also has z"):
        load(path, test_path=file, **excluded)
    assert "data.test_path: there is no file" in faults(path, test_path="nowhere.csv")


@pytest.mark.parametrize("folds", [{}, {"folds": 4, "fold": 0}])
def test_a_part_of_groups_that_is_far_from_its_share_is_told(write, folds):
    for large in (0, 170):
        columns = table() | {"patient": ["big"] * large + [f"p{i % 30}" for i in range(ROWS - large)]}
        path = write(columns)
        for seed in range(8):
            (_, validation, test), data = load(path, group="patient", seed=seed, **folds)
            shares = {"validation": 0.8 / 4 if folds else 0.2, "test": 0.2}
            counts = {"validation": len(validation), "test": len(test)}
            far = {p for p, n in counts.items() if not 0.5 <= n / ROWS / shares[p] <= 2}
            told = "".join(text for text in data.inferred["notices"] if "far from their share" in text)
            assert {part for part in counts if f"{part} {counts[part]} (for 20%)" in told} == far
            assert not far or large, "groups of equal size"


def test_a_file_whose_rows_all_lack_a_target_is_refused(write):
    path, empty = write(table()), write({**table(60), "y": [""] * 60}, "unlabelled.csv")
    assert "data.test_path: no test row is left: each lacks a target" in faults(path, test_path=empty)
    assert "data.validation_sets.new: no new row is left" in faults(path, validation_sets={"new": empty})


@pytest.mark.parametrize("groups", [False, True])
def test_folds_are_a_partition_and_keep_classes_and_groups(write, groups):
    columns = table()
    path, labels, patients = write(columns), np.array(columns["y"]), np.array(columns["patient"])
    more = {"group": "patient"} if groups else {}
    runs = [load(path, folds=5, fold=fold, **more)[0] for fold in range(5)]
    tests = {tuple(test) for _, _, test in runs}
    assert len(tests) == 1
    kept_out = np.concatenate([validation for _, validation, _ in runs])
    assert sorted([*kept_out, *next(iter(tests))]) == list(range(ROWS))
    for train, validation, test in runs:
        assert sorted([*train, *validation, *test]) == list(range(ROWS))
        if groups:
            assert not {*patients[train]} & {*patients[validation]}
        else:
            assert abs(np.mean(labels[validation] == "bad") - 0.25) < 0.03 and len(validation) in (38, 39)
    assert load(path, folds=5, fold=0, seed=1, **more)[0][1].tolist() != runs[0][1].tolist()


def test_folds_by_time_are_those_of_scikit_learn(write):
    from sklearn.model_selection import TimeSeriesSplit

    path = write(table())
    expected = list(TimeSeriesSplit(5).split(np.zeros(ROWS)))
    for fold, (train, validation) in enumerate(expected):
        parts, _ = load(path, split="time", folds=5, fold=fold, test=0, stratify=False)
        assert parts[0].tolist() == train.tolist() and parts[1].tolist() == validation.tolist()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"split": "groups"}, "data.split: expected one of auto, random, group, time, column, got 'groups'. Did you mean group?"),
        ({"split": "group"}, "data.group: data.split=group needs a column"),
        ({"split": "random", "group": "patient"}, "data.group: data.split goes by no column"),
        ({"group": "patient", "time": "when"}, "data.time: data.split goes by group"),
        ({"group": "patent"}, "data.group: the file has no column 'patent'. Did you mean patient?"),
        ({"group": "y"}, "data.group: 'y' is the target"),
        ({"part": "patient"}, "data.part: column patient has the values 'p0', 'p1'"),
        ({"time": "patient"}, "data.time: column patient: expected dates or numbers, got 'p0'"),
        ({"group": "part", "folds": 5, "fold": 0}, "groups are too few for 5 folds"),
        ({"folds": 5}, "data.folds: a run trains on one of them: data.fold=0. All as one sweep: trainrun -m data.folds=5"),
        ({"fold": 1}, "data.fold: it is one of data.folds, which is null"),
        ({"folds": 5, "fold": 5}, "data.fold: expected 0 to 4, got 5"),
        ({"folds": 1, "fold": 0}, "data.folds: expected at least 2"),
        ({"folds": 3, "fold": 0, "part": "part"}, "data.folds: the validation rows are named by column part, so they would be the same in each fold"),
        ({"folds": 200, "fold": 0, "split": "time", "time": "y", "target": "row"}, "data.time: column y: expected dates or numbers"),
    ],
)  # fmt: skip
def test_bad_splits_are_refused_with_a_message(write, arguments, expected):
    assert expected in faults(write(table()), **arguments)


def test_folds_beside_a_validation_file_are_refused(write):
    path, more = write(table()), write(table(40, 240), "more.csv")
    assert "are a file or split of their own" in faults(path, validation_path=more, folds=3, fold=0)
    parts, _ = load(path, test_path=more, folds=3, fold=0)
    assert [len(part) for part in parts] == [160, 80, 40]


def test_a_training_part_of_one_class_is_refused(write):
    columns = table() | {"y": ["ok"] * 150 + ["bad"] * 90}
    assert "data.split: all training rows are of the class 'ok'" in faults(
        write(columns), split="time", validation=0.3
    )
