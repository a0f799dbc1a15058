"""`hydra/sweeper=optuna`: each trial is suggested when a worker is free, from the results of all earlier ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.compat import optuna_private
from trainrun.sweep.objective import Objective
from trainrun.sweep.space import optuna_distributions, samplers, study_storage
from trainrun.sweep.space.search_space import Chosen, Space, bare
from trainrun.sweep.space.trial_source import Compose, Point
from trainrun.sweep.trial import Trial

if TYPE_CHECKING:
    import optuna

POINT = "trainrun"  # the attribute of a study's trial that says which trial of which sweep it is


class Study:
    """Points suggested by an Optuna study, one by one; epochs and ends of trials are reported to it.

    Args:
        space: to search.
        spec: the keys of `conf/hydra/sweeper/optuna.yaml`; `seed` is a number.
        objective, direction: as in the config.
        count: total number of trials.
        compose: makes a trial of a point.
        sweep_dir: exists; the study's file lies there.
        recorded: the number and overrides of earlier points of this sweep.
        done: trials of earlier attempts that stay as they are.
        waiting: points of earlier attempts to run first.
    """

    def __init__(
        self,
        space: Space,
        spec: Mapping[str, Any],
        objective: str | Sequence[str] | None,
        direction: str | Sequence[str],
        count: int,
        compose: Compose,
        sweep_dir: Path,
        recorded: Sequence[tuple[int, Sequence[str]]] = (),
        done: Iterable[Trial] = (),
        waiting: Iterable[Point] = (),
    ):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space, self._spec, self._count, self._compose = space, spec, count, compose
        self._sweep = sweep_dir.name
        objectives = Objective.of(objective, direction, []).all
        self._names = [None] if not objective else [o.name for o in objectives]
        self._waiting, self._again = deque(waiting), deque[Point]()
        self._next = max((number for number, _ in recorded), default=-1) + 1
        self._open: dict[int, optuna.Trial] = {}  # those that run
        self._reported: dict[int, int] = {}  # their last epochs
        self._closed = False
        self._one_message = partial(study_storage.one_message, spec.get("storage"), sweep_dir)
        with self._one_message(opening=True):
            self._study = optuna.create_study(
                storage=study_storage.open_storage(spec.get("storage"), sweep_dir),
                study_name=spec.get("study_name") or self._sweep,
                directions=["maximize" if o.maximize else "minimize" for o in objectives],
                load_if_exists=True,
            )
            self._recall(recorded, list(done))
        self.total: int | None = len(self._waiting) + len(self._again) + max(0, count - self._asked)

    def take(self) -> Point | None:
        """Return the next trial, without waiting for running ones."""
        if self._waiting:
            return self._waiting.popleft()
        if self._again:
            return self._again.popleft()
        if self._closed or self._asked >= self._count:
            return None
        with self._one_message():
            return self._ask()

    @property
    def left(self) -> bool:
        """Whether there are more."""
        return bool(self._waiting or self._again) or (not self._closed and self._asked < self._count)

    def epoch_done(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> None:
        """Report an epoch's value to the study; a study of several objectives takes none."""
        optuna_trial = self._open.get(trial.number)
        if optuna_trial is None or len(self._names) > 1:
            return
        name = self._names[0] or ("val_loss" if "val_loss" in metrics else "loss")
        if name in metrics and epoch > self._reported.get(trial.number, 0):
            self._reported[trial.number] = epoch
            with self._one_message():
                optuna_trial.report(float(metrics[name]), epoch)

    def ended(self, trial: Trial) -> None:
        """Report the result of a trial to the study; without a finite value it counts as failed."""
        with self._one_message():
            self._tell(trial)

    def _tell(self, trial: Trial) -> None:
        optuna_trial = self._open.pop(trial.number, None)
        self._reported.pop(trial.number, None)
        if optuna_trial is None:
            self._remember(trial)
            return
        for key, value in self._attributes(trial).items():
            optuna_trial.set_user_attr(key, value)
        values = self._values(trial)
        if values is not None:
            self._study.tell(optuna_trial, values)
        else:  # of a pruned one Optuna takes the last value that it was told
            pruned = trial.status == "PRUNED" and len(self._names) == 1
            self._study.tell(optuna_trial, state=self._states.PRUNED if pruned else self._states.FAIL)

    def close(self) -> None:
        """Stop: no more trials begin."""
        self._closed = True
        self._waiting.clear()
        self._again.clear()

    @property
    def _states(self) -> Any:
        import optuna

        return optuna.trial.TrialState

    def _ask(self) -> Point:
        several, n = len(self._names) > 1, len(self._study.get_trials(deepcopy=False))
        self._study.sampler = samplers.make(self._spec, self._spec["seed"], n, self._count, several)
        optuna_trial = self._study.ask()
        chosen: Chosen = {}
        for dimension in self._space.dimensions:
            if self._space.matters(dimension, chosen):
                chosen |= optuna_distributions.suggest(optuna_trial, dimension)
        number, self._next = self._next, self._next + 1
        # One attribute, written last: each is a write to the disk, and a trial without it was never started.
        optuna_trial.set_user_attr(POINT, self._known(number, chosen))
        self._asked += 1
        return self._point(number, optuna_trial, self._space.overrides(chosen))

    def _point(self, number: int, optuna_trial: optuna.Trial, overrides: list[str]) -> Point:
        self._open[number] = optuna_trial
        return Point(number, lambda: self._compose(number, overrides), overrides=overrides)

    def _known(self, number: int, chosen: Chosen) -> dict[str, Any]:
        """Return the key that identifies a trial of the study."""
        return {"sweep": self._sweep, "number": number, "overrides": self._space.varied(chosen)}

    def _values(self, trial: Trial) -> list[float] | None:
        """Return a finished trial's values; None if it has not finished, or one of them is not finite."""
        if trial.status != "FINISHED":
            return None
        names = [n or ("val_loss" if "val_loss" in trial.metrics else "loss") for n in self._names]
        values = [trial.value(n) for n in names]
        return None if None in values else values

    def _attributes(self, trial: Trial) -> dict[str, Any]:
        facts = {
            "run_dir": str(trial.run_dir) if trial.run_dir.name else None,
            "seed": trial.config.get("seed"),
            "reason": (trial.reason or "").partition("\n")[0] or None,
        }
        return {k: v for k, v in facts.items() if v is not None}

    def _recall(self, recorded: Sequence[tuple[int, Sequence[str]]], done: Sequence[Trial]) -> None:
        """Continue a study that was stopped: its trials are matched with the sweep's by their varied values."""
        everything = self._study.get_trials(deepcopy=False)
        own_trials = [t for t in everything if t.user_attrs.get(POINT, {}).get("sweep") == self._sweep]
        for one in everything:
            if (
                one.state == self._states.RUNNING
                and POINT not in one.user_attrs
                and not self._spec.get("storage")
            ):
                self._study.tell(one.number, state=self._states.FAIL)  # killed in the middle of `_ask`
        ended = {t.number: t for t in done}
        points = {number: set(overrides) for number, overrides in recorded}
        waiting = {p.number for p in self._waiting}
        for one in own_trials:
            varied, number = one.user_attrs[POINT]["overrides"], one.user_attrs[POINT]["number"]
            needed = set(varied)
            match = next((n for n in [number, *points] if n in points and points[n] >= needed), None)
            if match is not None:
                del points[match]
            if one.state != self._states.RUNNING:
                continue
            if match is None or (match not in ended and match not in waiting):
                # It was suggested, and never begun.
                if match is None:
                    match, self._next = self._next, self._next + 1
                whole = self._space.overrides(self._space.chosen(varied))
                self._again.append(self._point(match, self._taken_up(one), whole))
                continue
            self._open[match] = self._taken_up(one)
            self._reported[match] = max(one.intermediate_values, default=0)
            if match in ended:  # it has ended, and the study was not told
                self._tell(ended[match])
        self._asked = len([t for t in own_trials if not t.user_attrs[POINT].get("again")])
        for number in points:  # what the study does not know: its file is gone, or they came by another way
            self._asked += 1
            if number in ended:
                self._remember(ended[number])

    def _taken_up(self, frozen: optuna.trial.FrozenTrial) -> optuna.Trial:
        return optuna_private.running_trial(self._study, frozen)

    def _remember(self, trial: Trial) -> None:
        """Add a trial that the study has not suggested, or has counted as failed before it was repeated."""
        import optuna

        values = self._values(trial)
        if values is None:
            return
        chosen = self._space.chosen(trial.overrides)
        known = {
            optuna_distributions.name(d): optuna_distributions.known(d, chosen)
            for d in self._space.dimensions
            if all(bare(k) in chosen for k in d.keys)
        }
        attributes = {**self._attributes(trial), POINT: {**self._known(trial.number, chosen), "again": True}}
        try:
            self._study.add_trial(
                optuna.trial.create_trial(
                    values=values,
                    params={k: v for k, (v, _) in known.items()},
                    distributions={k: d for k, (_, d) in known.items()},
                    user_attrs=attributes,
                )
            )
        except ValueError:  # a value from outside this space: the sweep was begun with another one
            return
