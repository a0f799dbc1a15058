"""Settings with several seeds: the statistics against scipy, the race against made-up trials, the whole with real runs."""

from __future__ import annotations

import csv
import json
import math
import shlex
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sweeping import QUIET, only_sweep

from trainrun.cli import main
from trainrun.sweep import sweep_record
from trainrun.sweep.objective import Objective
from trainrun.sweep.ranking import seed_leaderboard, seed_replicates
from trainrun.sweep.ranking.first_seed import FirstSeed
from trainrun.sweep.ranking.judge import Judge
from trainrun.sweep.space.seeds import Seeded
from trainrun.sweep.space.trial_source import Listed, Point
from trainrun.sweep.trial import Trial

LOSS = Objective("val_loss", False)


def trial(number, overrides, status="FINISHED", reason=None, **metrics):
    return Trial(
        number, overrides, list(overrides), Path(), {}, status=status, reason=reason, metrics=metrics
    )


def trials_of(values, name="a=1", first=0):
    return [trial(first + i, [name, f"seed={i}"], val_loss=v) for i, v in enumerate(values)]


@pytest.mark.parametrize("seed", range(5))
def test_interval_and_welch_are_scipys(seed):
    draw = np.random.default_rng(seed)
    a, b = draw.normal(1, 1, 3 + seed).tolist(), draw.normal(2, 3, 7 - seed).tolist()
    low, high = stats.t.interval(0.95, len(a) - 1, loc=np.mean(a), scale=stats.sem(a))
    assert seed_replicates.interval(a) == pytest.approx((low, high), rel=1e-12)
    for alternative in ("two-sided", "greater"):
        content = stats.ttest_ind(a, b, equal_var=False, alternative=alternative).pvalue
        assert seed_replicates.welch(a, b, alternative) == pytest.approx(content, rel=1e-10)


def test_values_without_any_spread_differ_or_do_not():
    assert seed_replicates.welch([1.0, 1.0], [2.0, 2.0]) == 0
    assert seed_replicates.welch([1.0, 1.0], [1.0, 1.0]) == 1
    assert seed_replicates.welch([1.0, 1.0], [2.0, 2.0], "greater") == 1
    assert seed_replicates.welch([1.0], [2.0, 3.0]) == 1 and seed_replicates.interval([1.0]) is None


def test_trials_that_differ_by_their_seed_are_one_setting_whatever_the_order_of_their_overrides():
    (one,) = seed_replicates.group(
        [trial(0, ["a=1", "seed=1", "b=2"], val_loss=1.0), trial(1, ["b=2", "a=1", "seed=2"], val_loss=2.0)]
    )
    assert one.values("val_loss") == [1.0, 2.0] and one.together().metrics == {"val_loss": 1.5}


def test_the_best_mean_wins_and_not_the_luckiest_seed():
    lucky, steady = trials_of([0.1, 0.9, 0.8], "a=1"), trials_of([0.4, 0.5, 0.3], "a=2", 3)
    ranked = seed_replicates.ranked(seed_replicates.group([*lucky, *steady]), LOSS)
    assert [s.overrides for s in ranked] == [["a=2"], ["a=1"]]
    assert seed_replicates.median(ranked[0], LOSS).number == 3


def test_of_an_even_number_of_seeds_the_better_of_the_middle_ones_stands_for_the_setting():
    (setting,) = seed_replicates.group(trials_of([0.4, 0.1, 0.2, 0.3]))
    assert seed_replicates.median(setting, LOSS).metrics["val_loss"] == 0.2


def test_a_setting_that_came_to_no_number_with_one_seed_never_wins():
    nan = [*trials_of([0.1, 0.1], "a=1"), trial(2, ["a=1", "seed=9"], val_loss=math.nan)]
    failed = [
        *trials_of([0.1, 0.1], "a=2", 3),
        trial(5, ["a=2", "seed=9"], "FAILED", "loss became nan in epoch 1, steps 1 to 9."),
    ]
    good = trials_of([0.7, 0.8], "a=3", 6)
    ranked = seed_replicates.ranked(seed_replicates.group([*nan, *failed, *good]), LOSS)
    assert [s.overrides for s in ranked] == [["a=3"]]


def test_a_seed_that_crashed_leaves_the_mean_of_the_others():
    trials = [*trials_of([0.1, 0.3]), trial(2, ["a=1", "seed=9"], "FAILED", "its process was killed")]
    (setting,) = seed_replicates.ranked(seed_replicates.group(trials), LOSS)
    assert setting.values("val_loss") == [0.1, 0.3]


