"""docs/python.md: each verb has a function, and the functions give what the verbs print."""

from __future__ import annotations

import json
import re
from operator import attrgetter
from pathlib import Path

import pandas as pd
import pytest

import trainrun
from trainrun.cli import main
from trainrun.commands import _verbs
from trainrun.errors import UserError
from trainrun.run.result import RunResult

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `([a-z-]+)` \| `([a-z_.]+)`", PAGE, re.MULTILINE))


def test_each_verb_has_a_row_with_a_function_that_exists():
    assert sorted(ROWS) == _verbs.names()
    for function in ROWS.values():
        owner, _, name = function.partition(".")
        assert callable(attrgetter(name)(trainrun if owner == "trainrun" else RunResult)), function


def printed(capsys, *argv):
    assert main([*argv, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_functions_give_what_the_verbs_print(within, capsys):
    compared = trainrun.compare(trainrun.load("first"), "second")
    assert json.loads(json.dumps(compared.plain())) == printed(capsys, "compare", "first", "second")
    where, columns = "data=iris", ["val_accuracy", "optimizer"]
    table = trainrun.runs(where, "-val_accuracy", columns)
    rows = printed(capsys, "runs", "--where", where, "--sort=-val_accuracy", "--columns", ",".join(columns))
    pd.testing.assert_frame_equal(table, pd.DataFrame(rows).set_index("run")[columns])
    assert [*trainrun.runs(sweep="rates").columns[:3]] == ["status", "started", "epochs"]
    explained = trainrun.why("optimizer", run="first")
    assert [e.plain() for e in explained] == printed(capsys, "why", "first", "optimizer")
    assert trainrun.report("rates", "page.html") == Path("page.html") and Path("page.html").is_file()
    planned = trainrun.rm("second")
    assert [str(r.path) for r in planned.plan.removals] == [
        e["path"] for e in printed(capsys, "rm", "second")["plan"]
    ]
    assert planned.paths == [] and trainrun.load("second").status == "FINISHED"
    assert trainrun.resume("first").metrics == trainrun.load("first").metrics  # it is finished
    with pytest.raises(UserError, match="2 runs or more"):
        trainrun.compare("first")
    with pytest.raises(UserError, match="no sweep below nowhere"):
        trainrun.load("best", "nowhere")


def test_predict_takes_arrays_as_the_verb_does(within, capsys):
    run = trainrun.load("first")
    x = run.data().test.x[:4]
    raw = x * run.data().preprocessing["standardize"]["std"] + run.data().preprocessing["standardize"]["mean"]
    expected = run.model.predict(x, verbose=0)
    for data in (raw, {"numeric": raw}, raw.tolist()):
        predicted = run.predict(data)
        assert predicted.filter(like="probability").to_numpy() == pytest.approx(expected, abs=1e-5)
