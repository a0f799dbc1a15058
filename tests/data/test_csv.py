"""CSV files as people have them: read right, or refused with the line and the way out."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import shlex
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pyarrow
import pytest

import trainrun
from trainrun.data import _spool, overview, table_rows
from trainrun.data._csv_file import sniff_delimiter
from trainrun.data._csv_format import CsvFormat
from trainrun.data._csv_source import SMALL
from trainrun.data.csv import describe, open_source
from trainrun.data.preprocessor import Preprocessor
from trainrun.errors import UserError
from trainrun.hydra_bridge import preflight
from trainrun.registry.construct import construct
from trainrun.util import machine

HEADER = "age,city,income,buys"


@pytest.fixture
def write(tmp_path):
    def write(text, name="people.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return str(path)

    return write


def people(n=60, header=HEADER, change=None):
    """Return n rows; `change` maps a file's line to its text."""
    cities = ("Rome", "Oslo", "Lima")
    lines = [header] + [
        f"{20 + i % 40},{cities[i % 3]},{1000.5 + 7 * i},{'yes' if i % 2 else 'no'}" for i in range(n)
    ]
    for line, text in (change or {}).items():
        lines[line - 1] = text
    return "\n".join(lines) + "\n"


def load(path, target="buys", **arguments):
    return construct("data", {"name": "csv", "path": path, "target": target, **arguments})


def faults(path, target="buys", **arguments):
    """Return the faults found by loading, having checked that the preflight finds the same."""
    with pytest.raises(UserError) as caught:
        load(path, target, **arguments)
    loading = [str(p) for p in caught.value.problems]
    assert [f"data.{k}: {m}" for k, m in describe(path=path, target=target, **arguments).problems] == loading
    return "\n".join(loading)


def test_numeric_and_categorical_columns_are_distinguished(write):
    data = load(write(people()))
    assert [(i.name, i.kind, i.shape, i.cardinalities) for i in data.inputs] == [
        ("numeric", "numeric", (2,), ()),
        ("categorical", "categorical", (1,), (4,)),
    ]
    assert (
        data.task == "classification"
        and data.target.kind == "binary"
        and data.target.classes == ("no", "yes")
    )
    assert data.features == ("age", "income") and data.name == "people"
    assert data.preprocessing["categories"] == {"city": ["<unknown>", "Lima", "Oslo", "Rome"]}
    assert (len(data.train), len(data.validation), len(data.test)) == (36, 12, 12)
    assert set(data.train.x) == {"numeric", "categorical"} and data.train.x["categorical"].dtype == np.int32


def test_values_are_those_of_the_file(write):
    data = load(write(people()), standardize=False)
    cities = data.preprocessing["categories"]["city"]
    rows = {
        (float(a), cities[c], round(float(m), 1), data.target.classes[y])
        for part in (data.train, data.validation, data.test)
        for (a, m), (c,), y in zip(part.x["numeric"], part.x["categorical"], part.y, strict=True)
    }
    expected = {tuple(line.split(",")) for line in people().splitlines()[1:]}
    assert rows == {(float(a), c, float(m), y) for a, c, m, y in expected}


def test_preflight_describes_what_loading_returns(write):
    path = write(people())
    for arguments in ({}, {"features": ["age"]}, {"features": ["city"]}, {"task": "classification"}):
        data, description = load(path, **arguments), describe(path=path, target="buys", **arguments)
        assert (description.task, description.target, description.classes, description.examples) == (
            data.task,
            data.target.kind,
            2,
            len(data.train),
        )
        assert description.inputs == tuple(i.kind for i in data.inputs)
    data, description = load(path, "income"), describe(path=path, target="income")
    assert description.target == data.target.kind == "real" and description.classes is None


def test_model_without_tokens_is_refused_by_the_preflight(write):
    arguments = [
        "data=csv",
        f"data.path={write(people())}",
        "data.target=buys",
        "data.text=[city]",
        "model=cnn",
    ]
    problems = preflight.overrides(arguments)[1]
    assert [str(p) for p in problems] == [
        "model: model=cnn takes image input; data=csv has numeric and tokens. Try model=recurrent."
    ]


def test_one_kind_of_input_is_an_array(write):
    path = write(people())
    assert load(path, features=["age", "income"]).train.x.shape == (36, 2)
    assert load(path, features=["city"]).train.x.shape == (36, 1)


def test_standardizes_by_the_training_part(write):
    from sklearn.preprocessing import StandardScaler

    path = write(people())
    plain, scaled = (load(path, standardize=s) for s in (False, True))
    scaler = StandardScaler().fit(plain.train.x["numeric"].astype("float64"))
    np.testing.assert_allclose(scaled.test.x["numeric"], scaler.transform(plain.test.x["numeric"]), atol=1e-5)


@pytest.mark.parametrize(
    ("values", "task", "kind", "classes"),
    [
        (["0", "1"], "auto", "binary", ("0", "1")),
        (["1.0", "2", "10"], "auto", "multiclass", ("1", "2", "10")),
        (["0.5", "1.5"], "auto", "real", ()),
        (["0.5", "1.5"], "classification", "binary", ("0.5", "1.5")),
        (["1", "2", "3"], "regression", "real", ()),
        ([str(i) for i in range(21)], "auto", "real", ()),
        (["b", "a", "c"], "auto", "multiclass", ("a", "b", "c")),
        (["1e5", "100000", "7f"], "classification", "multiclass", ("100000", "1e5", "7f")),
        (["1e5", "100000"], "auto", "binary", ("100000", "1e5")),
        (
            ["9007199254740993", "9007199254740992", "123"],
            "auto",
            "multiclass",
            ("123", "9007199254740992", "9007199254740993"),
        ),
        (["007", "7"], "auto", "binary", ("007", "7")),
        ([f"9007199254740{i}" for i in range(970, 998)], "auto", "real", ()),
    ],
)
def test_task_is_inferred_from_the_target(write, values, task, kind, classes):
    path = write("x,y\n" + "".join(f"{i},{values[i % len(values)]}\n" for i in range(84)))
    data = load(path, "y", task=task)
    assert (data.target.kind, data.target.classes) == (kind, classes)
    assert describe(path=path, target="y", task=task).target == kind
    assert data.train.y.dtype == (np.float64 if kind == "real" else np.int64)


def test_split_is_stratified_and_seeded(write):
    path = write("x,y\n" + "".join(f"{i},{'rare' if i < 10 else 'common'}\n" for i in range(100)))
    data = load(path, "y")
    assert [int((p.y == 1).sum()) for p in (data.train, data.validation, data.test)] == [6, 2, 2]
    assert data.digest() == load(path, "y").digest() != load(path, "y", seed=1).digest()