def test_a_seed_that_was_trained_twice_counts_once():
    (setting,) = seed_replicates.group([*trials_of([0.1, 0.3]), trial(7, ["a=1", "seed=0"], val_loss=0.1)])
    assert setting.values("val_loss") == [0.1, 0.3]


def test_the_verdict_names_the_p_value_of_settings_that_are_alike():
    near = [*trials_of([0.1, 0.3, 0.2], "a=1"), *trials_of([0.2, 0.3, 0.15], "a=2", 3)]
    having, _ = seed_leaderboard.ordered(near, LOSS)
    chance = stats.ttest_ind([0.1, 0.3, 0.2], [0.2, 0.3, 0.15], equal_var=False).pvalue
    assert f"p = {chance:.2f}" in seed_leaderboard.verdict(having, LOSS)
    far = [*trials_of([0.1, 0.11, 0.12], "a=1"), *trials_of([0.9, 0.91, 0.92], "a=2", 3)]
    assert seed_leaderboard.verdict(seed_leaderboard.ordered(far, LOSS)[0], LOSS) is None


class Source(Listed):
    """A list that records ended trials; with `adaptive`, one that makes a point only when the last has ended."""

    def __init__(self, points):
        super().__init__(points)
        self.seen = []

    def ended(self, trial):
        self.seen.append(trial)


class Adaptive:
    def __init__(self, settings):
        self.settings, self.seen, self.total, self.made = list(settings), [], len(settings), 0

    def take(self):
        if not self.settings or self.made > len(self.seen):
            return None
        self.made += 1
        return Point(self.made - 1, None, overrides=self.settings.pop(0))

    @property
    def left(self):
        return bool(self.settings)

    def epoch_done(self, trial, epoch, metrics):
        pass

    def ended(self, trial):
        self.seen.append(trial)

    def close(self):
        self.settings.clear()


def listed(*settings):
    return Source(Point(i, None, overrides=list(s)) for i, s in enumerate(settings))


def race(source, loss, count=5, jobs=1, **more):
    """Run a sweep without training: `loss` tells what a trial comes to; return the trials in their order."""
    written, lines = [], []
    points = Seeded(
        source,
        [[f"seed={10 + i}"] for i in range(count)],
        lambda n, o: trial(n, o, "RUNNING"),
        planned=written.extend,
        say=lines.append,
        **more,
    )
    ran, running = [], []
    while points.left or running:
        while len(running) < jobs and (point := points.take()) is not None:
            running.append(point.prepare())
        if not running:
            continue
        one = running.pop(0)
        one.status, one.metrics = "FINISHED", {"val_loss": loss(one)}
        ran.append(one)
        points.ended(one)
    return ran, written, lines, points


def made_up(one):
    """Two good settings and one that is far worse, with a spread of 0.01 between seeds."""
    seed = int(one.overrides[-1].removeprefix("seed="))
    spread = np.random.default_rng(seed * 7 + len(one.overrides[0])).normal(0, 0.01)
    return {"a=good": 0.30, "a=good2": 0.31, "a=bad": 0.9}[one.overrides[0]] + spread


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_setting_that_is_clearly_worse_gets_no_more_seeds(jobs):
    source = listed(["a=good"], ["a=good2"], ["a=bad"])
    ran, written, lines, _ = race(source, made_up, jobs=jobs)
    count = {name: sum(t.overrides[0] == name for t in ran) for name in ("a=good", "a=good2", "a=bad")}
    assert count["a=good"] == count["a=good2"] == 5 and 2 <= count["a=bad"] <= 3
    assert len({n for n, _ in written}) == len(written) == 15 and "clearly worse" in lines[0]
    assert {o[-1] for _, o in written} == {f"seed={s}" for s in range(10, 15)}


def test_racing_saves_trials_and_seldom_loses_the_best():
    """Ten settings whose true means differ twice as much as seeds do: the winner is the best as often as without racing."""
    lost = ran_in_all = won = won_without = 0
    for number in range(100):
        draw = np.random.default_rng(number)
        means = {f"a={i}": draw.normal(0, 1) for i in range(10)}
        values = {n: means[n] + draw.normal(0, 0.5, 5) for n in means}
        ran, *_ = race(
            listed(*[[n] for n in means]),
            lambda t, values=values: values[t.overrides[0]][int(t.overrides[-1].removeprefix("seed=")) - 10],
        )
        best = min(means, key=means.get)
        ran_in_all += len(ran)
        lost += sum(t.overrides[0] == best for t in ran) < 5
        won += seed_replicates.ranked(seed_replicates.group(ran), LOSS)[0].overrides[0] == best
        won_without += min(values, key=lambda n, v=values: v[n].mean()) == best
    assert lost <= 4 and ran_in_all < 0.8 * 5000 and abs(won - won_without) <= 3


