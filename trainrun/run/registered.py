"""Register a run's model in its tracker's registry, on wish only if it is better than the model that has an alias."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from trainrun.config import outputs
from trainrun.errors import Problem, UserError, first_line
from trainrun.registry import direction
from trainrun.tracking import origin, trackers
from trainrun.tracking.delivery import state
from trainrun.tracking.delivery.state import Target
from trainrun.ui import console
from trainrun.util import grants, imports

if TYPE_CHECKING:
    from trainrun.run.result import RunResult


@dataclass(frozen=True)
class Comparison:
    """How a model compares with the one that has the alias.

    Args:
        run: of that model, its directory.
        part, rows: what both predicted.
        metric: this run's objective.
        value, other: of this model and of the other one.
        low, high: the interval that holds 95% of the difference, this minus the other, over bootstrap resamples of the rows.
        better: whether the whole interval lies on the better side of 0.
    """

    run: str
    part: str
    rows: int
    metric: str
    value: float
    other: float
    low: float
    high: float
    better: bool


@dataclass(frozen=True)
class Registered:
    """What was registered.

    Args:
        run: the run's directory.
        name: of the registered model.
        version: None: refused, because the model is not better.
        alias: that the version has.
        address: of the registry.
        comparison: with the model that had the alias; None: none had it, or none was asked for.
    """

    run: str
    name: str
    version: str | None
    alias: str | None
    address: str
    comparison: Comparison | None

    def plain(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return asdict(self)


def register(
    run: RunResult, name: str, alias: str | None, if_better: bool, find_run: Callable[[str], RunResult]
) -> Registered:
    """Register the model of a run.

    Args:
        run: the run.
        name, alias, if_better: as in `RunResult.register`.
        find_run: returns the run with an id of the tracker's.

    Raises:
        UserError: the run is in no registry, or the two models were not tested on the same rows.
    """
    if if_better and alias is None:
        raise UserError(Problem("if-better", "better than which model? Name its alias: --alias champion"))
    entry = next((e for e in reversed(state.latest(run.run_dir)) if e.get("run_id")), None)
    if entry is None:
        raise UserError(
            f"{run.run_dir} is in no tracker that has a registry (tracking=none). Send it first: trainrun sync {run.run_dir}"
        )
    target, comparison = origin.target_of(run.run_dir, entry), None
    tracker = trackers.find(target.tracker)
    if if_better and alias is not None:
        holder = _asked(tracker, target, lambda: tracker.holder(target, name, alias))
        if holder is not None and holder != entry["run_id"]:
            comparison = _compared(run, find_run(holder))
    if comparison is not None and not comparison.better:
        return Registered(str(run.run_dir), name, None, None, target.address, comparison)
    version = _asked(tracker, target, lambda: tracker.register(target, entry["run_id"], name, alias))
    return Registered(str(run.run_dir), name, version, alias, target.address, comparison)


def _asked(tracker: type[trackers.Tracker], target: Target, ask: Callable[[], Any]) -> Any:
    """Return a registry's answer."""
    try:
        with grants.credentials(target.uri):
            return ask()
    except UserError:
        raise
    except Exception as error:  # whatever the tracker's library raises
        raise UserError(f"{tracker.title} at {target.address} refuses: {first_line(error)}") from error


def _compared(run: RunResult, other: RunResult) -> Comparison:
    """Compare two runs' models on the test part that both have, else on the validation part."""
    with imports.collector_paused("tensorflow"), console.hushed():
        from trainrun.run import paired, scores

    one = paired.Model(run)
    part = one.data.held_out()[0]
    if part == "train":
        raise UserError(f"{run.run_dir} has neither a test nor a validation part to compare on.")
    measured = paired.compared(one, paired.Model(other), part)
    if measured is None:
        raise UserError(
            f"{run.run_dir} and {other.run_dir}, whose model has the alias, have not the same rows in their {part} part (data, data.seed, "
            "split), so that neither can be said to be better. Train one of them on the other's data, or leave out --if-better."
        )
    metric = scores.objective(run.config, list(measured.metrics))
    value, difference = measured.metrics[metric].value, measured.differences[metric]
    low, high = -difference.high, -difference.low
    way = direction.of(metric, outputs.measured(run.config, one.data.description()))
    better = low > 0 if way == "max" else way == "min" and high < 0
    return Comparison(
        str(other.run_dir), part, measured.rows, metric, value, value + difference.value, low, high, better
    )
