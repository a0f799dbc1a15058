"""What a sweep varies: points against itertools and zip, conditions, draws, and what is said of mistakes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from trainrun.cli import main
from trainrun.hydra_bridge import sweep_grammar
from trainrun.sweep.space.random_search import Drawn, draw

SGD = {"optimizer": "adam,sgd", "optimizer.momentum": {"space": "0.1,0.9", "when": "optimizer=sgd"}}


def space(overrides=(), entries=None, zipped=None):
    search_space, problems = sweep_grammar.read(list(overrides), entries, zipped)
    assert not problems, problems
    return search_space


def points(search_space):
    return [search_space.overrides(chosen) for chosen in search_space.grid()]


def test_a_grid_is_the_product_in_hydras_order():
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
    from hydra.core.override_parser.overrides_parser import OverridesParser

    overrides = [
        "data=iris",
        "optimizer=adam,sgd",
        "+a.b=range(3)",
        "name='x y','p,q'",
        "w=[1,2],[3]",
        "v=0.10,1e-5",
    ]
    theirs = BasicSweeper.split_arguments(OverridesParser.create().parse_overrides(overrides), None)[0]
    assert points(space(overrides)) == theirs
    assert len(theirs) == 2 * 3 * 2 * 2 * 2


def test_keys_in_a_zip_vary_together():
    units, drops, rates = [8, 16, 32], [0.1, 0.2, 0.3], [1, 2]
    overrides = ["u=8,16,32", "rate=1,2", "d=0.1,0.2,0.3", "p=a,b", "+q=c,d"]
    expected = [
        [f"u={u}", f"rate={r}", f"d={d}", f"p={p}", f"+q={q}"]
        for (u, d), r, (p, q) in itertools.product(
            zip(units, drops, strict=True), rates, zip("ab", "cd", strict=True)
        )
    ]
    assert points(space(overrides, zipped=[["u", "d"], ["p", "q"]])) == expected
    assert len(points(space(overrides, zipped=["u", "d"]))) == 3 * 2 * 2 * 2


def test_what_is_typed_comes_before_the_yaml():
    search_space = space(
        ["optimizer=rmsprop", "a=1,2"],
        {"optimizer": "adam,sgd", "+a": "3,4", "b": [5, "x y", [1, 2]], "c": 7},
    )
    assert points(search_space) == [
        ["optimizer=rmsprop", f"a={a}", f"b={b}", "c=7"] for a in (1, 2) for b in ("5", "x\\ y", "[1,2]")
    ]


def test_a_conditional_key_is_chosen_only_where_its_condition_holds():
    assert points(space(entries=SGD)) == [
        ["optimizer=adam"],
        ["optimizer=sgd", "optimizer.momentum=0.1"],
        ["optimizer=sgd", "optimizer.momentum=0.9"],
    ]
    # In whatever order they stand, and over several steps.
    turned = {
        "c": {"space": "1,2", "when": "b=x"},
        "b": {"space": "x,y", "when": ["a=0.10", "d=p,q"]},
        "a": "0.1,0.2",
        "d": "p,q,r",
    }
    expected = set()
    for a, d in itertools.product(("0.1", "0.2"), "pqr"):
        for b in "xy" if a == "0.1" and d in "pq" else [None]:
            for c in "12" if b == "x" else [None]:
                expected.add(frozenset(f"{k}={v}" for k, v in zip("abcd", (a, b, c, d), strict=True) if v))
    search_space = points(space(entries=turned))
    assert {frozenset(p) for p in search_space} == expected and len(search_space) == len(expected)


def test_what_is_typed_may_settle_a_condition():
    assert points(space(["optimizer=sgd"], SGD)) == [
        ["optimizer=sgd", "optimizer.momentum=0.1"],
        ["optimizer=sgd", "optimizer.momentum=0.9"],
    ]
    assert points(space(["optimizer=adam"], SGD)) == [["optimizer=adam"]]


def test_draws_follow_the_distributions_of_the_space():
    search_space = space(
        [
            "u=interval(-2,3)",
            "l=tag(log,interval(1e-4,1e-1))",
            "i=int(interval(1,4))",
            "c=a,b,c",
            "g=tag(log,int(interval(1,100)))",
        ]
    )
    generator = np.random.default_rng(0)
    drawn = [search_space.draw(generator) for _ in range(4000)]
    uniform = [float(d["u"]) for d in drawn]
    logarithms = [math.log10(float(d["l"])) for d in drawn]
    assert stats.kstest(uniform, stats.uniform(-2, 5).cdf).pvalue > 0.01
    assert stats.kstest(logarithms, stats.uniform(-4, 3).cdf).pvalue > 0.01
    for key, values in (("i", "1234"), ("c", "abc")):
        counts = [sum(d[key] == v for d in drawn) for v in values]
        assert sum(counts) == len(drawn) and stats.chisquare(counts).pvalue > 0.01
    whole = [int(d["g"]) for d in drawn]
    assert min(whole) == 1 and max(whole) <= 100
    # Each whole number n stands for the interval of n - 1/2 to n + 1/2, in logarithms.
    assert np.mean([w <= 10 for w in whole]) == pytest.approx(
        math.log(10.5 / 0.5) / math.log(100.5 / 0.5), abs=0.03
    )


def test_the_same_seed_draws_the_same_points_and_more_of_them_begin_alike():
    search_space = space(["a=interval(0,1)", "b=x,y"])
    assert [*draw(search_space, 5, 1)] == [*draw(search_space, 9, 1)][:5]
    assert [*draw(search_space, 5, 1)] != [*draw(search_space, 5, 2)]


def test_no_point_is_drawn_twice_and_a_small_space_ends():
    search_space = space(entries=SGD)
    drawn = [search_space.overrides(c) for c in draw(search_space, 100, 3)]
    assert sorted(drawn) == sorted(points(search_space))


def test_random_points_that_are_there_are_not_drawn_again():
    search_space = space(["data=iris", "a=interval(0,1)"])
    first = Drawn(search_space, 3, 7, None)
    more = Drawn(search_space, 5, 7, None, recorded=[(n, [*reversed(o)]) for n, o in first.known])
    assert [n for n, _ in first.known] == [0, 1, 2] and [n for n, _ in more.known] == [3, 4]
    assert [o for _, o in first.known + more.known] == [o for _, o in Drawn(search_space, 5, 7, None).known]


@pytest.mark.parametrize("most", [0, 1000])
def test_a_preflight_sees_each_choice_both_ends_and_every_condition(most):
    entries = {**SGD, "rate": "tag(log, interval(1e-4, 1e-1))", "units": "range(8,65,8)", "deep": {}}
    entries["deep"] = {"space": "interval(0, 1)", "when": ["optimizer.momentum=0.9", "units=24,32"]}
    search_space = space(["model=a,b", "p=1,2,3", "q=4,5,6"], entries, ["p", "q"])
    corners = [search_space.overrides(c) for c in search_space.corners(most)]
    seen = {o for point in corners for o in point}
    required = {
        "model=a",
        "model=b",
        "p=1",
        "p=3",
        "q=6",
        "optimizer=adam",
        "optimizer=sgd",
        "rate=0.0001",
        "rate=0.1",
    }
    required |= {"optimizer.momentum=0.1", "optimizer.momentum=0.9", "units=8", "units=64"}
    assert required <= seen
    for point in corners:
        assert ("optimizer=sgd" in point) == any(o.startswith("optimizer.momentum") for o in point)
    if most == 0:  # units=24 is none of the ends, and is taken for what hangs on it
        assert {"deep=0.0", "deep=1.0", "units=24"} <= seen


BAD = {
    "the ends turned": (["a=interval(5,1)"], {}, [], "a", "Write interval(1, 5)"),
    "no room": (["a=interval(1,1)"], {}, [], "a", "are the same"),
    "an end that is none": (["a=interval(0,inf)"], {}, [], "a", "expected two numbers"),
    "a logarithm of zero": (["a=tag(log,interval(0,1))"], {}, [], "a", "above 0"),
    "an unknown tag": (["a=tag(lgo,interval(0,1))"], {}, [], "a", "Did you mean log?"),
    "log of choices": (["a=tag(log,choice(1,2))"], {}, [], "a", "log goes with an interval"),
    "an empty range": (["a=range(1,1)"], {}, [], "a", "no value in range(1,1)"),
    "a step of zero": (["a=range(0,1,0)"], {}, [], "a", "cannot be counted"),
    "half an interval": (["a=interval(1)"], {}, [], "a=interval(1)", "missing"),
    "objectives as a sweep": (["sweep.objective=a,b"], {}, [], "sweep.objective", "sweep.objective=[a,b]"),
    "a sweep's own setting": (["sweep.trials=1,2"], {}, [], "sweep.trials", "the same for all trials"),
    "no key": ([], {"a": {"spce": "1,2"}}, [], "sweep.space.a", "Did you mean space?"),
    "nested keys": ([], {"a": {"b": "1,2"}}, [], "sweep.space.a", "a.b"),
    "no space": (["x=1,2"], {"a": {"when": "x=1"}}, [], "sweep.space.a", "it has no values"),
    "no values": ([], {"a": []}, [], "sweep.space.a", "no value in []"),
    "brackets": ([], {"a": "interval(0, 1"}, [], "sweep.space.a", "quotes"),
    "no mapping": ([], ["a"], [], "sweep.space", "expected keys"),
    "a condition on nothing": (["optimizer=a,b"], {"a": {"space": "1,2", "when": "optimzer=a"}}, [], "sweep.space.a.when", "Did you mean optimizer?"),
    "a condition never met": (["x=adam,sgd"], {"a": {"space": "1,2", "when": "x=sdg"}}, [], "sweep.space.a.when", "Did you mean sgd?"),
    "no condition": (["x=1,2"], {"a": {"space": "1,2", "when": "x"}}, [], "sweep.space.a.when", "expected a key and its values"),
    "a condition on an interval": (["x=interval(0,1)"], {"a": {"space": "1,2", "when": "x=1"}}, [], "sweep.space.a.when", "an interval"),
    "a circle": ([], {"a": {"space": "1,2", "when": "b=1"}, "b": {"space": "1,2", "when": "a=1"}}, [], "sweep.space", "conditions of each other"),
    "unequal lengths": (["a=1,2", "b=1,2,3"], {}, ["a", "b"], "sweep.zip", "a has 2, b has 3"),
    "a zip of one": (["a=1,2"], {}, ["a"], "sweep.zip", "two different keys"),
    "a zip of what is not varied": (["a=1,2", "units=3"], {}, ["a", "unit"], "sweep.zip", "unit is not varied"),
    "a zipped interval": (["a=1,2", "b=interval(0,1)"], {}, ["a", "b"], "sweep.zip", "b is an interval"),
    "a key in two zips": (["a=1,2", "b=1,2", "c=1,2"], {}, [["a", "b"], ["b", "c"]], "sweep.zip", "two lists"),
    "a word for a list": (["a=1,2", "b=1,2"], {}, [["a", "b"], "c"], "sweep.zip", "two different keys"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_mistake_in_a_search_space_is_refused_with_the_way_out(name):
    overrides, entries, zipped, key, words = BAD[name]
    _, problems = sweep_grammar.read(overrides, entries, zipped)
    assert [p.key for p in problems] == [key], problems
    assert words in problems[0].message and "Exception" not in problems[0].message
    assert problems[0].message.rstrip().endswith((".", "'", "?", '"'))


def refused(capsys, *argv):
    code = main(["-m", "data=iris", "tracking=none", *argv])
    output = " ".join(capsys.readouterr().err.split())
    assert code == 2 and "Traceback" not in output
    return output


RATE = "optimizer.learning_rate=tag(log, interval(1e-4,1e-1))"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([RATE], ["hydra/sweeper=grid", "hydra/sweeper=random sweep.trials=20"]),
        (["hydra/sweeper=random", RATE], ["sweep.trials: hydra/sweeper=random needs a number of trials"]),
        (["hydra/sweeper=optuna", "sweep.trials=3"], ["nothing is varied"]),
        (["hydra/sweeper=optuna", "sweep.trials=0", RATE], ["sweep.trials: expected a whole number"]),
        (["sweep.trials=3", "optimizer=adam,sgd"], ["grid runs every point"]),
        (["hydra/sweeper=basic", "sweep.space={optimizer: 'adam,sgd'}"], ["hydra/sweeper=basic does not read it"]),
        (["hydra/sweeper=optuna", "sweep.trials=3", RATE, "hydra.sweeper.sampler=tpee"], ["Did you mean tpe?"]),
        (["hydra/sweeper=optuna", "sweep.trials=3", RATE, "hydra.sweeper.samplr=tpe"], ["Did you mean sampler?"]),
        (["hydra/sweeper=optuna", "sweep.trials=3", RATE, "hydra.sweeper.n_trials=5"], ["It is sweep.trials=20."]),
        (["hydra/sweeper=optuna", "sweep.trials=3", RATE, "hydra.sweeper.population_size=4"], ["nsgaii, nsgaiii, not of tpe"]),
        (["hydra/sweeper=optuna", "sweep.trials=3", RATE, "hydra.sweeper.sampler=cmaes", "sweep.objective=[val_loss,parameters]"], ["one objective only"]),
        (["hydra/sweeper=random", "sweep.trials=3", "optimizer.learning_rate=interval(-1,1)"], ["optimizer.learning_rate", "-1"]),
        (["hydra/sweeper=random", "sweep.trials=3", "sweep.space={optimizer: 'adam,sgdd', optimizer.momentm: 'interval(0,1)', model.units: 'range(8,64,8)', sead: '1,2'}"],
         ["Did you mean sgd?", "optimizer.momentm: no such key", "sead", "Did you mean seed?"]),
    ],
    ids=lambda v: " ".join(v)[:60] if isinstance(v, list) else None,
)  # fmt: skip
def test_a_sweep_is_refused_before_anything_is_made(argv, words, capsys, inside):
    output = refused(capsys, *argv)
    for word in words:
        assert word in output
    assert not (inside / "outputs").exists()


def test_the_preflight_looks_at_each_point_of_a_grid_with_zip_and_space(inside):
    from trainrun.hydra_bridge import preflight

    (inside / "conf" / "experiment").mkdir(parents=True)
    (inside / "conf" / "experiment" / "mine.yaml").write_text(
        "# @package _global_\nsweep:\n  zip: [model.units, model.dropout]\n"
        "  space:\n    model.units: 8,16,32\n    model.dropout: [0.1, 0.2, 1.5]\n"
        "    optimizer: adam,sgd\n    optimizer.momentum: {space: '0.5,0.9', when: optimizer=sgd}\n"
    )
    plan, problems = preflight.sweep(["experiment=mine", "data=iris"])
    assert plan.total == 3 * (1 + 2)
    assert [p.key for p in problems] == ["model.dropout"] and "1.5" in problems[0].message
    plan, problems = preflight.sweep(["experiment=mine", "data=iris", "model.dropout=0.1,0.2,0.3"])
    assert plan.total == 9 and not problems


def test_a_glob_means_the_options_there_are(inside):
    from trainrun.hydra_bridge import preflight
    from trainrun.registry import option_files

    names = [n for n in option_files.options("optimizer") if n.startswith("ada") and n != "adam_then_sgd"]
    plan, problems = preflight.sweep(["data=iris", "optimizer=glob(ada*,exclude=adam_then_sgd)"])
    assert not problems and plan.total == len(names)