def test_numbers_named_as_categories_are_codes(write):
    path = write(people())
    data = load(path, categorical=["age"])  # the other columns are what their values say
    assert data.preprocessing["columns"] == {"numeric": ["income"], "categorical": ["age", "city"]}


def test_category_that_training_lacks_gets_the_unknown_code(write):
    path = write("c,y\n" + "".join(f"c{i},{i % 2}\n" for i in range(20)))
    data = load(path, "y")
    assert data.train.x.min() == 1 and data.inputs[0].cardinalities == (13,)
    assert np.array_equal(data.test.x, np.zeros((4, 1))) and np.array_equal(
        data.validation.x, np.zeros((4, 1))
    )


def test_missing_values_are_stated_by_column_and_line(write):
    path = write(people(change={7: ",Rome,5,yes", 9: "31,NA,5,no", 12: "nan,Rome,6,no"}))
    text = faults(path, missing="error")
    assert "data.missing: column age: 2 missing values, the first in line 7 ('nan' once)." in text
    assert "data.missing: column city: 1 missing values, the first in line 9 ('NA' once)." in text
    assert "data.missing=auto to impute" in text


def test_rows_with_missing_values_are_dropped_on_request(write):
    path = write(people(change={7: ",Rome,5,yes", 9: "31,?,5,no"}))
    data = load(path, missing="drop")
    assert data.preprocessing["dropped_rows"] == 2 and data.preprocessing["missing"] == {"age": 1, "city": 1}
    assert sum(map(len, (data.train, data.validation, data.test))) == 58
    assert describe(path=path, target="buys", missing="drop").examples == len(data.train)


@pytest.mark.parametrize(("policy", "statistic"), [("mean_or_mode", np.mean), ("median_or_mode", np.median)])
def test_gaps_are_filled_from_the_training_part(write, policy, statistic):
    path = write(people(change={i: f",,{i},yes" for i in range(2, 30)}))
    data = load(path, missing=policy, standardize=False)
    ages, incomes = data.train.x["numeric"].T
    fill = data.preprocessing["fill"]
    gaps = incomes < 100
    np.testing.assert_allclose(fill["age"], statistic(ages[~gaps]), rtol=1e-6)
    np.testing.assert_allclose(ages[gaps], fill["age"], rtol=1e-6)
    codes, counts = np.unique(data.train.x["categorical"], return_counts=True)
    assert data.preprocessing["categories"]["city"][codes[counts.argmax()]] == fill["city"]
    assert data.preprocessing["missing"] == {"age": 28, "city": 28}


def test_missing_values_get_the_training_median_or_mode_and_an_indicator(write):
    from sklearn.impute import SimpleImputer

    gaps = {5: ",Rome,5,yes", 9: "31,,5,no", 12: ",,6,no", 40: ",Oslo,6,yes", 41: "22,Lima,,no"}
    path = write(people(change=gaps))
    data, gappy = load(path, standardize=False), load(path, standardize=False, missing="median_or_mode")
    assert data.features == ("age", "income", "age is missing", "city is missing", "income is missing")
    assert describe(path=path, target="buys").inputs == ("numeric", "categorical")
    assert gappy.features == ("age", "income")
    for part in ("train", "validation", "test"):
        x, plain = getattr(data, part).x, getattr(gappy, part).x
        np.testing.assert_array_equal(x["numeric"][:, :2], plain["numeric"])
        np.testing.assert_array_equal(x["categorical"], plain["categorical"])
    rows = np.concatenate([p.x["numeric"] for p in (data.train, data.validation, data.test)])
    fitted = data.preprocessing["indicators"]
    expected = {"age": 3, "city": 2, "income": 1}
    counts = dict(zip(expected, rows[:, 2:].sum(axis=0), strict=True))
    assert counts == {name: count if fitted[name] else 0 for name, count in expected.items()}
    ages = data.train.x["numeric"][:, 0].astype("float64")
    ages[data.train.x["numeric"][:, 2] == 1] = np.nan
    imputed = SimpleImputer(strategy="median", add_indicator=True).fit_transform(ages[:, None])
    np.testing.assert_allclose(data.train.x["numeric"][:, [0, 2]], imputed)
    scaled = load(path).train.x["numeric"][:, 2:]
    np.testing.assert_array_equal(scaled, data.train.x["numeric"][:, 2:])
    assert load(path, features=["city"]).features == ("city is missing",)


def test_row_without_target_is_dropped_by_every_policy_but_error(write):
    path = write(people(change={7: "30,Rome,5,"}))
    assert "column buys: 1 missing values" in faults(path, missing="error")
    assert load(path).preprocessing["dropped_rows"] == 1


def test_bad_rows_are_named_by_line_all_at_once(write):
    text = faults(
        write(
            people(change={17: "30,Rome,5,yes,7", 19: "30,Rome", 9: "abc,Rome,5,yes", 11: "30,Rome,inf,no"})
        )
    )
    assert "data.path: line 17: 5 fields, expected 4." in text
    assert "data.path: line 19: 2 fields, expected 4." in text
    assert (
        "data.path: line 9: column age: 'abc' is not a number. Mend it, or take the column as categories: "
        "data.categorical=[age]; or leave it out: data.exclude=[age]." in text
    )
    assert "data.path: line 11: column income: 'inf' is not a number." in text


def test_lines_are_counted_across_quoted_line_ends(write):
    path = write(people(change={5: '30,"New\nYork",5,yes', 9: "abc,Rome,5,yes"}))
    assert "line 10: column age: 'abc'" in faults(path)
    data = load(write(people(change=dict.fromkeys((3, 5, 7, 9, 11, 13, 15), '30,"New\n""York""",5,yes'))))
    assert 'New\n"York"' in data.preprocessing["categories"]["city"]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({5: '30,"Rome,5,yes'}, "line 5: a quotation mark opens that is not closed by the end of the file"),
        ({5: '30,Rome,5,"yes'}, "line 5: a quotation mark opens that is not closed by the end of the file"),  # the row has four fields all the same
        ({5: '30,"Rome,5,yes', 9: '30,"Rome",5,yes'}, "line 5: a quotation mark opens that is not closed before line 9"),  # so has this one
        ({5: '30,Rome,"5,yes', 9: '30,"Rome",5,yes'}, "line 5: a quotation mark opens that is not closed before line 9"),
    ],
)  # fmt: skip
def test_an_open_quotation_mark_is_named_by_its_line(write, monkeypatch, change, where):
    text = faults(write(people(change=change)))
    assert where in text and "fields, expected" not in text and len(text.splitlines()) == 1
    source, _ = open_source({"path": write(people(change=change))}, CsvFormat())
    for columns in (["city", "buys"], ["age"]):  # it loses rows in a column that is left out, too
        with pytest.raises(UserError, match=where):
            list(source.blocks(columns))
        assert where in source.read(columns, columns)[1][0][1]
    monkeypatch.setattr(_spool, "LARGE", 0)
    assert faults(write(people(change=change))) == text


