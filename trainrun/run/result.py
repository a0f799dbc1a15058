"""A run as an object: what `trainrun.run` returns, and what `trainrun.load` reads from a run's directory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.config import named_components, plugins, saved
from trainrun.errors import Problem, UserError
from trainrun.model import export_formats
from trainrun.model.source_file import MODEL
from trainrun.run import notebook_view
from trainrun.tracking import find, origin, status, summary
from trainrun.ui import console
from trainrun.util import imports, retracing

if TYPE_CHECKING:
    import pandas as pd

    from trainrun.data.dataset import Dataset
    from trainrun.run.exported import Exported
    from trainrun.run.registered import Registered
    from trainrun.run.saved_model import SavedModel
    from trainrun.run.scores import Scores


class RunResult:
    """A recorded run.

    Args:
        run_dir: the run's directory.
        status: FINISHED; of a run that was read, any other, too.
        metrics: final, name -> number; `val_` and `test_` before those of the other splits.
        history: name -> one value an epoch.
        summary: the content of summary.json; empty for a run that has not ended.
        model: the trained Keras model; None: it is loaded when `model` is asked for.

    Example:
        >>> run = trainrun.load("last")
        >>> run.metrics["test_accuracy"], run.config["optimizer"]["name"]
        >>> run.model.predict(run.data().test.x)
    """

    def __init__(
        self,
        run_dir: Path,
        status: str,
        metrics: dict[str, float],
        history: dict[str, list[float]],
        summary: dict[str, Any],
        model: Any = None,
    ):
        self.run_dir, self.status, self.metrics = run_dir, status, metrics
        self._home = run_dir.absolute()  # also where `workplace` is
        self.history, self.summary = history, summary
        if model is not None:
            self.model = model

    @classmethod
    def read(cls, run_dir: Path) -> RunResult:
        """Return a recorded run; one that has not ended has the metrics of its last epoch."""
        now = status.read(run_dir)
        content = summary.read_or_empty(run_dir)
        whole = now.end is not None and content.get("status") == now.status
        metrics = content["metrics"] if whole else now.metrics
        return cls(run_dir, now.status, metrics, now.past["history"], content if whole else {})

    @cached_property
    def config(self) -> dict[str, Any]:
        """The resolved config, as plain dicts and lists; secrets are hidden."""
        return saved.load_plain(self._home)

    @cached_property
    def model(self) -> Any:
        """The trained Keras model: a real target is predicted in its own unit.

        Raises:
            UserError: the run has saved none, or the file cannot be loaded.
        """
        _import_tensorflow()
        from trainrun.run import model_files

        with self.workplace():
            return model_files.load(self._home, saved.load(self._home))

    @cached_property
    def saved(self) -> SavedModel:
        """The trained model with its preprocessing, which takes raw rows.

        Raises:
            UserError: the run has saved none, or a plug-in whose layers it contains is missing.
        """
        _import_tensorflow()
        from trainrun.run.saved_model import SavedModel

        with self.workplace():
            plugins.load(self.config.get("plugins") or [])
        return SavedModel.load(self._home, self.config.get("data"))

    @retracing.unannounced()
    def predict(self, data: Any, keep: Sequence[str] = (), intervals: float | None = None) -> pd.DataFrame:
        """Return predictions for raw rows: `prediction`, and of classes the probability of each.

        Args:
            data: the path of a file as `trainrun predict` takes it, a DataFrame, arrays by column, or the arrays that the model takes.
            keep: its columns or arrays to carry through; always `file`, the path, of a folder, and series and time of a file's time series.
            intervals: the probability with which `low` to `high`, or the classes of `set`, hold the true value; None: without them.

        Raises:
            UserError: the run has no model, the rows do not fit it, or the run has no intervals.

        Example:
            >>> trainrun.load("last").predict(df, keep=["id"])
        """
        import pandas as pd

        from trainrun.data import table_rows
        from trainrun.run import conformal, item_blocks

        keep = item_blocks.kept(data, self.config.get("data"), self.saved.fitted, keep)
        predictions = self.saved.predict(data, further=keep)
        table_rows.warn(predictions.rows.unknown, predictions.rows.missing)
        columns = {name: predictions.rows.further.column(name).to_pandas().to_numpy() for name in keep}
        added = {} if intervals is None else conformal.of(self, intervals).columns(predictions.output)
        index = data.index if isinstance(data, pd.DataFrame) else None
        return pd.DataFrame({**columns, **predictions.columns(), **added}, index=index)

    @retracing.unannounced()
    def evaluate(self, data: Any = None, by: str | None = None, against: RunResult | None = None) -> Scores:
        """Return loss and every metric of the run with bootstrap intervals.

        Args:
            data: a table with the target: the path of a CSV, Parquet or Feather file, or a DataFrame; of a model that takes arrays, the path
                of an .npz file or of a folder for each class, arrays by key, or ``(x, y)``. None: the run's test, else validation part.
            by: a column for whose values, or quarters of its numbers, the metrics are computed, too.
            against: another run, whose metrics are compared on the same rows, with paired intervals.

        Raises:
            UserError: a run has no model, the rows do not fit it, or there is no such column.

        Example:
            >>> trainrun.load("last").evaluate(df, by="region").metrics["accuracy"]
        """
        saved_model = self.saved
        from trainrun.run import embedding_scores, evaluated, other_data, paired

        if named_components.gives_vectors(self.config):
            embedding_scores.refuse(file=data, by=by, against=against)
            return embedding_scores.score(saved_model, self.config, self.run_dir, self.data())
        if data is None:
            own, other = self.data(), None
            if against is not None:
                theirs, part = against.saved, own.held_out()[0]
                split = paired.same_part(own, saved_model.fitted, against.data(), theirs.fitted, part)
                if split is None:
                    text = f"it has not the same rows in its {part} part. Name a file, which both evaluate."
                    raise UserError(Problem("against", text))
                other = str(against.run_dir), theirs, split
            return evaluated.own_part(saved_model, self.config, self.run_dir, own, by, other)
        if other_data.takes(data, self.config["data"], saved_model.fitted):
            second = None if against is None else (str(against.run_dir), against.saved, against.config)
            return evaluated.arrays(saved_model, self.config, self.run_dir, data, by, second)
        try:
            train = self.data().train
        except UserError:  # its file has gone, or has changed
            train = None
        other = None if against is None else (str(against.run_dir), against.saved)
        return evaluated.table(saved_model, self.config, self.run_dir, data, by, other, train)

    @retracing.unannounced()
    def export(
        self,
        format: str,
        quantize: str | None = None,
        output: str | Path | None = None,
        bound: float | None = None,
        rows: int | None = None,
    ) -> Exported:
        """Write the model in a format of another runtime, and compare it there with the original on held-out examples.

        Args:
            format: ``keras``, ``savedmodel``, ``onnx``, ``litert`` or ``openvino``.
            quantize: ``float16``, ``float8``, ``int8`` or ``int4``, as the format has it; None: as trained.
            output: the folder; None: ``export-FORMAT`` in the run's directory.
            bound: the greatest difference between predictions that is accepted: of probabilities, or of numbers in standard deviations.
                None: 0.001, of ``float16`` 0.01, of ``int8`` and ``float8`` 0.1, of ``int4`` 0.25.
            rows: examples to compare, at most; None: 1,000.

        Raises:
            UserError: there is no such format, a package is missing, or the run has no model.
            ExportError: the export differs by more than the bound, or does not run; nothing is kept.

        Example:
            >>> trainrun.load("last").export("onnx").difference
        """
        export_formats.find(format, quantize)
        saved_model, name = self.saved, "-".join(filter(None, ("export", format, quantize)))
        from trainrun.run import exported

        return exported.export(
            saved_model,
            self.config,
            self.data(),
            self.run_dir,
            format,
            quantize,
            self.run_dir / name if output is None else Path(output),
            bound,
            exported.ROWS if rows is None else rows,
        )

    def register(
        self, name: str, alias: str | None = None, if_better: bool = False, outputs: str | Path = find.OUTPUTS
    ) -> Registered:
        """Register the model in the registry of the run's tracker.

        Args:
            name: of the registered model; made if there is none.
            alias: set on the new version; it leaves the version that had it.
            if_better: only if the model is better than the one that has the alias: by this run's objective on its test part, by more
                than the 95% bootstrap interval of the difference on the same rows.
            outputs: where the run of that model is.

        Raises:
            UserError: the run is in no registry, or the two models were not tested on the same rows.

        Example:
            >>> trainrun.load("best").register("churn", alias="champion", if_better=True).version
        """
        from trainrun.run import registered

        return registered.register(
            self, name, alias, if_better, lambda run_id: type(self).read(find.run(run_id, outputs))
        )

    def serve(self, port: int = 5001, ready: Callable[[str, str], None] | None = None) -> None:
        """Answer requests for predictions by MLflow's scoring server on this machine, until Ctrl-C.

        Args:
            port: on 127.0.0.1; 0: a free one.
            ready: is called with the server's address and a command that asks for a prediction; None: they are printed.

        Raises:
            UserError: the run has no model, or the port is in use.
        """
        from trainrun.run import served

        served.serve(self, port, ready)

    def data(self, strict: bool = False) -> Dataset:
        """Load the run's data; `train`, `validation` and `test` have `x`, `y` and `weight`.

        Data that have changed since the training are read by the preprocessing of the model, with a warning.

        Args:
            strict: refuse data that have changed: examples that the model was trained on may stand in its test part now.

        Raises:
            UserError: it is missing, or faulty, or has changed so that it does not fit the model.
        """
        _import_tensorflow()
        from trainrun.run import builders, other_data

        with self.workplace():
            config = saved.load(self._home)
            data = builders.dataset(config)
        if (recorded := self.summary.get("data_sha256")) and data.digest() != recorded:
            text = f"data={data.name} has changed since {self.run_dir} was trained: its parts may have other rows."
            if strict:
                raise UserError(text)
            console.warn(text)
            if (self._home / MODEL).is_file() and data.target.kind != "none":
                with self.workplace():
                    return other_data.of_config(config, self.saved.fitted, str(self.run_dir))
        return data

    def workplace(self) -> contextlib.AbstractContextManager[None]:
        """Return the context in which the config's relative paths count from where they did."""
        folder = origin.workplace(self._home, status.read(self._home).start)
        return contextlib.nullcontext() if folder is None else contextlib.chdir(folder)

    def __repr__(self) -> str:
        return f"<run {find.name_of(self.run_dir)} {self.status}: {self._figures()}>"

    def _figures(self) -> str:
        ranked = sorted(self.metrics, key=lambda k: (not k.startswith("test_"), not k.startswith("val_")))
        return ", ".join(f"{k} {self.metrics[k]:.4g}" for k in ranked[:3])

    def _repr_html_(self) -> str:
        """Return what the report begins with, for a notebook."""
        return notebook_view.of(find.name_of(self.run_dir), self.status, self.metrics, self.summary)


def _import_tensorflow() -> None:
    """Import TensorFlow, and what loads and uses a model, without what they print."""
    with imports.collector_paused("tensorflow"), console.hushed():
        from trainrun.run import saved_model  # noqa: F401
