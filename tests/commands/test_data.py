"""`trainrun data`: a page about a dataset, and the same as JSON; without TensorFlow."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from trainrun.cli import main
from trainrun.data import profile, samples
from trainrun.data.dataset import Dataset, InputSpec, Split, TargetSpec


@pytest.fixture
def table(tmp_path):
    rows = [
        f"{i % 7},{'' if i % 9 == 0 else 'RO'[i % 2]},2021-01-{1 + i % 28:02},{('ok', 'bad')[i % 5 == 0]}"
        for i in range(100)
    ]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["age,city,sold,y", *rows]) + "\n")
    return ["data=csv", f"data.path={path}", "data.target=y"]


def test_a_table_is_shown_by_column(table, capsys):
    assert main(["data", *table]) == 0
    page = capsys.readouterr().out
    lines = page.splitlines()
    assert lines[0].startswith("data: t, 100 examples (train 60, validation 20, test 20; drawn at random)")
    assert "classes: ok 80.0%, bad 20.0% (positive)" in lines
    for start, inside in (
        ("age", "0 … 3 … 6"),
        ("city", "categories"),
        ("sold", "2021-01-01"),
        ("bad", "12"),
    ):
        assert any(line.split()[:1] == [start] and inside in line for line in lines), (start, page)
    assert "first rows" in lines


def test_json_has_the_same_and_nothing_else(table, capsys):
    assert main(["data", "--json", *table]) == 0
    content = json.loads(capsys.readouterr().out)
    columns = {column["name"]: column for column in content["columns"]}
    assert columns["city"]["missing"] == 12 and columns["city"]["frequent"] == {"R": 44, "O": 44}
    assert sum(columns["age"]["histogram"]) == 100 and columns["sold"]["kind"] == "dates as year-month-day"
    assert content["classes"]["bad"] == {"train": 12, "validation": 4, "test": 4}
    assert content["rows"][0] == {"age": "0", "city": "", "sold": "2021-01-01", "y": "bad"}
    assert content["overview"]["positive"] == "bad"


def test_the_first_rows_have_the_numbers_of_the_file(inside, capsys):
    rows = [
        ("123456789", "9007199254740995", "0.123456789", "-1234.5678", "12.3%", "1234567.25"),
        ("987654321", "", "1e-07", "0", "7%", "3"),
    ]
    lines = ["id,long,share,balance,rate,price", *(",".join(row) for row in rows * 40)]
    (inside / "t.csv").write_text("\n".join(lines) + "\n")
    assert (
        main(["data", "--json", "data=csv", "data.path=t.csv", "data.target=price", "data.task=regression"])
        == 0
    )
    first, second = json.loads(capsys.readouterr().out)["rows"][:2]
    assert list(first.values()) == [*rows[0][:4], "12.3", rows[0][5]]
    assert list(second.values()) == [*rows[1][:4], "7", rows[1][5]]


def test_likely_faults_of_the_data_are_reported_and_nothing_else(table, capsys):
    assert main(["data", *table[:2], "data.target=z"]) == 2
    assert "data.target: the file has no column 'z'" in capsys.readouterr().err
    assert main(["data", *table, "loss=huber"]) == 0  # it does not fit, but nothing is trained


def test_images_and_texts_are_shown(capsys):
    assert main(["data", "--json", "data=digits"]) == 0
    examples = json.loads(capsys.readouterr().out)["examples"]
    assert [example["label"] for example in examples] == ["0", "1", "2", "3", "4"]
    picture = examples[0]["lines"]
    assert {len(line) for line in picture} == {8} and len(
        picture
    ) == 4  # a character is as high as two pixels
    middle = [line[3:5].strip() for line in picture[1:3]]
    assert middle == ["", ""] and all(line[2] != " " for line in picture)  # a ring
    ids = np.array([[2, 3, 1, 0], [4, 0, 0, 0]])
    step = {"vocabulary": ["good", "film", "dull"], "split": "whitespace", "ngrams": None}
    data = Dataset(
        "t", "classification", (InputSpec("text", "tokens", (4,), (5,)),), TargetSpec("binary", ("no", "yes")),
        Split(ids, np.array([1, 0])), preprocessing={"inputs": {"text": step}},
    )  # fmt: skip
    shown = [(example["label"], *example["lines"]) for example in samples.of(data)]
    assert shown == [("no", "dull"), ("yes", "good film [unknown]")]


def test_an_image_is_shown_with_its_mask():
    x = np.full((2, 4, 6, 3), 0.5, "float32")
    masks = np.arange(48).reshape(2, 4, 6) % 3
    inputs = (InputSpec("image", "image", (4, 6, 3)),)
    target = TargetSpec("multiclass", ("0", "1", "2"), 3, (4, 6))
    shown = samples.of(Dataset("m", "segmentation", inputs, target, Split(x, masks)), with_pixels=True)
    for example, mask in zip(shown, masks, strict=True):
        assert example["label"] == "with its mask"
        np.testing.assert_array_equal(example["pixels"][:, 6:, 1], mask / 2 * 0.5)


def test_tensorflow_is_not_loaded():
    code = "import sys; from trainrun.cli import main; main(['data', 'data=iris']); print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False" and "petal length" in done.stdout


@pytest.mark.parametrize("words", [[], ["-m", "optimizer=adam,sgd"]])
def test_check_says_what_training_will_say_of_a_table(table, capsys, monkeypatch, words):
    from trainrun.data import _csv_source

    monkeypatch.setattr(_csv_source, "SMALL", 100)  # the preflight check reads the header only
    words = [*words, *table, "data.features=[age,city]", "data.missing=mean_or_mode"]
    assert main(["check", *words]) == 0
    printed = capsys.readouterr()
    assert (
        "classes: ok 80.0%, bad 20.0% (positive)" in printed.out
        and "missing values imputed: city 12" in printed.out
    )
    assert "the target can be read off one column" not in printed.err and printed.out.rstrip().endswith(
        "nothing wrong"
    )
    with open(table[1].removeprefix("data.path=")) as file:
        lines = file.read().splitlines()
    with open(table[1].removeprefix("data.path="), "w") as file:
        file.write("\n".join([f"id,{lines[0]}", *(f"{7 * i},{line}" for i, line in enumerate(lines[1:]))]))
    assert main(["check", *words[:-2], "data.exclude=[sold]"]) == 0
    printed = capsys.readouterr()
    assert (
        "columns that seem to number the rows (different integers, in order or without gaps): id."
        in printed.err
        and "1 warning about the data" in printed.out
    )


def test_the_page_has_all_of_it_and_loads_nothing(table, capsys, tmp_path):
    page = tmp_path / "data.html"
    with open(table[1].removeprefix("data.path="), "a") as file:
        file.write("1,<b>Rome,2021-02-03,ok\n" * 40)
    assert main(["data", "--html", str(page), *table]) == 0
    printed = capsys.readouterr().out
    text = page.read_text()
    assert re.findall(r'<section id="(\w+)">', text) == [
        "data", "classes", "target", "columns", "histograms", "gaps", "repeated", "rows"
    ]  # fmt: skip
    assert "&lt;b&gt;Rome" in text and "<b>Rome" not in text and not re.search(r'(src|href)="(?!data:)', text)
    assert text.count("<svg") == 5  # classes, relation to the target, three columns
    lines = [line for line in printed.splitlines() if line.startswith("duplicates:")]
    assert len(lines) == 2 and all(line.removeprefix("duplicates: ") in text for line in lines)
    assert main(["data", f"--html={page}", "data=digits"]) == 0
    assert page.read_text().count("<img src=") == 24
    assert main(["data", "--html", "data=digits"]) == 2
    assert "--html: expected the file of the page, got data=digits" in capsys.readouterr().err
    assert main(["data", "--html", str(tmp_path / "none" / "d.html"), "data=iris"]) == 2
    assert f"{tmp_path / 'none' / 'd.html'} cannot be written: No such" in capsys.readouterr().err


def test_examples_of_two_parts_are_counted():
    x, y = np.array([[0], [1], [2], [3]]), np.array([0, 1, 0, 1])
    data = Dataset(
        "t", "classification", (InputSpec("x", "numeric", (1,)),), TargetSpec("binary", ("no", "yes")),
        Split(x, y), Split(np.array([[1], [2], [9]]), np.array([1, 1, 0])),
    )  # fmt: skip
    assert profile.repeated(data) == {"validation": 1}  # the second has another target