def test_texts_with_line_ends_and_quotes_are_no_open_quotation_marks(write):
    texts = ['"Rome\n"', '"\n"', '"Oslo, ""no""\nLima, ""x"""', '"a\nb, c"']
    path = write(people(change={line: f"30,{texts[line % 4]},5,yes" for line in range(2, 50)}))
    assert len(load(path).preprocessing["categories"]["city"]) >= len(texts)


@pytest.mark.parametrize(("start", "end", "names"), [("{i},", "", "row,a,b,y"), ("", ",", "a,b,y,empty")])
def test_rows_with_one_field_more_than_the_header_are_one_fault_with_the_way_out(write, start, end, names):
    rows = [f"{start.format(i=i)}{i % 7},{i * i % 11},{'yn'[i % 2]}{end}" for i in range(30)]
    path = write("\n".join(["a,b,y", *rows]))
    (problem,) = describe(path=path, target="y", seed=0).problems
    assert f"3 names, and each row 4 fields. If each row {'ends' if end else 'begins'} with" in problem[1]
    assert f"data.names=[{names}] data.header=1" in problem[1]
    data = construct(
        "data",
        {"name": "csv", "path": path, "target": "y", "names": names.split(","), "header": 1,
         "exclude": [n for n in names.split(",") if n in ("row", "empty")], "seed": 0},
        complete=True,
    )  # fmt: skip
    assert data.features == ("a", "b") and data.target.classes == ("n", "y")


@pytest.mark.parametrize(("blanks", "way_out"), [(" ", "data.delimiter=blank"), ("   ", "tr -s ' ' ','")])
def test_blanks_between_fields_are_told(write, blanks, way_out):
    path = write("\n".join(blanks.join(row) for row in [("a", "b", "y"), *[("1", "2", "n")] * 9]))
    ((_, message),) = describe(path=path, target="y", seed=0).problems
    assert f"separated by blanks: {way_out}" in message or way_out in message


def test_many_faults_are_counted_not_listed(write):
    text = faults(write(people(100, change={i: "x,Rome,5,yes" if i % 2 else "1,Rome" for i in range(2, 42)})))
    assert "and 10 more rows with a wrong number of fields." in text
    assert (
        "column age: not a number in 20 of 80 rows: line 3 'x', line 5 'x', line 7 'x' and 17 more." in text
    )
    assert len(text.splitlines()) == 12


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is empty"),
        (HEADER + "\n", "has a header and no rows"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is no text file"),
        ("age,city,é,buys\n1,Köln,2,yes\n".encode("latin-1"), "cannot be read as text in UTF-8"),
        (
            people(200).encode() + b"1,R\0me,2,yes\n",
            "line 202: a NUL byte, which is no text. Remove it: tr -d",
        ),
        (people(header="age,age,income,buys"), "columns of the same name: 'age'"),
        (people(header="age,city,income,buy"), "no column 'buys'. Did you mean buy?"),
        (people().replace("no", "a" * 200_000, 1), "too few of aaaa"),
        (gzip.compress(people().encode())[:-9], "cannot be unpacked: "),
        (people().encode("utf-16-le"), "data.encoding=utf-16-le"),
        (people().replace("no", "yes"), "column buys has one value only, 'yes'"),
        (
            people(change={2: "1,Rome,2,maybe"}),
            "at least 3 examples of each class, one for each part of the split; too few of maybe (1)",
        ),
        ("a,b,buys\n" + ",,yes\n,NA,no\n" * 9, "column b: no row has a value"),
    ],
)
def test_bad_files_are_refused_with_a_message(write, text, expected):
    path = write(text)
    with pytest.raises(UserError) as caught:
        load(path)
    assert expected in str(caught.value)
    assert any(expected in message for _, message in describe(path=path, target="buys").problems)


@pytest.mark.parametrize(
    ("header", "line"), [("1990,1995,2000,buys", None), ("3,2,1,buys", None), ("0.5,0.2,0.9,buys", 1)]
)
def test_numbers_in_order_or_in_a_line_that_is_named_are_names_of_columns(write, header, line):
    path = write(people(header=header))
    assert load(path, header=line).features[0].startswith(header.split(",")[0])
    values = write(people(header="0.5,0.2,0.9,buys"))
    assert "seems to be a row" in faults(values)
    assert open_source({"path": values}, CsvFormat())[1] == []  # data=text and others have no data.header


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"target": None}, "data.target: expected the column to predict, got null. The file has age, city"),
        (
            {"target": "income", "task": "clasification"},
            "data.task: expected one of auto, classification, regression",
        ),
        ({"features": ["agee", "city"]}, "data.features: the file has no column 'agee'. Did you mean age?"),
        ({"features": ["age", "buys"]}, "data.features: the target 'buys' is among the features"),
        ({"features": "age"}, "data.features: expected null or a list of columns, got 'age'. Write [age]."),
        ({"categorical": ["town"]}, "data.categorical: the file has no column 'town'"),
        ({"weight": "buys"}, "data.weight: 'buys' is the target"),
        ({"weight": "city"}, "column city: not a number in 60 of 60 rows: line 2 'Rome', line 3"),
        (
            {"target": "income", "task": "classification"},
            "has 60 different values in 60 rows ('1000.5' …), so they name rows",
        ),
        ({"target_transform": "ln"}, "data.target_transform: expected one of auto, none, log, log1p"),
        ({"target_transform": "log"}, "data.target_transform: log is for numbers; column buys has classes"),
        ({"formats": "none"}, "data.formats: expected one of auto, plain"),
        ({"missing": "fill"}, "data.missing: expected one of auto, error, drop"),
        ({"delimiter": ",,"}, "data.delimiter: expected one character"),
        ({"delimiter": ";"}, "data.delimiter: "),
        ({"encoding": "utf-7000"}, "data.encoding: expected the name of a text encoding"),
        ({"exclude": ["agee"]}, "data.exclude: the file has no column 'agee'. Did you mean age?"),
        (
            {"positive": "maybe"},
            "data.positive: the target has no class 'maybe'. Its classes are 'no' and 'yes'.",
        ),
        (
            {"positive": "yes", "target": "city"},
            "data.positive: one of two classes is the positive one; column city has 3 classes",
        ),
        ({"positive": "yes", "target": "income"}, "column income has numbers, which are no classes"),
        ({"exclude": ["buys"]}, "data.exclude: 'buys' is the target"),
        ({"exclude": ["age", "city", "income"]}, "data.features: no columns are left to predict from."),
        ({"validation": 0.7, "test": 0.4}, "data.test: expected data.validation + data.test below 1"),
        ({"task": "regression"}, "column buys: not a number in 60 of 60 rows: line 2 'no', line 3"),
        ({"features": []}, "data.features: no columns are left to predict from."),
        ({"text": "city"}, "data.text: expected null or a list of columns, got 'city'. Write [city]."),
        ({"text": ["town"]}, "data.text: the file has no column 'town'"),
        ({"text": ["buys"]}, "data.text: 'buys' is no feature. Leave it out, or name it in data.features."),
        ({"text": ["city"], "categorical": ["city"]}, "data.text: 'city' is in data.categorical, too."),
        (
            {"text": {"city": {"max_token": 9}}},
            "data.text: city: expected max_tokens, sequence_length, standardize, tokens, ngrams, preset, got 'max_token'. Did you mean",
        ),
        (
            {"text": {"city": {"max_tokens": 2}}},
            "data.text: city.max_tokens: expected an integer of at least 3, got 2.",
        ),
        (
            {"text": {"city": {"tokens": "words", "ngrams": None, "standardize": None}}},
            "data.text: city.tokens: expected whitespace or character, got 'words'.",
        ),
        (
            {"text": {"city": 9}},
            "data.text: expected the settings of the tokens, {city: {sequence_length: 100}}, got 9.",
        ),
    ],
)
def test_bad_arguments_are_refused_with_a_message(write, arguments, expected):
    assert expected in faults(write(people()), **arguments)


