"""README.md and docs/*.md are true: commands are valid, shown output is what is printed, code runs, links lead somewhere.

Every line of a ```sh block that begins with `trainrun` is checked, unless `<!-- not checked: reason -->` stands above the block.
"""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyarrow import csv, parquet

from trainrun.cli import main
from trainrun.commands import _verbs
from trainrun.data import _record_index
from trainrun.registry import lookup

ROOT = Path(__file__).parent.parent
PAGES = {p.name if p.parent == ROOT else f"docs/{p.name}": p.read_text(encoding="utf-8")
         for p in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]}  # fmt: skip
MAXIMUM_README_WORDS = 1300
# Output that is printed without training, and does not depend on the machine.
QUICK_VERBS = ("ls", "show", "check")


def commands(text: str) -> list[list[str]]:
    """Return the arguments of every `trainrun …` line in a page's ```sh blocks."""
    lines_of_code = []
    for note, block in re.findall(r"(<!-- not checked: [^\n]*-->\n)?```sh\n(.*?)```", text, re.DOTALL):
        lines = [] if note else block.replace("\\\n", " ").splitlines()
        lines_of_code += [
            shlex.split(line, comments=True)[1:] for line in lines if line.startswith("trainrun ")
        ]
    return lines_of_code


def shown(text: str) -> list[tuple[str, str]]:
    """Return (command, output) of the examples whose output can be reproduced without training."""
    examples = re.findall(r"```\n\$ trainrun ([^\n]+)\n(.*?)\n```", text, re.DOTALL)
    refused = re.compile(r"error:|\d+ problems?:")
    return [(c, output) for c, output in examples if c.split()[0] in QUICK_VERBS or refused.match(output)]


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


# Data that is not there without a network.
UNREAD = ("data=keras", "data=huggingface", "data=tfds")
COMMANDS = [(page, c) for page, text in PAGES.items() for c in commands(text) if "-sc" not in c]
SHOWN = list(dict.fromkeys(example for text in PAGES.values() for example in shown(text)))
RUNS = list(
    dict.fromkeys(tuple(c) for _, c in COMMANDS if c and c[0] not in _verbs.names() and c != ["--help"])
)
# Of the page "Your own data": what reads the reader's files, without model and loss.
OWN_DATA = list(
    dict.fromkeys(
        tuple(w for w in c if w.startswith("data"))
        for page, c in COMMANDS
        if page == "docs/data.md" and c and c[0].startswith("data=") and c[0] not in UNREAD
    )
)


def _records(count: int) -> bytes:
    """Return a TFRecord file of images and labels."""

    def field(number, content):
        length = bytes([len(content) & 127 | 128, len(content) >> 7])
        return bytes([number << 3 | 2]) + length + content

    def crc(content):
        return _record_index.checksum(content).to_bytes(4, "little")

    stream = io.BytesIO()
    Image.new("L", (8, 8)).save(stream, "PNG")
    content = b""
    for i in range(count):
        values = {
            b"image": field(1, field(1, stream.getvalue())),
            b"label": field(3, field(1, bytes([i % 2]))),
        }
        features = b"".join(field(1, field(1, name) + field(2, value)) for name, value in values.items())
        example = field(1, features)
        length = len(example).to_bytes(8, "little")
        content += length + crc(length) + example + crc(example)
    return content


