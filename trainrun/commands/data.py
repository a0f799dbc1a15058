"""`trainrun data [--json] [overrides]`: show what is understood of a dataset, without training."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from trainrun.commands import _json
from trainrun.errors import UserError
from trainrun.ui import console

HELP = """trainrun data [--json] [overrides]: show what is understood of a dataset, without training: parts, classes, columns
with their kind, range, histogram and relation to the target, missing values, the first rows, and what seems wrong.

  trainrun data data=csv data.path=houses.csv data.target=price
  trainrun data data=digits --json"""
# Columns and classes of a table on the screen; `--json` has all.
SHOWN = 40


def main(argv: Sequence[str]) -> int:
    """Load the data of a config and print what is understood of it.

    Raises:
        UserError: the data is faulty.
    """
    from trainrun.config import plugins
    from trainrun.hydra_bridge import compose, preflight

    as_json = "--json" in argv
    flags = compose.arguments([word for word in argv if word != "--json"])
    if flags.help:
        console.say(HELP)
        return 0
    config, problems = preflight.overrides(flags.overrides, flags.config_name, flags.config_path)
    if config is None or (problems := [p for p in problems if p.key.startswith(("data", "plugins"))]):
        raise UserError(problems)
    plugins.load(config["plugins"])
    content = _content(config["data"], quiet=as_json)
    if as_json:
        _json.show(content)
    else:
        _show(content)
    return 0


def _content(spec: Mapping[str, Any], quiet: bool) -> dict[str, Any]:
    """Return `overview`, `columns`, `classes` (class -> part -> examples) and `rows` of a dataset, plain values only."""
    from trainrun.data import overview, profile
    from trainrun.registry import lookup
    from trainrun.registry.construct import construct

    with _json.alone(quiet):
        data = construct("data", spec, complete=True)
    content = {"overview": overview.of(data), "classes": profile.class_counts(data)}
    own = spec["name"] in lookup.own_names("data")
    module = importlib.import_module(f"trainrun.data.{spec['name']}") if own else None
    if not hasattr(module, "values"):  # it is no table, or one that Python code hands over
        return {**content, "columns": list(profile.of_dataset(data)), "rows": []}
    table = module.values(**{key: value for key, value in spec.items() if key != "name"})
    return {**content, "columns": table.records(), "rows": table.rows()}


def _show(content: Mapping[str, Any]) -> None:
    from trainrun.data import overview, profile

    for line in overview.lines({**content["overview"], "columns": {}}):
        console.say(line)
    console.say()
    cells = []
    for column in content["columns"][:SHOWN]:
        spread = column.get("frequent")
        if spread is not None:
            values = ", ".join(f"{text} {count:,}" for text, count in spread.items())
        else:
            ends = [column.get(key) for key in ("least", "median", "largest")]
            values = " … ".join(
                f"{end:.4g}" if isinstance(end, float) else str(end) for end in ends if end is not None
            )
        goes = column["with_target"]
        cells.append(
            [
                column["name"],
                column["kind"],
                str(column["missing"] or ""),
                f"{column['distinct']:,}",
                values,
                profile.bars(column.get("histogram", ())),
                "" if goes is None else f"{goes:.2f}",
            ]
        )
    head = [
        "column",
        "kind",
        "missing",
        "distinct",
        "least … median … largest, or most frequent",
        "histogram",
        "with target",
    ]
    console.table("", head, cells)
    if len(content["columns"]) > SHOWN:
        console.note(f"{len(content['columns']) - SHOWN} more columns: --json")
    if content["classes"]:
        parts = list(next(iter(content["classes"].values())))
        shown = list(content["classes"].items())[:SHOWN]
        console.table(
            "", ["class", *parts], [[name, *(f"{counts[p]:,}" for p in parts)] for name, counts in shown]
        )
    if content["rows"]:
        names = list(content["rows"][0])
        console.say()
        console.table("first rows", names, [[row[name] for name in names] for row in content["rows"]])