def test_missing_file_and_folder(write, tmp_path):
    write(people())
    assert "Did you mean people.csv?" in faults(str(tmp_path / "peple.csv"))
    (tmp_path / "empty").mkdir()
    assert "has no file with the ending .csv" in faults(str(tmp_path / "empty"))
    assert "expected the path of a file, got null" in faults(None)


def test_weights_reach_the_splits(write):
    text = "\n".join(f"{line},{'weight' if i == 0 else i}" for i, line in enumerate(people().splitlines()))
    data = load(write(text), weight="weight", standardize=False)
    assert data.features == ("age", "income") and data.train.weight.dtype == np.float32
    np.testing.assert_allclose(data.train.x["numeric"][:, 1], 1000.5 + 7 * (data.train.weight - 1), rtol=1e-6)
    with pytest.raises(UserError, match=r"data\.weight: column weight: expected weights of at least 0"):
        load(write(text.replace("yes,2\n", "yes,-2\n")), weight="weight")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_spaces_byte_order_mark_and_windows_line_ends(write, encoding):
    path = write(people().replace(",", " , ").replace("\n", "\r\n") + "\r\n", encoding=encoding)
    data = load(path)
    assert data.features == ("age", "income") and data.target.classes == ("no", "yes")
    assert data.digest() == load(write(people())).digest()


@pytest.mark.parametrize("delimiter", [";", "tab", "\t", "|"])
def test_other_delimiters(write, delimiter, capsys):
    path = write(people().replace(",", "\t" if delimiter == "tab" else delimiter))
    plain = load(write(people(), "other.csv")).digest()
    assert load(path, delimiter=delimiter).digest() == plain and "separated" not in "".join(
        capsys.readouterr()
    )
    assert load(path).digest() == plain and "fields are separated by" in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a;b;y\n0,53;1,2;3\n0,1;2,2;4\n", ";"),
        ("a,b,y\n1,2,x\n1;5,2,x\n", ","),
        ('a,"b;c;d",y\n1,"2;3;4",x\n', ","),
        ("a|b\n1|2\n", "|"),
        ("a,b,y\n1,2\n1,2,3,4\n1,2,3\n", ","),
        ("y\n1\n", ","),
    ],
)
def test_the_delimiter_is_the_one_that_gives_rows_of_one_length(text, delimiter):
    assert sniff_delimiter(text) == delimiter


@pytest.mark.parametrize(
    ("encoding", "options"),
    [
        ("utf-16", {}),
        ("utf-32", {}),
        ("utf-16-le", {"encoding": "utf-16-le"}),
        ("cp1252", {"encoding": "latin-1"}),
    ],
)
def test_other_encodings(write, encoding, options):
    text = people().replace("Rome", "Köln")
    data = load(write(text, encoding=encoding), **options)
    assert data.digest() == load(write(text, "other.csv")).digest()
    assert "Köln" in data.preprocessing["categories"]["city"]


EUROPEAN = [(f"{i % 7},{i:02d}", f"{i}.{i * 37 % 1000:03d},5", f"{i * i % 11},125") for i in range(1, 61)]


@pytest.mark.parametrize(("pack", "ending"), [(bytes, ""), (gzip.compress, ".gz")])
@pytest.mark.parametrize(
    ("top", "options", "pandas_options"),
    [
        ("a;b;y\n", {}, {}),
        ("", {"names": ["a", "b", "y"]}, {"names": ["a", "b", "y"]}),
        ('# by "me, 2024\n\na;b;y\n', {"header": 3}, {"skiprows": 2}),
        ("x;y;z\n", {"header": 1, "names": ["a", "b", "y"]}, {"names": ["a", "b", "y"], "skiprows": 1}),
    ],
    ids=["header", "names", "third line", "renamed"],
)
def test_separators_and_header_are_read_as_by_pandas(write, top, options, pandas_options, pack, ending):
    text = top + "".join(";".join(row) + "\n" for row in EUROPEAN)
    path = write(pack(text.encode()), f"t.csv{ending}")
    data = load(path, "y", standardize=False, test=0, decimal="comma", thousands="point", **options)
    expected = pd.read_csv(path, sep=";", decimal=",", thousands=".", **pandas_options)
    rows = np.concatenate([np.c_[part.x, part.y] for part in (data.train, data.validation)])
    expected_rows = expected.to_numpy("float32")
    np.testing.assert_allclose(rows[np.lexsort(rows.T)], expected_rows[np.lexsort(expected_rows.T)])
    # A later file of the same origin, with a header or without a target, gives the numbers of training.
    fitted = Preprocessor.from_json(Preprocessor.of(data).to_json())
    bare = "".join(";".join(row[:2]) + "\n" for row in EUROPEAN)
    later = {"headed": "b;a\n" + "".join(f"{b};{a}\n" for a, b, _ in EUROPEAN), "same": text}
    later |= {"without target": bare} if options.get("names") and "header" not in options else {}
    for name, rows_text in later.items():
        source = table_rows.open_rows(str(write(rows_text, f"{name}.csv")), fitted)
        blocks = list(table_rows.blocks(source, fitted))
        np.testing.assert_array_equal(
            np.concatenate([b.x for b in blocks]), expected[["a", "b"]].to_numpy("float32"), name
        )


