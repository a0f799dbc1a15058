"""`trainrun sync`: what is missing, once, with true times, also of runs that were made offline."""

from __future__ import annotations

import json
import shutil
import time

import pytest

from trainrun.cli import main
from trainrun.tracking import journal
from trainrun.tracking.delivery import state
from trainrun.tracking.record import Recorder


@pytest.fixture
def offline(inside, monkeypatch):
    """Two runs with tracking=none."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    made = []
    for name in ("2026-01-01_00-00-00_aaaaaa", "2026-01-01_00-00-01_bbbbbb"):
        run_dir = inside / "outputs" / "runs" / name
        run_dir.mkdir(parents=True)
        recorder = Recorder(run_dir, name=name[-6:])
        recorder.start(run_id=name, config={"loss": {"name": "huber"}})
        for epoch in (1, 2, 3):
            recorder.journal.write("epoch", epoch=epoch, step=epoch, metrics={"loss": 1 / epoch})
        recorder.end("FINISHED")
        made.append(run_dir)
    return made


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    """A store without runs: MLflow takes a second and more to make its tables."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    client(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def store(empty_store, inside):
    return shutil.copy(empty_store, inside / "mlflow.db")


def client(uri):
    from mlflow import MlflowClient

    return MlflowClient(uri)


def test_all_are_delivered_once_with_their_true_times(offline, inside, capsys):
    time.sleep(0.05)
    later = time.time() * 1000
    uri = f"sqlite:///{inside}/mine.db"
    argv = ["sync", "--all", "--uri", "mine.db", "--experiment", "offline"]
    assert main(argv) == 0
    assert capsys.readouterr().out.count("5 records sent to MLflow run ") == 2
    assert main(argv) == 0
    assert capsys.readouterr().out == "everything is delivered\n"
    assert main(["sync", "--all"]) == 0  # where they went before is where they belong
    assert capsys.readouterr().out == "everything is delivered\n"
    experiment = client(uri).get_experiment_by_name("offline")
    runs = client(uri).search_runs([experiment.experiment_id])
    assert {r.info.run_name for r in runs} == {"aaaaaa", "bbbbbb"}
    for run in runs:
        assert run.info.status == "FINISHED" and run.info.end_time < later
        history = client(uri).get_metric_history(run.info.run_id, "loss")
        assert [(m.step, m.value) for m in sorted(history, key=lambda m: m.step)] == [
            (1, 1.0),
            (2, 0.5),
            (3, 1 / 3),
        ]
        assert all(m.timestamp < later for m in history)


def test_a_run_is_named_by_its_directory_its_id_its_mlflow_run_or_as_the_last(offline, inside, capsys):
    assert main(["sync"]) == 0
    assert "bbbbbb: 5 records sent" in capsys.readouterr().out
    assert main(["sync", "2026-01-01_00-00-00_aaaaaa"]) == 0
    assert "aaaaaa: 5 records sent" in capsys.readouterr().out
    run_id = state.latest(offline[0])[-1]["run_id"]
    assert main(["sync", run_id, str(offline[1]), "last"]) == 0
    # Two of the three words name one run: it is delivered once.
    assert capsys.readouterr().out.count("everything is delivered") == 2
    assert (inside / "mlflow.db").is_file()


def test_what_is_appended_later_is_sent_later(offline, store, capsys):
    assert main(["sync", str(offline[0])]) == 0
    recorder = Recorder(offline[0])
    recorder.start(run_id="r", config={}, resumed_from={"epoch": 3, "step": 0, "updates": 3})
    recorder.journal.write("epoch", epoch=4, step=4, metrics={"loss": 0.25})
    recorder.end("FINISHED")
    assert main(["sync", str(offline[0])]) == 0
    assert "3 records sent" in capsys.readouterr().out
    entry = state.latest(offline[0])[-1]
    history = client(entry["tracking_uri"]).get_metric_history(entry["run_id"], "loss")
    assert sorted(m.step for m in history) == [1, 2, 3, 4]


def test_unreachable_server_is_reported_within_the_timeout(offline, capsys):
    start = time.monotonic()
    assert main(["sync", "last", "--uri", "http://127.0.0.1:9", "--timeout", "1"]) == 1
    assert time.monotonic() - start < 15
    err = capsys.readouterr().err
    assert "5 not yet sent (Connection refused)" in err and "Traceback" not in err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["sync", "nonsense"], "no run 'nonsense'"),
        (["sync", "--all", "last"], "do not name single runs with it"),
        (["sync", "last", "--outputs", "nowhere"], "no run below nowhere/"),
    ],
)
def test_invalid_arguments_are_refused(argv, message, offline, capsys):
    assert main(argv) == 2
    assert message in capsys.readouterr().err


def test_an_address_that_keeps_nothing_is_refused_and_keeps_back_no_other_run(offline, store, capsys):
    assert main(["sync", "last", "--uri", "sqlite://"]) == 2
    assert "keeps nothing" in capsys.readouterr().err
    book = offline[0] / "journal.jsonl"
    start, rest = book.read_text().split("\n", 1)
    where = [{"tracker": "mlflow", "uri": "sqlite://", "experiment": "e", "settings": {}}]
    book.write_text(json.dumps({**json.loads(start), "tracking": where}) + "\n" + rest)
    assert main(["sync", "--all"]) == 1
    output = capsys.readouterr()
    assert "keeps nothing" in output.err and "5 records sent" in output.out


def test_a_damaged_run_does_not_keep_back_the_others(offline, store, capsys):
    (offline[0] / "journal.jsonl").write_text("nonsense\n")
    assert main(["sync", "--all"]) == 0
    out = capsys.readouterr().out
    assert "nothing can be sent" in out and "5 records sent" in out
    assert journal.read(offline[0] / "journal.jsonl").records == []
