"""Files of validation, test and further sets: the argument that a fault names, and columns that vary in them alone."""

from __future__ import annotations

import numpy as np
import pytest

from trainrun.data.csv import csv, describe
from trainrun.data.parquet import parquet
from trainrun.errors import UserError

ROWS = 60
ARGUMENTS = ["validation_path", "test_path", "validation_sets.hard"]


@pytest.fixture
def write(tmp_path):
    def write(name, first=0, header="x,k,y", change=lambda lines: lines):
        random = np.random.default_rng(first)
        rows = [
            f"{x:.3f},{k},{y:.3f}"
            for x, k, y in zip(
                random.normal(size=ROWS),
                random.choice(list("ab"), ROWS),
                random.normal(size=ROWS),
                strict=True,
            )
        ]
        (tmp_path / name).write_text("\n".join(change([header, *rows])) + "\n")
        return str(tmp_path / name)

    return write


def arguments_of(argument, file):
    key, _, name = argument.partition(".")
    return {key: {name: file} if name else file}


FAULTS = {
    "a value": (lambda lines: [*lines[:4], "oops,a,1", *lines[5:]], "own.csv, line 5: column x: 'oops'"),
    "many values": (lambda lines: [*lines[:31], *(f"o{line}" for line in lines[31:])], "column x: not a number in 30"),
    "another kind": (lambda lines: [lines[0], *(f"o{line}" for line in lines[1:])], "numbers in train.csv and texts"),
    "a row": (lambda lines: [*lines[:4], "1,a", *lines[5:]], "own.csv, line 5: 2 fields"),
    "the header": (lambda lines: [line.rpartition(",")[0] for line in lines], "it lacks y"),
    "no rows": (lambda lines: lines[:1], "has a header and no rows"),
    "no text": (lambda lines: ["\0"], "is no text file"),
    "the encoding": (lambda lines: [lines[0], "1,\udcff,1"], "cannot be read as text"),
}  # fmt: skip


@pytest.mark.parametrize("argument", ARGUMENTS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_held_out_csv_file_names_its_own_argument(write, tmp_path, argument, fault):
    change, message = FAULTS[fault]
    own = tmp_path / "own.csv"
    train = write("train.csv")
    write("clean.csv", 1)
    lines = change((tmp_path / "clean.csv").read_text().splitlines())
    own.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape") + b"\n")
    arguments = {"path": train, "target": "y", **arguments_of(argument, str(own))}
    with pytest.raises(UserError) as caught:
        csv(**arguments)
    (problem,) = caught.value.problems
    assert problem.key == f"data.{argument}" and message in problem.message
    assert describe(**arguments).problems[0][0] == argument


@pytest.mark.parametrize("argument", ARGUMENTS)
@pytest.mark.parametrize("fault", ["cut short", "a value", "other columns", "other types"])
def test_a_fault_of_a_held_out_parquet_file_names_its_own_argument(tmp_path, argument, fault):
    import pyarrow as pa
    import pyarrow.parquet as pq

    def table(n):
        return {"x": np.linspace(0, 1, n), "y": np.arange(n) % 7 + 0.5}

    pq.write_table(pa.table(table(ROWS)), tmp_path / "train.parquet")
    own = table(20)
    if fault == "a value":
        own["x"][3] = np.inf
    if fault == "other columns":
        del own["x"]
    if fault == "other types":
        own["x"] = np.array(["a"] * 20)
    pq.write_table(pa.table(own), tmp_path / "own.parquet")
    if fault == "cut short":
        whole = (tmp_path / "own.parquet").read_bytes()
        (tmp_path / "own.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError) as caught:
        parquet(
            path=str(tmp_path / "train.parquet"),
            target="y",
            **arguments_of(argument, str(tmp_path / "own.parquet")),
        )
    assert [problem.key for problem in caught.value.problems] == [f"data.{argument}"]


def test_the_note_on_files_counts_those_of_the_training_rows(write, capsys):
    csv(path=write("train.csv"), target="y", test_path=write("test.csv", 1))
    assert "files" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_a_further_set_is_not_called_as_a_part(write, name):
    with pytest.raises(UserError, match=rf"data.validation_sets: '{name}' is the name of another part"):
        csv(path=write("train.csv"), target="y", validation_sets={name: write("own.csv", 1)})


def with_columns(line, *values):
    return ",".join([*values, line])


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_a_column_that_varies_in_a_held_out_file_only_is_told(write, argument):
    def training(lines):
        return [
            with_columns(line, *(("flag", "lab") if i == 0 else ("3", "p"))) for i, line in enumerate(lines)
        ]

    def own(lines):
        return [
            with_columns(line, *(("flag", "lab") if i == 0 else (str(i), "pq"[i % 2])))
            for i, line in enumerate(lines)
        ]

    other = write("own.csv", 1, change=own)
    data = csv(path=write("train.csv", change=training), target="y", **arguments_of(argument, other))
    (notice,) = [text for text in data.inferred["notices"] if "one value only" in text]
    assert "in the training rows" in notice and "data.exclude=[flag,lab]" in notice
    # A column of one value in all rows is told as such, and a rare one that is held out by chance not at all.
    same = csv(path=write("train.csv", change=training), target="y")
    assert [text for text in same.inferred["notices"] if "in the training rows" in text] == []


def test_a_rare_value_that_is_held_out_by_chance_is_not_told(write):
    def rare(lines):
        return [with_columns(line, "flag" if i == 0 else str(int(i == 7))) for i, line in enumerate(lines)]

    path = write("train.csv", change=rare)
    notices = [
        text
        for seed in range(6)
        for text in csv(path=path, target="y", seed=seed, standardize=False).inferred["notices"]
    ]
    assert not [text for text in notices if "one value only" in text]