@pytest.mark.parametrize(
    "trained", [{}, {"encoding": "cp1252"}, {"encoding": "utf-16"}, {"delimiter": "semicolon"}]
)
def test_a_later_file_may_have_another_encoding_and_delimiter(write, capsys, trained):
    text = people(change=dict.fromkeys(range(2, 62, 3), "30,Köln,5,yes"))
    own = text.replace(",", ";") if "delimiter" in trained else text
    fitted = Preprocessor.of(load(write(own, encoding=trained.get("encoding", "utf-8")), **trained))
    capsys.readouterr()
    expected = None
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"):
        for content in (text, text.replace(",", ";")):
            source = table_rows.open_rows(write(content, "later.csv", encoding), fitted)
            rows = table_rows.read(source, fitted)
            expected = rows.x if expected is None else expected
            assert not rows.unknown and all(np.array_equal(rows.x[name], x) for name, x in expected.items())
            guessed = "is not text in UTF-8. It is read in cp1252" in " ".join(
                capsys.readouterr().err.split()
            )
            assert guessed == (encoding == "latin-1" and trained.get("encoding") != "cp1252")


def test_latin_1_is_recognized_and_offered(write):
    for text, place in (
        (people(change={3: "1,Köln,2,no"}), "cannot"),
        (people(1000, change={900: "1,Köln,2,no"}), "after line 8"),
    ):
        path = write(text, encoding="latin-1")
        message = faults(path)
        assert "data.encoding=cp1252" in message and "Köln" in message and place in message
        assert load(path, encoding="cp1252").digest() == load(write(text, "other.csv")).digest()


@pytest.mark.parametrize(("ending", "codec"), [(".gz", "gzip"), (".zst", "zstd"), (".bz2", "bz2")])
def test_compressed_files_are_read_and_their_faults_named_by_line(write, ending, codec):
    def packed(text):
        path = write(b"", f"people.csv{ending}")
        with pyarrow.output_stream(path, compression=codec) as stream:
            stream.write(text.encode())
        return path

    data = load(packed(people()))
    assert data.name == "people" and data.digest() == load(write(people())).digest()
    assert "line 9: column age: 'abc'" in faults(packed(people(change={9: "abc,Rome,5,yes"})))


@pytest.mark.parametrize("note", ["plain", '"in quotes, {i}"', '"two\nlines {i}"', '"CR and LF\r\n{i}"'])
def test_late_quotes_in_a_compressed_file_are_read_as_by_the_csv_module(write, note):
    long = "long " * 30  # The first quote is in the second megabyte.
    rows = [f"{i},{long if i < 10_000 else note.format(i=i)}\n" for i in range(15_000)]
    text = "i,note\n" + "".join(rows)
    path = write(gzip.compress(text.encode(), 1), "notes.csv.gz")
    source, _ = open_source({"path": path}, CsvFormat())
    table, found = source.read(["i", "note"], ["note"])
    _, *expected = csv.reader(io.StringIO(text, newline=""))
    numbers, notes = zip(*expected, strict=True)
    assert not found and table.column("note").to_pylist() == list(notes)
    np.testing.assert_array_equal(table.column("i"), np.array(numbers, "float64"))
    streamed = list(source.blocks(["i", "note"]))
    assert [n for block in streamed for n in block.column("note").to_pylist()] == list(notes)


def test_a_compressed_file_that_unpacks_to_more_than_the_memory_is_refused(write, monkeypatch):
    path = write(gzip.compress(people(60_000).encode()), "people.csv.gz")
    monkeypatch.setattr(machine, "available_memory", lambda: 2_000_000)
    with pytest.raises(UserError, match="does not fit into memory"):
        load(path)


def test_a_column_without_a_name_has_that_of_pandas(write):
    path = write("x,,y\n" + "".join(f"{i % 5},{i % 7},{i % 2}\n" for i in range(60)))
    assert list(load(path, "y").features) == list(pd.read_csv(path).columns[:-1]) == ["x", "Unnamed: 1"]


def test_columns_named_like_numbers_are_found_by_number(write):
    path = write("2019,2020,2021\n" + "".join(f"{i},{i % 5},{i % 2}\n" for i in range(40)))
    data = load(path, 2021, features=[2019])
    assert data.features == ("2019",) and data.preprocessing["target"] == "2021"
    assert describe(path=path, target=2021, features=[2019]).target == "binary"
    assert "there is no file 7" in faults(7)


def test_unused_columns_do_not_matter(write):
    path = write(people(change={9: "abc,Rome,5,yes", 10: ",Rome,5,no"}))
    assert load(path, features=["city", "income"]).preprocessing["missing"] == {}


def test_large_file_is_read_fast_and_the_preflight_reads_its_header_only(write):
    n = 150_000
    path = write("a,b,c,y\n" + "".join(f"{i},{i % 7}.5,k{i % 50},{i % 3}\n" for i in range(n)))
    start = time.perf_counter()
    description = describe(path=path, target="y")
    assert time.perf_counter() - start < 0.2 and description.target is None and not description.problems
    start = time.perf_counter()
    data = load(path, "y")
    # About 0.3 s here; line by line it would be several.
    assert time.perf_counter() - start < 5 and len(data.train) == 0.6 * n
    assert Path(path).stat().st_size > SMALL
    assert describe(path=path, target="z").problems[0][0] == "target"


def test_a_class_named_none_is_a_class_where_na_values_says_so(write, capsys):
    rows = "".join(f"{i % 9},{('None', 'None', 'Insomnia')[i % 3]}\n" for i in range(90))
    path = write("hours,disorder\n" + rows)
    text = faults(path, target="disorder", missing="error")
    assert "column disorder: 60 missing values, the first in line 2 ('None' 60 times)." in text
    assert "data.na_values=[]" in text
    kept = construct("data", {"name": "csv", "path": str(path), "target": "disorder", "na_values": []})
    assert kept.target.classes == ("None", "Insomnia")
    assert sum(len(p) for p in (kept.train, kept.validation, kept.test)) == 90


def test_rows_that_are_left_out_are_counted_aloud(write, capsys):
    rows = "".join(f"{'' if i % 5 == 0 else i},{'-' if i % 4 == 0 else 'ab'[i % 2]}\n" for i in range(100))
    path = write("x,y\n" + rows)
    data = construct(
        "data", {"name": "csv", "path": str(path), "target": "y", "missing": "drop", "na_values": ["-"]}
    )
    left = 100 - 20 - 25 + 5
    assert sum(len(p) for p in (data.train, data.validation, data.test)) == left
    out = capsys.readouterr()
    assert f"{100 - left} of 100 rows left out; values missing: x 20, y 25 ('-' 25 times)." in (
        out.out + out.err
    ).replace("\n", " ")