def test_trial_source_gets_one_result_per_setting_with_the_means():
    source = listed(["a=good"], ["a=bad"])
    ran, *_ = race(source, made_up)
    assert [t.number for t in sorted(source.seen, key=lambda t: t.number)] == [0, 1]
    for content in source.seen:
        values = [t.metrics["val_loss"] for t in ran if t.overrides[0] == content.overrides[0]]
        assert content.metrics["val_loss"] == pytest.approx(np.mean(values)) and content.status == "FINISHED"


def test_adaptive_source_gets_all_seeds_of_a_setting_before_the_next_point():
    source = Adaptive([["a=good"], ["a=bad"], ["a=good2"]])
    ran, written, *_ = race(source, made_up, count=3)
    names = [t.overrides[0] for t in ran]
    assert names == ["a=good"] * 3 + ["a=bad"] * 2 + ["a=good2"] * 3
    assert [t.overrides for t in source.seen] == [["a=good"], ["a=bad"], ["a=good2"]]
    assert [n for n, _ in written] == list(range(9))


def test_repeated_setting_is_trained_once_and_reported_twice():
    source = Adaptive([["a=good"], ["a=good"]])
    ran, *_ = race(source, made_up, count=3)
    assert len(ran) == 3 and [t.number for t in source.seen] == [0, 1]
    assert source.seen[0].metrics == source.seen[1].metrics


def test_setting_without_a_finite_objective_gets_no_more_seeds():
    ran, _, lines, _ = race(
        listed(["a=good"], ["a=bad"]), lambda t: math.nan if "a=bad" in t.overrides else 0.3
    )
    assert sum("a=bad" in t.overrides for t in ran) == 1 and "no number" in lines[0]


def test_trials_of_an_earlier_attempt_count_as_seeds():
    """Two of three seeds of each setting are there; the third of the bad one is not worth it any more."""
    earlier = [*trials_of([0.3, 0.31], "a=good"), *trials_of([0.9, 0.91], "a=bad", 2)]
    later = [trial(4, ["a=good", "seed=2"], "WAITING"), trial(5, ["a=bad", "seed=2"], "WAITING")]
    again = [(t, Point(t.number, lambda t=t: t)) for t in later]
    ran, written, *_ = race(
        listed(["a=good"], ["a=bad"]), made_up, count=3, earlier=earlier, again=again, next_number=6
    )
    assert [t.number for t in ran] == [4] and written == []


def test_stopped_sweep_reports_incomplete_settings_to_the_source():
    source = listed(["a=good"])
    points = Seeded(source, [["seed=0"], ["seed=1"], ["seed=2"]], lambda n, o: trial(n, o, "RUNNING"))
    one = points.take().prepare()
    points.close()
    one.status, one.metrics = "FINISHED", {"val_loss": 0.3}
    points.ended(one)
    assert [t.status for t in source.seen] == ["KILLED"] and not points.left


def test_a_pruner_judges_a_setting_by_its_first_seed():
    class Strict(Judge):
        asks = True
        heard_of: list[int] = []

        def epoch_done(self, trial, epoch, metrics, last):
            self.heard_of.append(trial.number)
            return "too bad" if "a=bad" in trial.overrides else None

    strict = Strict()
    judge = FirstSeed(strict)
    good, bad = trials_of([1, 1], "a=good"), trials_of([1, 1], "a=bad", 2)
    assert [judge.epoch_done(t, 1, {}, False) for t in good] == [None, None]
    reasons = [judge.epoch_done(t, 1, {}, False) for t in bad]
    assert reasons[0] == "too bad" and "trial 2" in reasons[1]
    assert strict.heard_of == [0, 2]
    assert judge.epoch_done(bad[1], 2, {}, True) is None  # never at its last epoch


@pytest.mark.slow
def test_a_sweep_with_seeds_is_ranked_by_settings(inside, capsys):
    rates = "optimizer.learning_rate=1e-2,1e-6"
    assert main(["-m", *QUIET, "trainer.epochs=4", "seeds=3", rates]) == 0
    lines = capsys.readouterr().out
    assert "2 settings x 3 seeds" in lines and "mean val_loss" in lines
    sweep = only_sweep(inside)
    with open(sweep / seed_leaderboard.FILE, newline="", encoding="utf-8") as file:
        rows = [*csv.DictReader(file)]
    trials = {t.number: t for t in sweep_record.trials(sweep)}
    assert len(trials) == 6 and rows[0]["setting"].startswith("tracking=none") and len(rows) == 2
    values = [trials[int(n)].metrics["val_loss"] for n in rows[0]["trials"].split()]
    assert float(rows[0]["mean"]) == pytest.approx(np.mean(values))
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    assert (float(rows[0]["ci_low"]), float(rows[0]["ci_high"])) == pytest.approx((low, high))
    assert "learning_rate=0.01" in rows[0]["setting"]
    assert main(["best", "last"]) == 0
    line = shlex.split(capsys.readouterr().out)
    middle = sorted((t.metrics["val_loss"], t) for t in trials.values() if t.number in (0, 2, 4))[1][1]
    assert line[-1] == middle.overrides[-1] and not any(w.startswith("seeds") for w in line)


