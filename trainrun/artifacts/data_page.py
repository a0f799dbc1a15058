"""A self-contained page about a dataset: what is understood of it, columns, classes, gaps, repeated examples, rows, images and texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainrun.artifacts import page, result_table
from trainrun.artifacts.page import Picture, Section, Table
from trainrun.artifacts.svg_chart import Chart, Panel, number, span
from trainrun.data import overview
from trainrun.data._columns import shortened

# Columns that have a histogram, and bars of a chart of columns or classes.
HISTOGRAMS, BARS = 60, 20
VALUE = 24  # characters of a frequent value
COLUMNS = ("column", "kind", "missing", "distinct", "least", "median", "largest", "most frequent")


def write(path: Path, content: Mapping[str, Any], examples: Sequence[Mapping[str, Any]]) -> Path:
    """Write the page.

    Args:
        path: of the page.
        content: `overview`, `columns`, `classes`, `repeated` and `rows`, as `trainrun data --json` prints them.
        examples: images and texts, as `data.samples.of` returns them with their pixels.
    """
    seen, columns = content["overview"], content["columns"]
    head = [(part, f"{count:,}", "examples") for part, count in seen["parts"].items()]
    kinds = seen["number_of_columns"]
    head += [("columns", f"{sum(kinds.values()):,}", "")] if kinds else []
    sections = [
        Section("data", "What is understood", lines(seen)),
        _classes(content["classes"]),
        _with_target(columns),
        Section("columns", "Columns", tables=_table(COLUMNS, map(_cells, columns), texts=[1])),
        _histograms(columns, seen["examples"]),
        _gaps(seen, columns),
        _repeated(content["repeated"]),
        _rows(content["rows"]),
        _examples(examples),
    ]
    return page.write(path, f"Data: {seen['name']}", "", head, sections)


def lines(seen: Mapping[str, Any]) -> list[str]:
    """Return the lines on the data, and what is almost surely wrong with it.

    Args:
        seen: as `data.overview.of` returns it.
    """
    return [*overview.lines(seen), *(f"Warning: {notice}" for notice in seen["notices"])]


def _table(columns: Sequence[str], rows: Iterator[list[Any]], texts: Sequence[int] = ()) -> list[Table]:
    rows = list(rows)
    return [Table(*result_table.filled(columns, rows), texts=texts)] if rows else []


def _classes(classes: Mapping[str, Mapping[str, int]]) -> Section:
    """Return the examples of each class by part."""
    if not classes:
        return Section("classes", "Classes")
    parts = list(next(iter(classes.values())))
    sizes = {name: sum(counts.values()) for name, counts in classes.items()}
    total = max(sum(sizes.values()), 1)
    rows = (
        [name, *(f"{counts[p]:,}" for p in parts), f"{sizes[name] / total:.1%}"]
        for name, counts in classes.items()
    )
    shown = dict(sorted(sizes.items(), key=lambda item: -item[1])[:BARS])
    more = f"the {BARS} most frequent of {len(sizes):,}" if len(sizes) > BARS else ""
    return Section(
        "classes",
        "Classes",
        tables=_table(("class", *parts, "share"), rows),
        panels=[_bars("Examples of each class", list(shown), list(shown.values()), "examples", more)],
    )


def _with_target(columns: Sequence[Mapping[str, Any]]) -> Section:
    """Return how closely the columns go with the target, the closest first."""
    known = [column for column in columns if column["with_target"] is not None]
    known = sorted(known, key=lambda column: -abs(column["with_target"]))
    rows = ([column["name"], column["kind"], f"{column['with_target']:.3f}"] for column in known)
    shown = known[:BARS]
    heights = [column["with_target"] for column in shown]
    chart = (
        [_bars("The closest columns", [c["name"] for c in shown], heights, "with the target")]
        if known
        else []
    )
    note = (
        "Pearson's correlation of two numbers, the correlation ratio of a number and classes, Cramér's V of categories "
        "and classes; the latter two without the bias of few rows a class."
    )
    return Section(
        "target",
        "Relation to the target",
        panels=chart,
        tables=_table(("column", "kind", "with target"), rows, texts=[1]),
        note=note,
    )


def _cells(column: Mapping[str, Any]) -> list[str]:
    ends = (column.get(key) for key in ("least", "median", "largest"))
    values = ["" if end is None else number(end) if isinstance(end, float) else str(end) for end in ends]
    frequent = ", ".join(
        f"{shortened(text, VALUE)} {count:,}" for text, count in column.get("frequent", {}).items()
    )
    return [column["name"], column["kind"], f"{column['missing']:,}" if column["missing"] else "",
            f"{column['distinct']:,}", *values, frequent]  # fmt: skip


def _histograms(columns: Sequence[Mapping[str, Any]], examples: int) -> Section:
    more = len(columns) - HISTOGRAMS
    note = f"{more:,} more columns are not drawn." if more > 0 else ""
    return Section(
        "histograms",
        "Histograms",
        panels=[p for c in columns[:HISTOGRAMS] if (p := _histogram(c, examples))],
        note=note,
    )


def _histogram(column: Mapping[str, Any], examples: int) -> Panel | None:
    if frequent := column.get("frequent"):
        rest = examples - column["missing"] - sum(frequent.values())
        counts = {**frequent, **({"others": rest} if column["distinct"] > len(frequent) else {})}
        return _bars(column["name"], list(counts), list(counts.values()), "examples")
    heights = column.get("histogram")
    if not heights:
        return None
    least, largest = column["least"], column["largest"]
    dates = isinstance(least, str)
    low, high = (0.0, float(len(heights))) if dates else (least, largest)
    low, high = (low, high) if high > low else (low - 0.5, low + 0.5)
    step = (high - low) / len(heights)
    chart = Chart(
        column["name"],
        (low, high),
        (0, 1.05 * max(heights)),
        f"{least} … {largest}" if dates else "",
        "examples",
        names=[] if dates else None,
    )
    chart.bars([low + i * step for i in range(len(heights) + 1)], heights)
    return chart.panel()


def _bars(title: str, names: Sequence[str], heights: Sequence[float], label: str, note: str = "") -> Panel:
    """Return bars with names."""
    low, high = span([0.0, *heights], 0.05)
    chart = Chart(
        title,
        (-0.5, len(names) - 0.5),
        (min(low, 0.0) if min(heights) < 0 else 0.0, high),
        "",
        label,
        names=names,
    )
    chart.bars([i - 0.5 for i in range(len(names) + 1)], heights)
    return chart.panel(note)


def _gaps(seen: Mapping[str, Any], columns: Sequence[Mapping[str, Any]]) -> Section:
    """Return the missing values, the most of them first, and what stands for them."""
    gaps = sorted((c for c in columns if c["missing"]), key=lambda column: -column["missing"])
    imputed = seen["imputed"]

    def row(column: Mapping[str, Any]) -> list[str]:
        value = imputed.get(column["name"], {}).get("value", "")
        share = column["missing"] / max(seen["examples"], 1)
        return [
            column["name"],
            f"{column['missing']:,}",
            f"{share:.1%}",
            number(value) if isinstance(value, float) else str(value),
        ]

    return Section(
        "gaps", "Missing values", tables=_table(("column", "missing", "share", "imputed"), map(row, gaps))
    )


def _repeated(repeated: Mapping[str, int]) -> Section:
    """Return how many held-out examples the training part has, too."""
    sentences = [
        f"{count:,} {part} examples are the same, with the same target, as a training one."
        for part, count in repeated.items()
    ]
    return Section("repeated", "Duplicates across parts", sentences)


def _rows(rows: Sequence[Mapping[str, str]]) -> Section:
    return Section(
        "rows",
        "First rows",
        tables=_table(list(rows[0]), (list(row.values()) for row in rows)) if rows else [],
    )


def _examples(examples: Sequence[Mapping[str, Any]]) -> Section:
    """Return images and texts with their labels."""

    def row(example: Mapping[str, Any]) -> list[Any]:
        shown = (
            example["lines"][0]
            if example["pixels"] is None
            else Picture(page.png(example["pixels"]), "an example")
        )
        return [example["label"] or "", shown]

    tables = []
    for name in dict.fromkeys(example["input"] for example in examples):
        of_input = [example for example in examples if example["input"] == name]
        texts = [1] if of_input[0]["pixels"] is None else []
        tables += [Table(("label", name), [row(example) for example in of_input], texts=texts)]
    return Section("examples", "Examples", tables=tables)