def test_files_of_a_folder_or_pattern_are_one_table(write, tmp_path):
    (tmp_path / "parts").mkdir()
    lines = people(90).splitlines(keepends=True)
    write("".join(lines[:31]), "parts/a.csv")
    middle = [
        ",".join([line.strip().split(",")[i] for i in (3, 0, 1, 2)]) + "\n"
        for line in (lines[0], *lines[31:61])
    ]
    write("".join(middle), "parts/b.csv")  # the columns in another order
    write(gzip.compress("".join([lines[0], *lines[61:]]).encode()), "parts/c.csv.gz")
    write("no table", "parts/notes.txt")
    whole = load(write("".join(lines)))
    for path in ("parts", "parts/*.csv*"):
        data = load(str(tmp_path / path))
        assert data.digest() == whole.digest() and data.name == "parts"
        assert describe(path=str(tmp_path / path), target="buys").examples == len(whole.train)


def test_faults_of_several_files_are_named_by_file_and_line(write, tmp_path):
    (tmp_path / "parts").mkdir()
    write(people(), "parts/a.csv")
    write(people(change={9: "abc,Rome,5,yes", 12: "1,2", 14: ",Oslo,1,no"}), "parts/b.csv")
    text = faults(str(tmp_path / "parts"), missing="error")
    assert "b.csv, line 9: column age: 'abc' is not a number" in text
    assert "b.csv, line 12: 2 fields, expected 4" in text
    assert "column age: 1 missing values, the first in b.csv, line 14" in text
    write(people(header="agee,city,income,buys"), "parts/c.csv")
    assert "c.csv has other columns than" in faults(str(tmp_path / "parts"))


@pytest.mark.parametrize(
    ("values", "positive", "classes"),
    [
        (("fraud", "ok"), "fraud", ("ok", "fraud")),
        (("fraud", "ok"), "ok", ("fraud", "ok")),
        (("no", "yes"), False, ("yes", "no")),  # as `data.positive=no` arrives
        (("0", "1"), 0, ("1", "0")),
        (("1.0", "2.0"), 1, ("2", "1")),
    ],
)
def test_the_positive_class_may_be_named(write, values, positive, classes):
    path = write("x,y\n" + "".join(f"{i},{values[i % 5 == 0]}\n" for i in range(100)))
    data = load(path, "y", positive=positive)
    assert data.target.classes == classes == describe(path=path, target="y", positive=positive).class_names
    labels = np.concatenate([part.y for part in (data.train, data.validation, data.test)])
    assert labels.sum() == (20 if classes[1] == values[1].removesuffix(".0") else 80)


@pytest.mark.parametrize(
    ("values", "classes", "line"),
    [
        (("ok", "fraud"), ("ok", "fraud"), "classes: ok 80.0%, fraud 20.0% (positive)"),
        (("fraud", "ok"), ("fraud", "ok"), "classes: fraud 80.0%, ok 20.0% (positive)"),
        (("1", "0"), ("0", "1"), "positive class: '1', the more frequent one; "),
        (("0", "1"), ("0", "1"), "classes: 0 80.0%, 1 20.0% (positive)"),
        (("False", "True"), ("False", "True"), "True 20.0% (positive)"),
        (("2", "1"), ("2", "1"), "1 20.0% (positive)"),
    ],
)
def test_the_positive_class_is_the_rarer_one_and_reported(write, values, classes, line):
    path = write("x,y\n" + "".join(f"{i},{values[i % 5 == 0]}\n" for i in range(100)))
    data = load(path, "y")
    assert data.target.classes == classes == describe(path=path, target="y").class_names
    labels = np.concatenate([part.y for part in (data.train, data.validation, data.test)])
    assert labels.sum() == sum(values[i % 5 == 0] == classes[1] for i in range(100))
    assert line in "\n".join(overview.lines(overview.of(data)))
    assert load(path, "y", positive=None).target.classes == tuple(sorted(values))
    load(path, "y", positive=classes[1])


def test_labels_that_are_one_number_are_reported(write, capsys):
    load(write("x,y\n" + "".join(f"{i},{('1e5', '100000', '1')[i % 3]}\n" for i in range(90))), "y")
    assert "'100000' and '1e5' are the same number and two classes" in "".join(capsys.readouterr()).replace(
        "\n  ", " "
    )


def test_classes_that_are_lists_of_classes_are_reported(write, capsys):
    classes = ("a", "b c", "a; b c")
    load(write("x,y\n" + "".join(f"{i * i % 97},{classes[i % 3]}\n" for i in range(90))), "y")
    assert "lists of others: 'a; b c'" in (printed := " ".join("".join(capsys.readouterr()).split()))
    assert "data.label_separator='\";\"'" in printed
    plain = ("a/b", "a", "c")  # b is no class
    load(write("x,y\n" + "".join(f"{i * i % 97},{plain[i % 3]}\n" for i in range(90))), "y")
    assert "lists of others" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("form", ["{} kg", "02:{:02}:30", "2024-03-01 10:{:02}"])
def test_a_target_of_amounts_that_are_no_plain_numbers_has_a_way_out(write, form):
    table = "".join(f"{i},{form.format(i)}\n" for i in range(60))
    with pytest.raises(
        UserError, match=r"name rows, not classes\. .*, or write it as plain numbers to predict"
    ):
        load(write(f"x,y\n{table}"), "y")
    assert "plain" not in faults(write("x,y\n" + "".join(f"{i},id {i}\n" for i in range(60))), target="y")


def test_a_validation_set_is_counted_and_its_training_rows_are_told(write, tmp_path, capsys):
    rows = [f"{i},{i * 7 % 31},{i % 2}" for i in range(100)]
    hard = tmp_path / "hard.csv"
    hard.write_text("\n".join(["a,b,y", *rows[:40]]) + "\n")
    data = load(write("\n".join(["a,b,y", *rows]) + "\n"), "y", validation_sets={"hard": str(hard)})
    assert "further validation sets: hard 40" in [*overview.lines(overview.of(data))]
    known = {row.tobytes() for row in data.train.x}
    count = sum(row.tobytes() in known for row in data.validation_sets["hard"].x)
    assert f"{count} of the 40 hard rows have the same features" in " ".join(
        "".join(capsys.readouterr()).split()
    )
    hard.write_text("a,b,y\n1,2,0\n3,4,2\n")
    with pytest.raises(UserError, match=r"data.validation_sets.hard: 1 of 2 hard rows are of classes .* '2'"):
        load(write("\n".join(["a,b,y", *rows]) + "\n"), "y", validation_sets={"hard": str(hard)})


