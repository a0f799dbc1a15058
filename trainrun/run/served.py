"""Serve a run's model on this machine by MLflow's scoring server, from the run's files alone."""

from __future__ import annotations

import csv
import io
import json
import shlex
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.config import plugins
from trainrun.data.preprocessor import Preprocessor
from trainrun.errors import UserError
from trainrun.model import fitted_record
from trainrun.model.source_file import MODEL
from trainrun.tracking import journal, status
from trainrun.tracking.mlflow import serving, signatures
from trainrun.ui import console

if TYPE_CHECKING:
    from trainrun.run.result import RunResult

# Numbers of a row of arrays that a command line holds.
SHORT = 200
# Rows among which one without gaps is looked for.
LOOKED_AT = 100
ROW = "row.json"


def serve(run: RunResult, port: int, ready: Callable[[str, str], None] | None = None) -> None:
    """Answer requests for predictions until SIGINT or SIGTERM.

    Args:
        run: with the model.
        port: on the loopback interface; 0: a free one.
        ready: is called with the server's address and a command that asks for a prediction; None: they are printed.

    Raises:
        UserError: the run has no model, or the port is in use.
    """
    run_dir, about = run.run_dir, _about(run.run_dir)
    fitted = fitted_record.require(run_dir / MODEL)
    with tempfile.TemporaryDirectory(prefix="trainrun-") as folder:

        def listening(address: str, model_folder: Path) -> None:
            command = example(run, fitted, address, model_folder, Path(folder))
            if ready is not None:
                ready(address, command)
                return
            console.say(
                f"{run_dir.name} is served at {address}/invocations; Ctrl-C ends it. A row of its data:"
            )
            console.say(command)

        with run.workplace():
            plugins.load(run.config.get("plugins") or [])
        serving.serve(Path(folder, "model"), run_dir / MODEL, about, port, listening)


def example(run: RunResult, fitted: Preprocessor, address: str, model_folder: Path, folder: Path) -> str:
    """Return a command that asks a server for the prediction of one row: of a table the first row of its file, as it stands there.

    Args:
        run: whose model is served.
        fitted: of the model.
        address: of the server.
        model_folder: of the MLflow model.
        folder: where a row that is too long for a command line is written.
    """
    url = f"{address}/invocations"
    if fitted.table:
        row = _first_row(run, fitted)
        if row is not None:
            lines = " ".join(shlex.quote(_csv_line(values)) for values in row)
            return f"printf '%s\\n' {lines} | curl -H 'Content-Type: text/csv' --data-binary @- {url}"
        body = (model_folder / signatures.SERVING_EXAMPLE).read_text("utf-8")
    else:
        from trainrun.model import raw_examples

        _, split = run.data().held_out()
        raw = raw_examples.of(split.part(slice(1)).x, fitted)
        # Texts are a list: see `signatures.of_arrays`.
        values = {n: (a[:, 0] if a.dtype == object else a).tolist() for n, a in raw.items()}
        body = json.dumps({"inputs": values if len(values) > 1 else next(iter(values.values()))})
    if body.count(",") > SHORT:
        (folder / ROW).write_text(body, encoding="utf-8")
        body = f"@{folder / ROW}"
    return f"curl -H 'Content-Type: application/json' -d {shlex.quote(body)} {url}"


def _first_row(run: RunResult, fitted: Preprocessor) -> tuple[list[str], list[str]] | None:
    """Return the columns and the values of the first row without gaps in the file of a run's table; None: it cannot be read."""
    from trainrun.data import table_rows
    from trainrun.data._csv_format import CsvFormat

    spec, names = run.config["data"], [c.name for c in fitted.columns]
    try:
        with run.workplace():
            source = table_rows.open_rows(str(spec.get("path")), form=CsvFormat.of(spec), announces=False)
            first = next(iter(source.blocks(names))).slice(0, LOOKED_AT).to_pylist()
    except (UserError, StopIteration, OSError):
        return None
    texts = [["" if row[name] is None else str(row[name]) for name in names] for row in first]
    whole = (row for row in texts if not any(t.lower() in fitted.missing_words for t in row))
    return names, next(whole, texts[0])


def _csv_line(values: list[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(values)
    return buffer.getvalue()


def _about(run_dir: Path) -> dict[str, Any]:
    """Return the journal's description of a run's saved model."""
    records = journal.read(run_dir / status.JOURNAL).records
    described = [r["model"] for r in records if r.get("kind") == "artifact" and r.get("model")]
    if not described or not (run_dir / MODEL).is_file():
        raise UserError(
            f"{run_dir} has no {MODEL}: it has not finished, or was trained with artifacts.model=false."
        )
    return described[-1]