@pytest.fixture(autouse=True)
def reader_folder(inside, monkeypatch):
    rows = "\n".join(f"{i % 7},{'ab'[i % 2]},{i * 1.5}" for i in range(100))
    (inside / "parts").mkdir()
    for name in ("houses.csv", "parts/a.csv"):
        (inside / name).write_text(f"rooms,city,price\n{rows}\n")
    films = "\n".join(
        f"{i % 7},{i % 2},{i % 3 % 2},{'drama;comedy'[: i % 2 * 7 + 5]},{('bad', 'ok', 'good')[i % 3]}"
        for i in range(60)
    )
    (inside / "films.csv").write_text(f"length,drama,comedy,tags,rating\n{films}\n")
    frauds = "\n".join(f"{i % 7},{'no' if i % 4 else 'yes'}" for i in range(60))
    (inside / "fraud.csv").write_text(f"amount,fraud\n{frauds}\n")
    customers = "\n".join(f"{i % 7},{'no' if i % 3 else 'yes'},{i * 1.5}" for i in range(100))
    (inside / "customers.csv").write_text(f"visits,churn,spend\n{customers}\n")
    parquet.write_table(csv.read_csv(inside / "houses.csv"), inside / "houses.parquet")
    table = csv.read_csv(inside / "houses.csv").rename_columns(["rooms", "label", "price"])
    (inside / "saved").mkdir()
    parquet.write_table(table, inside / "saved" / "train.parquet")
    for name in ("cats", "dogs"):
        (inside / "photos" / name).mkdir(parents=True)
        for i in range(30):
            Image.new("RGB", (8, 8)).save(inside / "photos" / name / f"{i}.png")
    ages = "\n".join(f"photos/cats/{i % 30}.png,{i}.5" for i in range(60))
    (inside / "labels.csv").write_text(f"file,age\n{ages}\n")
    kinds = "\n".join(f"photos/cats/{i % 30}.png,{'ab'[i % 2]},{i}.5" for i in range(60))
    (inside / "photos.csv").write_text(f"file,kind,price\n{kinds}\n")
    for folder, image in (
        ("scans", Image.new("RGB", (8, 8))),
        ("masks", Image.linear_gradient("L").resize((8, 8))),
    ):
        (inside / folder).mkdir()
        for i in range(60):
            image.save(inside / folder / f"{i}.png")
    scans = "\n".join(f"scans/{i}.png,masks/{i}.png" for i in range(60))
    (inside / "scans.csv").write_text(f"file,mask\n{scans}\n")
    reviews = "\n".join(f"a {'good' if i % 2 else 'bad'} film,{i % 2}" for i in range(60))
    days = (f"2024-{i // 28 + 1:02}-{i % 28 + 1:02}" for i in range(224))
    sales = "\n".join(f"{day},{'ab'[i % 2]},{i % 7}.5" for i, day in enumerate(days))
    (inside / "sales.csv").write_text(f"date,store,sales\n{sales}\n")
    (inside / "reviews.csv").write_text(f"review,stars\n{reviews}\n")
    random = np.random.default_rng(0)
    two = {"churn": np.arange(60) % 2, "spend": random.random(60), "churn_weight": random.random(60)}
    np.savez(inside / "my.npz", image=random.random((60, 8, 8, 1)), age=random.random((60, 1)), **two)
    for name in ("images.npz", "big.npz"):
        np.savez(inside / name, x=random.random((40, 8, 8, 1), "float32"), y=np.arange(40) % 2)
    (inside / "records.tfrecord").write_bytes(_records(60))
    for name, code in re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGES["docs/plugins.md"], re.DOTALL):
        (inside / name).write_text(code)
    monkeypatch.setenv("COLUMNS", "110")
    with lookup.isolated():  # without what other tests have plugged in
        yield


def test_the_pages_have_commands_and_examples_to_check():
    assert len(RUNS) >= 30 and len(SHOWN) >= 3


@pytest.mark.parametrize("command", RUNS, ids=" ".join)
def test_command_is_valid(command, monkeypatch):
    monkeypatch.setenv("TRAINRUN_ALERT_WEBHOOK", "https://hooks.example.org/x")  # as the page says
    assert main(["check", *command]) == 0


@pytest.mark.parametrize("command", OWN_DATA, ids=" ".join)
def test_own_data_is_read(command):
    assert main(["data", "--json", *command]) == 0


def test_bare_first_words_are_verbs():
    first = [(page, c[0]) for page, c in COMMANDS if c and "=" not in c[0] and not c[0].startswith("-")]
    assert [(page, word) for page, word in first if word not in _verbs.names()] == []


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[c for c, _ in SHOWN])
def test_shown_output_is_printed(command, output, capsys):
    main(shlex.split(command))
    captured = capsys.readouterr()
    printed = [line.rstrip() for line in (captured.out + captured.err).strip().splitlines()]
    assert printed == [line.rstrip() for line in output.splitlines()]


@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_python_example_runs(page):
    examples = re.findall(r"```python\n(.*?)```", PAGES[page], re.DOTALL)
    assert examples
    for code in examples:
        exec(compile(code, page, "exec"), {})


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_pages_and_headings(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", PAGES[page], flags=re.DOTALL)):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), target


def test_the_index_names_every_page():
    pages = {name.removeprefix("docs/") for name in PAGES if name.startswith("docs/")} - {"README.md"}
    assert {p for p in pages if f"]({p})" not in PAGES["docs/README.md"]} == set()


def test_readme_is_short():
    prose = re.sub(r"```.*?```", "", PAGES["README.md"], flags=re.DOTALL)
    assert len(prose.split()) <= MAXIMUM_README_WORDS


def test_experiments_page_agrees_with_the_headers_of_the_experiments():
    rows = [line for line in PAGES["docs/experiments.md"].splitlines() if line.startswith("| `")]
    for path in sorted((ROOT / "conf" / "experiment").glob("*.yaml")):
        header = dict(re.findall(r"^# (Command|Time|Score): (.*)$", path.read_text(), re.MULTILINE))
        row = next((r for r in rows if f"`{header['Command'].split('  ')[0]}`" in r), "")
        assert header["Score"].split(" (")[0] in row and header["Time"].split(" on ")[0] in row, path.name
    assert len(rows) == len(list((ROOT / "conf" / "experiment").glob("*.yaml")))


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_left_to_fill_in(page):
    assert "@@" not in PAGES[page]