def test_columns_without_any_value_are_left_out_of_data_and_model(write, inside):
    rows = [f"{i * 7 % 31},{'NA' * (i % 2)},{i % 3},,{'ab'[i % 2]}" for i in range(100)]
    path = write("\n".join(["u,notes,v,w,buys", *rows]) + "\n")
    plain = inside / "plain.csv"
    pd.read_csv(path).drop(columns=["notes", "w"]).to_csv(plain, index=False)
    data, expected = load(path), load(str(plain))
    assert data.features == expected.features == ("u", "v")
    assert data.digest() == expected.digest()
    assert "columns left out: notes, w (no row has a value)" in [*overview.lines(overview.of(data))]
    assert describe(path=path, target="buys") == describe(path=str(plain), target="buys")
    refused = r"column w: no row has a value. Leave it out: data.exclude=\["
    for demanding in (
        {"missing": "error"},
        {"missing": "drop"},
        {"features": ["u", "w"]},
        {"categorical": ["w"]},
    ):
        with pytest.raises(UserError, match=refused):
            load(path, **demanding)
    run = trainrun.run(
        [
            f"data.path={path}",
            "data=csv",
            "data.target=buys",
            "model=linear",
            "trainer.epochs=1",
            "tracking=none",
        ]
    )
    raw = keras.saving.load_model(run.run_dir / "model.keras")
    assert {*raw.input} == {"u", "v"}
    assert len(run.predict(pd.read_csv(plain).drop(columns="buys"))["prediction"]) == 100


@pytest.mark.parametrize(("excluded", "name"), [((), "id"), (("w",), "the id")])
def test_the_last_of_several_notices_leaves_out_the_columns_of_all(write, excluded, name):
    rows = [f"{i},{i * 7 % 31},{i * 5 % 13},x,text{i},{'ab'[i % 2]}" for i in range(100)]
    path = write("\n".join([f"{name},u,w,k,v,buys", *rows]) + "\n")
    notices = load(path, exclude=list(excluded) or None).inferred["notices"]
    assert len(notices) == 3 and [text.count("All together") for text in notices] == [0, 0, 1]
    (typed,) = shlex.split(notices[-1].split("All together: ")[1].removesuffix("."))
    exclude = trainrun.compose(["data=csv", f"data.path={path}", "data.target=buys", typed])["data"][
        "exclude"
    ]
    assert sorted(exclude) == sorted(["k", "v", name, *excluded])
    assert load(path, exclude=exclude).inferred["notices"] == []


def test_categories_and_classes_of_held_out_files_are_compared_with_training(write, inside):
    rows = [f"{i % 7},{'AB'[i % 2]},{'no' if i % 3 else 'yes'}" for i in range(60)]
    write("n,shop,buys\n" + "\n".join(rows), "train.csv")
    write("n,shop,buys\n" + "1,C,yes\n2,C,yes\n3,D,yes\n4,A,yes\n", "late.csv")
    data = load("train.csv", test_path="late.csv", validation_sets={"far": "late.csv"})
    one_class, unseen = data.inferred["notices"]
    assert "all test examples are of one class, 'yes'. Have others in its file" in one_class
    assert "test rows whose category the training part does not have: shop 75%." in unseen


def test_numbers_of_a_file_in_another_unit_are_told(write, inside):
    random = np.random.default_rng(3)

    def table(name, rows, kilo=1.0, share=1.0, price=1.0):
        kilograms, shares = random.normal(70, 10, rows), random.uniform(0, 1, rows)
        columns = {
            "weight": kilograms * kilo,
            "share": shares * share,
            "rare": random.uniform(size=rows) < 0.01,
        }
        columns |= {"income": random.lognormal(0, 2, rows), "price": random.normal(5e3, 1e3, rows) * price}
        pd.DataFrame(columns).to_csv(name, index=False)

    table("train.csv", 300)
    table("same.csv", 80)
    table("grams.csv", 80, kilo=1000, share=100)
    table("tonnes.csv", 80, kilo=1 / 1000, price=1 / 1000)
    assert (
        load("train.csv", "price", validation_path="same.csv", test_path="same.csv").inferred["notices"] == []
    )
    sets = {"tons": "tonnes.csv", "same": "same.csv"}
    data = load("train.csv", "price", test_path="grams.csv", validation_sets=sets)
    medians = {name: pd.read_csv(f"{name}.csv").median() for name in ("grams", "tonnes")}
    of_training = {
        name: float(np.median(data.preprocessing["standardize"]["mean"][i]))
        for i, name in enumerate(data.features)
    }
    first, second = data.inferred["notices"]
    assert "in the test file are far" in first and "in the tons file are far" in second
    for text, name, columns in (
        (first, "grams", ("weight", "share")),
        (second, "tonnes", ("weight", "price")),
    ):
        assert re.findall(r"(\w+) \(", text.split("(medians)")[1]) == list(columns)
        for column in columns:
            shown, of_train = map(
                float, re.search(rf"{column} \((\S+), in training ([^)]+)\)", text).groups()
            )
            assert shown == pytest.approx(medians[name][column], rel=1e-5)
            assert column not in of_training or of_train == pytest.approx(of_training[column], rel=0.2)


def test_fields_of_any_length_are_read(write):
    path = write(
        "x,doc,y\n" + "".join(f"{i},{'lorem ' * (30_000 if i == 50 else 1)},{i % 2}\n" for i in range(300))
    )
    assert load(path, "y", features=["x"]).features == ("x",)
    assert describe(path=path, target="y", exclude=["doc"]).examples == 180
    longer = write(
        "x,doc,y\n" + "".join(f"{i},{'lorem ' * (300_000 if i == 50 else 1)},{i % 2}\n" for i in range(300))
    )
    assert load(longer, "y", exclude=["doc"]).features == ("x",)


def test_time_is_linear_in_the_number_of_columns(write):
    def seconds(columns):
        header = ",".join(f"c{i}" for i in range(columns))
        rows = "".join(",".join([str(r % 10)] * columns) + f",{r % 2}\n" for r in range(20))
        path = write(f"{header},y\n{rows}")
        start = time.perf_counter()
        assert describe(path=path, target="y").examples == 12
        return time.perf_counter() - start

    def fastest(columns):  # of three: other processes and the garbage collector cost time, too
        return min(seconds(columns) for _ in range(3))

    seconds(10)  # imports
    assert fastest(8_000) < 40 * fastest(500)  # quadratic: 256 times


