"""`trainrun data [--json] [--html FILE] [overrides]`: show what is understood of a dataset, without training."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.commands import _json
from trainrun.errors import UserError
from trainrun.ui import console
from trainrun.ui.quietly import quietly

if TYPE_CHECKING:
    from trainrun.data.dataset import Dataset

HELP = """trainrun data [--json] [--html FILE] [overrides]: show what is understood of a dataset, without training: parts,
classes, columns with their kind, range, histogram and relation to the target, missing values, examples that two parts
have, the first rows, images or texts, and what seems wrong; with --html also as a page.

  trainrun data data=csv data.path=houses.csv data.target=price
  trainrun data data=digits --json
  trainrun data data=wine --html wine.html"""
# Columns and classes of a table on the screen; `--json` has all.
SHOWN = 40
# Rows that stand side by side, and characters of a value in them.
ROWS, CELL = 3, 18
# Images and texts of the page.
PICTURED = 24


def main(argv: Sequence[str]) -> int:
    """Load the data of a config and print what is understood of it.

    Raises:
        UserError: the data is faulty.
    """
    from trainrun.config import plugins
    from trainrun.hydra_bridge import compose, preflight

    page, words = _page(argv)
    as_json = "--json" in words
    flags = compose.arguments([word for word in words if word != "--json"])
    if flags.help:
        console.say(HELP)
        return 0
    config, problems = preflight.overrides(flags.overrides, flags.config_name, flags.config_path)
    if config is None or (problems := [p for p in problems if p.key.startswith(("data", "plugins"))]):
        raise UserError(problems)
    plugins.load(config["plugins"])
    data, content = _content(config["data"], quiet=as_json)
    if page is not None:
        _write(page, content, data)
    if as_json:
        _json.show(content)
    else:
        _show(content)
        if page is not None:
            console.say()
            console.say(f"written: {page}")
    return 0


def _page(argv: Sequence[str]) -> tuple[Path | None, list[str]]:
    """Return the file after `--html`, and the other words."""
    words = [part for word in argv for part in (word.split("=", 1) if word.startswith("--html=") else [word])]
    if "--html" not in words:
        return None, words
    at = words.index("--html")
    if at + 1 == len(words) or not words[at + 1].endswith((".html", ".htm")):
        given = f", got {words[at + 1]}" if at + 1 < len(words) else ""
        raise UserError(f"--html: expected the file of the page{given}. For example --html data.html.")
    return Path(words[at + 1]), words[:at] + words[at + 2 :]


def _write(path: Path, content: Mapping[str, Any], data: Dataset) -> None:
    """Write the page."""
    from trainrun.artifacts import data_page
    from trainrun.data import samples

    try:
        data_page.write(path, content, samples.of(data, PICTURED, with_pixels=True))
    except OSError as error:
        raise UserError(f"--html: {path} cannot be written: {error.strerror}.") from error


def _content(spec: Mapping[str, Any], quiet: bool) -> tuple[Dataset, dict[str, Any]]:
    """Return a dataset, and its `overview`, `columns`, `classes` (class -> part -> examples), `repeated` and `rows`, plain values only."""
    from trainrun.data import overview, profile, samples
    from trainrun.registry import lookup
    from trainrun.registry.construct import construct

    with quietly(quiet):
        data = construct("data", spec, complete=True)
    content = {
        "overview": overview.of(data),
        "classes": profile.class_counts(data),
        "repeated": profile.repeated(data),
    }
    own = spec["name"] in lookup.own_names("data")
    module = importlib.import_module(f"trainrun.data.{spec['name']}") if own else None
    if not hasattr(module, "values"):  # it is no table, or one that Python code hands over
        columns = list(profile.of_dataset(data))
        return data, {**content, "columns": columns, "rows": [], "examples": samples.of(data)}
    table = module.values(**{key: value for key, value in spec.items() if key != "name"})
    return data, {**content, "columns": table.records(), "rows": table.rows()}


def _show(content: Mapping[str, Any]) -> None:
    from trainrun.data import overview, profile

    for line in overview.lines({**content["overview"], "columns": {}}):
        console.say(line, fold=True)
    for part, count in content["repeated"].items():
        if count:
            console.say(
                f"duplicates: {count:,} {part} examples are the same, with the same target, as a training one",
                fold=True,
            )
    console.say()
    kinds, spreads = [], []
    for column in content["columns"][:SHOWN]:
        spread = column.get("frequent")
        if spread is not None:
            values = ", ".join(f"{_cell(text)} {count:,}" for text, count in spread.items())
        else:
            ends = [column.get(key) for key in ("least", "median", "largest")]
            values = " … ".join(
                _number(end) if isinstance(end, float) else str(end) for end in ends if end is not None
            )
        name, goes = _cell(column["name"]), column["with_target"]
        missing, distinct = str(column["missing"] or ""), f"{column['distinct']:,}"
        kinds.append([name, column["kind"], missing, distinct, "" if goes is None else f"{goes:.2f}"])
        spreads.append([name, profile.bars(column.get("histogram", ())), values])
    console.table("", ["column", "kind", "missing", "distinct", "with target"], kinds)
    console.say()
    console.table("", ["column", "histogram", "least … median … largest, or most frequent"], spreads)
    if len(content["columns"]) > SHOWN:
        console.note(f"{len(content['columns']) - SHOWN} more columns: --json")
    if content["classes"]:
        parts = list(next(iter(content["classes"].values())))
        classes = list(content["classes"].items())[:SHOWN]
        console.say()
        console.table(
            "", ["class", *parts], [[name, *(f"{counts[p]:,}" for p in parts)] for name, counts in classes]
        )
    if rows := content["rows"][:ROWS]:
        names = list(rows[0])[: SHOWN + 1]
        cells = [[_cell(text) for text in (name, *(row[name] for row in rows))] for name in names]
        console.say()
        console.table("first rows", ["column", *(str(i) for i in range(1, len(rows) + 1))], cells)
    for example in content.get("examples", ()):
        label = "" if example["label"] is None else f": {example['label']}"
        console.say()
        console.say(f"{example['input']}{label}", style="bold")
        for line in example["lines"]:
            console.say(f"  {line}")


def _cell(text: str) -> str:
    """Return a value in a table's cell: one line."""
    from trainrun.data._columns import shortened

    return shortened(" ".join(text.split()), CELL)


def _number(value: float) -> str:
    """Return a number to four digits, all of those before the point."""
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e12 else f"{value:.4g}"
