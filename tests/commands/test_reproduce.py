"""A run again from its directory: whether it agrees, to how many digits, and what is not as it was."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import trainrun
from trainrun.cli import main
from trainrun.commands.reproduce import EXACT, agreement, compare

BASE = [
    "data=iris", "trainer.limit=60", "trainer.epochs=2", "metric=accuracy", "tracking=none", "artifacts.plots=false",
    "artifacts.report=false", "artifacts.model=false", "hardware.deterministic=true",
]  # fmt: skip
PLUGIN = """
import keras
import trainrun

@trainrun.register("callback", "quiet")
class Quiet(keras.callbacks.Callback):
    pass
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run, made once: its directory and its metrics."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(
            tmp_path_factory.mktemp("trained")
        )  # not in this repository, whose commit would be recorded
        result = trainrun.run(BASE, run_dir="2026-01-01_00-00-00_trained")
    return result.run_dir, result.metrics


@pytest.fixture
def first(trained, inside):
    """The run's directory, below this test's own folder."""
    run_dir, _ = trained
    return Path(shutil.copytree(run_dir, inside / "outputs" / "runs" / run_dir.name))


def again(capsys, *argv):
    capsys.readouterr()
    code = main(["reproduce", *argv, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_same_bits_again_in_a_directory_of_its_own(inside, trained, first, capsys):
    code, comparison = again(capsys, "last")
    assert code == 0 and comparison["agree"] and comparison["weights_equal"] and comparison["warnings"] == []
    assert set(comparison["digits"].values()) == {EXACT} and set(comparison["digits"]) == set(trained[1])
    assert comparison["again"] != str(first)
    assert len(list((inside / "outputs" / "runs").iterdir())) == 2


def test_changes_since_the_run_are_listed_and_the_result_decides(inside, capsys):
    (inside / "mine.py").write_text(PLUGIN)
    run = trainrun.run([*BASE, "plugins=[./mine.py]", "callback=quiet"])
    (inside / "mine.py").write_text(PLUGIN + "\n# changed\n")
    path = run.run_dir / "summary.json"
    summary = json.loads(path.read_text())
    summary["versions"]["numpy"] = "1.0"
    summary["git"] = {"commit": "0" * 40, "dirty": False}
    summary["metrics"]["test_loss"] *= 1.001
    path.write_text(json.dumps(summary))
    code, comparison = again(capsys, str(run.run_dir))
    assert code == 1 and not comparison["agree"] and comparison["digits"]["test_loss"] in (2, 3)
    assert comparison["weights_equal"]
    output = " | ".join(comparison["warnings"])
    assert "plug-in ./mine.py has changed" in output
    assert "package versions have changed: numpy 1.0 →" in output
    assert "the commit has changed: 000000000000 then" in output
    # In words, as many digits as are asked for; named by its directory's name.
    assert main(["reproduce", run.run_dir.name, "--digits", "2"]) == 0
    output = capsys.readouterr().out
    assert (
        "weights: bit-identical" in output and "agrees: every final metric to 2 significant digits" in output
    )


def test_other_data_is_refused_and_nothing_is_left(inside, capsys):
    table = inside / "t.csv"
    rows = [f"{i % 7},{i % 5},{'ab'[i % 2]}" for i in range(80)]
    table.write_text("\n".join(["one,two,y", *rows]) + "\n")
    run = trainrun.run(["data=csv", "data.path=t.csv", "data.target=y", *BASE[1:]])
    table.write_text("\n".join(["one,two,y", *rows[:-1], "6,4,a"]) + "\n")
    assert main(["reproduce", run.run_dir.name]) == 2
    assert "its digest differs" in capsys.readouterr().err
    assert len(list((inside / "outputs" / "runs").iterdir())) == 1


def test_a_run_that_has_no_result_is_refused(first, capsys):
    path = first / "journal.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text(
        "".join(json.dumps({**r, "pid": 2**22 - 1}) + "\n" for r in records if r["kind"] != "end")
    )
    assert main(["reproduce", "last"]) == 2
    assert "is KILLED" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [[], ["nothing"], ["last", "--digits", "0"], ["last", "--digits", "x"]])
def test_bad_input(argv, inside):
    assert main(["reproduce", *argv]) == 2


@pytest.mark.parametrize(
    ("a", "b", "digits"),
    [
        (0.5, 0.5, EXACT), (0.0, 0.0, EXACT), (float("nan"), float("nan"), EXACT), (float("inf"), 1.0, 0),
        (1.0, 1.0001, 4), (123456.0, 123457.0, 5), (-1.0, 1.0, 0), (None, 1.0, 0), (1.0, float("nan"), 0),
    ],
)  # fmt: skip
def test_digits(a, b, digits):
    assert agreement(a, b) == agreement(b, a) == digits


def test_a_metric_that_is_gone_does_not_agree():
    comparison = compare({"metrics": {"loss": 1.0, "auc": 1.0}}, {"metrics": {"loss": 1.0}})
    assert not comparison["agree"] and comparison["digits"] == {"loss": EXACT, "auc": 0}
