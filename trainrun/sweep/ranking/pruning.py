"""Pruning: stop unpromising trials early, by Optuna's pruners, with every sweeper and every launcher.

The sweep's own process decides, from the metrics that trials report after each epoch. So there is one study with one writer, and
trials share no storage. A trial is never pruned at its last epoch. When a sweep is resumed, the metrics of earlier attempts are
read from the trials' journals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from trainrun.sweep.objective import Objective
from trainrun.sweep.ranking import seed_replicates
from trainrun.sweep.ranking.first_seed import FirstSeed
from trainrun.sweep.ranking.judge import Judge
from trainrun.sweep.trial import Trial
from trainrun.tracking import journal, status

if TYPE_CHECKING:
    import optuna


class Pruning(Judge):
    """Prunes trials by one of Optuna's pruners.

    Args:
        spec: `name` and settings, all of them, as in `conf/sweep/pruner/`.
        objective, direction: as in the config.
        done: trials of earlier attempts, whose journals have their reports.
    """

    asks = True

    def __init__(
        self,
        spec: Mapping[str, Any],
        objective: str | None,
        direction: str,
        done: Iterable[Trial] = (),
    ):
        self.spec = dict(spec)
        self.objective, self.direction = objective, direction
        self._study: optuna.Study | None = None
        self._name = ""
        self._trials: dict[int, optuna.Trial] = {}
        self._done = list(done)

    def epoch_done(self, trial: Trial, epoch: int, metrics: Mapping[str, float], last: bool) -> str | None:
        """Record an epoch; return the reason to prune the trial, or None."""
        if trial.spared:
            return None
        if self._study is None:
            self._begin(metrics, trial.config["trainer"].get("epochs", 1))
        value = metrics.get(self._name)
        if value is None:  # not validated in this epoch
            return None
        optuna_trial = self._trial(trial.number)
        optuna_trial.report(float(value), epoch)
        # Optuna's pruners warn of nothing and raise nothing here; nan counts as worse than all.
        if last or not optuna_trial.should_prune():
            return None
        return f"{self.spec['name']}: {self._name} {value:.4g} after epoch {epoch}"

    def ended(self, trial: Trial) -> None:
        """Record how a trial has ended."""
        optuna_trial = self._trials.pop(trial.number, None)
        if optuna_trial is None:
            return
        import optuna

        states = optuna.trial.TrialState
        value = trial.value(self._name)
        if trial.status == "FINISHED" and value is not None:
            self._study.tell(optuna_trial, value)
        else:
            self._study.tell(optuna_trial, state=states.PRUNED if trial.status == "PRUNED" else states.FAIL)

    def _trial(self, number: int) -> optuna.Trial:
        if number not in self._trials:
            self._trials[number] = self._study.ask()
        return self._trials[number]

    def _begin(self, metrics: Mapping[str, float], epochs: int) -> None:
        """Create the study at the first report, which has the names of the metrics."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._name = self.objective or ("val_loss" if "val_loss" in metrics else "loss")
        maximize = Objective.of(self._name, self.direction, []).maximize
        self._study = optuna.create_study(
            direction="maximize" if maximize else "minimize",
            sampler=optuna.samplers.RandomSampler(),
            pruner=make(self.spec, epochs),
        )
        for trial in self._done:
            self._recall(trial)

    def _recall(self, trial: Trial) -> None:
        """Add the reports of a trial of an earlier attempt to the study."""
        path = trial.run_dir / status.JOURNAL
        if not path.is_file():
            return
        optuna_trial, epochs = self._trial(trial.number), set()
        for record in journal.read(path).records:
            value = (record.get("metrics") or {}).get(self._name)
            if record["kind"] == "epoch" and record["epoch"] not in epochs and isinstance(value, int | float):
                epochs.add(record["epoch"])
                optuna_trial.report(float(value), record["epoch"])
        if trial.status != "WAITING":
            self.ended(trial)


def make(spec: Mapping[str, Any], epochs: int) -> optuna.pruners.BasePruner:
    """Return Optuna's pruner.

    Args:
        spec: `name` and all of its settings.
        epochs: of a trial.
    """
    from optuna import pruners

    if spec["name"] == "asha":
        least = spec["min_epochs"]
        if least == "auto":  # three rungs
            least = max(1, epochs // spec["reduction_factor"] ** 3)
        return pruners.SuccessiveHalvingPruner(
            least, spec["reduction_factor"], spec["min_early_stopping_rate"]
        )
    if spec["name"] == "hyperband":
        return pruners.HyperbandPruner(
            min(spec["min_epochs"], epochs), max(epochs, 1), spec["reduction_factor"]
        )
    if spec["name"] == "median":
        return pruners.MedianPruner(spec["startup_trials"], spec["warmup_epochs"], spec["interval"])
    if spec["name"] == "patient":
        return pruners.PatientPruner(None, spec["patience"], spec["min_delta"])
    return pruners.ThresholdPruner(spec["lower"], spec["upper"], spec["warmup_epochs"])


def of(settings: Mapping[str, Any], done: Iterable[Trial] = ()) -> Judge:
    """Return the judge of a sweep's trials.

    Args:
        settings: see `sweep_settings.settings`.
        done: trials of earlier attempts.
    """
    spec, objective = settings.get("pruner"), settings["objective"]
    if not spec:
        return Judge()
    judge = Pruning(
        spec,
        objective[0] if isinstance(objective, list) else objective,
        settings["direction"],
        done := list(done),
    )
    return FirstSeed(judge, done) if seed_replicates.grouped(settings) else judge