@pytest.mark.slow
def test_seeds_that_are_varied_by_hand_are_ranked_as_one_setting(inside, capsys):
    rates = "optimizer.learning_rate=1e-2,2e-2"  # in variables: the trials of a process share its program
    assert main(["-m", *QUIET, "trainer.epochs=2", "seed=1,2", rates]) == 0
    sweep = only_sweep(inside)
    with open(sweep / seed_leaderboard.FILE, newline="", encoding="utf-8") as file:
        rows = [*csv.DictReader(file)]
    assert [r["seeds"] for r in rows] == ["2", "2"]
    alike = float(rows[1]["p_against_best"]) >= 0.05
    assert ("not distinguishable" in capsys.readouterr().out) == alike


def test_seeds_and_a_varied_seed_contradict_each_other(inside, capsys):
    assert main(["-m", "data=iris", "seeds=3", "seed=1,2"]) == 2
    lines = capsys.readouterr().err
    assert "seeds" in lines and "seed=1,2" in lines and not (inside / "outputs").exists()


def test_hydras_own_launcher_cannot_run_seeds(inside, capsys):
    assert main(["-m", "data=iris", "seeds=3", "optimizer=adam,sgd", "hydra/launcher=basic"]) == 2
    assert "hydra/launcher=local" in capsys.readouterr().err and not (inside / "outputs").exists()


@pytest.mark.parametrize(("words", "many"), [(["seeds=3"], True), (["seeds=1"], False), ([], False)])
def test_several_seeds_of_one_run_are_a_sweep(words, many, inside, monkeypatch):
    from trainrun.hydra_bridge import jobs

    tasks = []

    def record(argv, flags, last, composed=None):
        tasks.append(jobs.Task(argv, flags.overrides, flags.multirun))
        return tasks[-1]

    monkeypatch.setattr(jobs, "run", record)
    assert main([*QUIET, *words]) == 0
    assert [task.multirun for task in tasks] == [many]


def test_the_preflight_counts_settings_and_seeds(inside, capsys):
    assert main(["check", "-m", "data=iris", "seeds=3", "optimizer=adam,sgd"]) == 0
    assert "2 settings x 3 seeds = 6 runs" in capsys.readouterr().out


def test_of_several_objectives_each_setting_of_the_front_has_its_line(inside, capsys):
    """Two settings on the front by their means; a lucky seed of the third is on nobody's front."""
    values = {"a=1": [(0.2, 9), (0.3, 9)], "a=2": [(0.8, 1), (0.7, 1)], "a=3": [(0.1, 9.5), (1.9, 9.5)]}
    points = []
    for number, (name, seed) in enumerate((n, s) for n in values for s in (0, 1)):
        loss, size = values[name][seed]
        points.append([number, [name, f"seed={seed}"]])
        (inside / "s" / str(number)).mkdir(parents=True)
        (inside / "s" / str(number) / "journal.jsonl").write_text(
            '{"seq":0,"time":1,"kind":"start"}\n{"seq":1,"time":2,"kind":"end","status":"FINISHED"}\n'
        )
        content = {"status": "FINISHED", "metrics": {"val_loss": loss}, "parameters": size}
        (inside / "s" / str(number) / "summary.json").write_text(json.dumps(content))
    settings = {"varying": ["a", "seed"], "objective": ["val_loss", "parameters"], "direction": "minimize"}
    content = {"format": 1, "started": 1, "cwd": "/", "settings": settings, "points": points}
    (inside / "s" / "sweep.json").write_text(json.dumps(content))
    assert main(["best", "s"]) == 0
    assert capsys.readouterr().out.splitlines() == ["trainrun a=1 seed=0", "trainrun a=2 seed=1"]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [([0], "0"), ([3, 1, 2], "1-3"), ([0, 1, 5, 6, 7, 9], "0,1,5-7,9"), ([2, 4, 6], "2,4,6")],
)
def test_numbers_of_trials_are_written_as_ranges(numbers, expected):
    assert seed_leaderboard.number_ranges(numbers) == expected