def test_a_line_end_within_quotes_is_kept_wherever_it_stands(write):
    # Where a block of 1 MiB ends between the two, pyarrow loses the line feed: after 17 blanks.
    rows = "".join(f'"north\r\nside",{i % 10},{i % 7}\n' for i in range(60_000))
    for blanks in (16, 17, 18):
        path = write(f"cat,x,y\npad{' ' * blanks},1,2\n{rows}")
        categories = load(path, "y", validation=0, test=0).preprocessing["categories"]["cat"]
        assert categories == ["<unknown>", "north\r\nside", "pad"]


@pytest.mark.parametrize("task", ["auto", "regression"])
@pytest.mark.parametrize("later", ["", "NA", "nan", " 7.5 "])
def test_numbers_are_those_that_python_reads_to_the_last_bit(write, task, later):
    values = np.random.default_rng(0).normal(size=200) * 10.0 ** np.linspace(-30, 30, 200)
    texts = [repr(value) for value in values.tolist()]
    path = write("x,y\n" + "".join(f"{i},{text}\n" for i, text in enumerate([*texts, later])))
    data = load(path, "y", task=task, missing="drop", validation=0, test=0)
    expected = [float(text) for text in [*texts, later] if text.strip() not in ("", "NA", "nan")]
    assert data.train.y[:, 0].tolist() == expected
    assert data.preprocessing["missing"] == ({} if later == " 7.5 " else {"y": 1})


def test_columns_are_found_as_typed_on_the_command_line(write):
    names = ["2019_01", "yes", "1e5", "0x10", "1.0", "007", "2019-01-02", "inf", "null"]
    path = write(
        ",".join([*names, "y"]) + "\n" + "".join(f"1,2,3,4,5,6,7,8,{i % 7},{i % 3}\n" for i in range(60))
    )

    def problems(*words):
        typed = ["data=csv", f"data.path={path}", "data.header=1", *words, "tracking=none"]
        return list(map(str, preflight.overrides(typed)[1]))

    listed = ",".join(names)
    assert not problems("data.target=y", f"data.features=[{listed}]", "data.weight=1e5")
    assert not problems(
        "data.target=y", f"data.exclude=[{listed.removesuffix(',null')}]", "data.categorical=[null]"
    )
    assert problems("data.target=2019_01") == [
        "data.target: column 2019_01 has one value only, '1'; there is nothing to tell apart."
    ]
    assert "data.target='\"null\"'" in problems("data.target=null")[0]
    assert problems("data.target=[yes]") == problems("data.target=yes")
    assert "data.target: expected text" in problems("data.target={yes: 1}")[0]
    path = write("x,y\n" + "".join(f"{i % 7},{i % 3}\n" for i in range(60)))
    unknown = problems("data.target=z", "data.weight=99")
    assert "quotes" not in unknown[0] and "quotes: '\"99\"'" in unknown[1]


def test_a_target_without_a_logarithm_is_refused(write):
    path = write("x,y\n" + "".join(f"{i % 7},{i}.0\n" for i in range(60)))
    text = "log needs values above 0; the least of column y is 0. Try log1p."
    assert text in faults(path, "y", target_transform="log")
    assert load(path, "y", target_transform="log1p").preprocessing["standardize_target"]["log"] == 1.0


def test_columns_in_the_names_of_folders_are_read(tmp_path):
    for i, place in enumerate(("year=2023/shop=a%20b", "year=2024/shop=__HIVE_DEFAULT_PARTITION__")):
        (tmp_path / "t" / place).mkdir(parents=True)
        rows = "".join(f"{i * 20 + k},{k % 2}\n" for k in range(20))
        (tmp_path / "t" / place / "0.csv").write_text(f"age,buys\n{rows}")
    whole = "".join(f"{i},{i % 2},{2023 + i // 20},{'' if i // 20 else 'a b'}\n" for i in range(40))
    (tmp_path / "whole.csv").write_text(f"age,buys,year,shop\n{whole}")
    data = load(str(tmp_path / "whole.csv"))
    for path in (tmp_path / "t", tmp_path / "t" / "*" / "*" / "*.csv", f"file://{tmp_path / 't'}"):
        assert load(str(path)).digest() == data.digest()
    source, _ = open_source({"path": str(tmp_path / "t")}, CsvFormat())
    blocks = [block.to_pydict() for block in source.blocks(["year"])]
    assert [value for block in blocks for value in block["year"]] == ["2023"] * 20 + ["2024"] * 20
    assert load(str(tmp_path / "t"), "year", task="classification").target.classes == ("2023", "2024")
    (tmp_path / "t" / "year=2024" / "1.csv").write_text("age,buys\n1,1\n")
    assert "it lacks shop" in faults(str(tmp_path / "t"))
    assert load(str(tmp_path / "t"), features=["age", "year"]).features == ("age", "year")


def test_a_word_that_marks_a_missing_number_is_offered_as_one(write):
    path = write("age,y\n" + "".join(f"{'-' if i % 9 == 0 else i},{i % 2}\n" for i in range(60)))
    assert """If '-' marks a missing value: 'data.na_values=["-"]'.""" in faults(path, "y")
    assert load(path, "y", na_values=["-"]).preprocessing["missing"] == {"age": 7}
    path = write(
        "x,z,y\n" + "\n".join(f"{('-', '--', 'NA', 1, 2, 3, 4)[i % 7]},{i},{'ab'[i % 2]}" for i in range(70))
    )
    assert """If '-', '--' mark missing values: 'data.na_values=["-","--","NA"]'.""" in faults(path, "y")
    assert "mark" not in faults(path, "y", weight="y")  # of which no value is a number


def test_the_markers_of_all_columns_are_offered_once_beside_those_that_count_already(write):
    words = {"a": "NA", "b": "unknown", "c": "\N{EN DASH}"}
    rows = [[w if (i + k) % 9 == 0 else str(i) for k, w in enumerate(words.values())] for i in range(60)]
    path = write("a,b,c,y\n" + "".join(f"{','.join(row)},{i % 2}\n" for i, row in enumerate(rows)))

    def offered(text):
        return json.loads(re.search(r"'data\.na_values=(\[.*?\])'", text)[1])

    text = faults(path, "y")
    assert text.count("If ") == 1 and text.count("not a number") == 2 and "\\" not in text
    assert {*offered(text)} == {*words.values()}
    missing = {name: sum(row[k] == word for row in rows) for k, (name, word) in enumerate(words.items())}
    assert load(path, "y", na_values=offered(text)).preprocessing["missing"] == missing
    assert {*offered(faults(path, "y", na_values=["NA", "unknown"]))} == {*words.values()}
