"""Settings of trackers: nested below each one's name; at the top, too, where there is but one."""

from __future__ import annotations

import pytest

from trainrun.config import tracker_settings
from trainrun.hydra_bridge import preflight, saved_config
from trainrun.tracking import trackers
from trainrun.util import yaml_file


def composed(*overrides):
    config, problems = preflight.overrides(list(overrides))
    assert not problems, problems
    return tracker_settings.trackers(config["tracking"])


def refused(*overrides):
    return [str(p) for p in preflight.overrides(list(overrides))[1]]


def test_the_default_is_one_tracker():
    assert list(composed()) == ["mlflow"]
    assert composed("tracking=none") == {}


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        *((u, "keeps nothing") for u in ("sqlite://", "sqlite:", "sqlite:///", "sqlite:///:memory:", "SQLITE://", "sqlite+pysqlite:///:memory:")),
        *((u, "which an address cannot") for u in ("sqlite:///a?b.db", "a#b.db", "sqlite:////tmp/a%20b/m.db", "a%20b.db")),
        *((u, "is written") for u in ("sqlite:x.db", "sqlite://host/x.db", "sqlite+pysqlite:///x.db")),
        *((u, "address with a host") for u in ("http://", "http://host:port", "postgresql://")),
    ],
)  # fmt: skip
def test_an_address_that_keeps_nothing_or_leads_elsewhere_is_refused(uri, reason):
    (problem,) = refused(f"tracking.uri='{uri}'")
    assert problem.startswith("tracking.uri: ") and reason in problem


@pytest.mark.parametrize(
    "uri",
    [
        "sqlite:///x.db",
        "sqlite:////tmp/x.db",
        "x.db",
        "https://me:pw@host/x",
        "postgresql://me@h/db",
        "databricks",
    ],
)
def test_other_addresses_are_taken(uri):
    assert composed(f"tracking.uri='{uri}'")["mlflow"]["uri"] == uri


@pytest.mark.parametrize("name", ["a?b", "a%20b", "a#b"])
def test_the_default_store_in_a_folder_of_an_odd_name_is_refused(name, tmp_path, monkeypatch):
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (problem,) = refused()
    assert "tracking=none" in problem and refused("tracking=none") == []


def test_the_default_store_in_the_root_folder_is_taken(monkeypatch):
    monkeypatch.chdir("/")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert refused() == []


@pytest.mark.parametrize("key", ["tracking.uri", "tracking.mlflow.uri"])
def test_one_trackers_setting_may_stand_at_the_top(key):
    assert composed(f"{key}=http://host")["mlflow"]["uri"] == "http://host"


def test_several_trackers_have_settings_of_their_own():
    both = composed("tracking=[mlflow,tensorboard]", "tracking.tensorboard.log_artifacts=false")
    assert (both["mlflow"]["log_artifacts"], both["tensorboard"]["log_artifacts"]) == (True, False)
    assert refused("tracking=[mlflow,tensorboard]", "tracking.log_artifacts=false") == [
        "tracking.log_artifacts: there are several trackers; name one of them: tracking.mlflow.log_artifacts or "
        "tracking.tensorboard.log_artifacts."
    ]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("tracking.urii=x", "tracking.urii: no such key in tracking=mlflow. Did you mean uri?"),
        ("tracking.mlflow.urii=x", "tracking.mlflow.urii: no such key in tracking=mlflow. Did you mean uri?"),
        ("tracking.mlfow.uri=x", "tracking.mlfow: no such key in tracking=mlflow."),
        ("tracking.timeout=-1", "tracking.timeout: expected a number of at least 0, got -1."),
        ("tracking.log_model=2", "tracking.log_model: expected true or false, got 2."),
        ("tracking=[mlflow,mlfow]", "tracking: there is no option 'mlfow'. Did you mean mlflow?"),
    ],
)
def test_a_wrong_setting_is_refused_by_the_key_as_typed(override, message):
    (problem,) = refused(override)
    assert problem.startswith(message)


def test_a_tracker_whose_library_is_missing_is_refused_before_training(monkeypatch):
    monkeypatch.setattr(tracker_settings.importlib.util, "find_spec", lambda name: None)
    (problem,) = tracker_settings.problems({"tensorboard": {"name": "tensorboard"}})
    assert (
        str(problem)
        == "tracking: tracking=tensorboard needs the package tensorboard: pip install tensorboard."
    )


def test_recorded_run_with_the_settings_of_its_only_tracker_at_the_top_resumes(tmp_path):
    config = preflight.overrides([])[0]
    flat = {"name": "mlflow", "uri": "http://host", "experiment": "e", "run_name": None, "log_model": True,
            "log_artifacts": False, "every_steps": None, "interval": 1.0, "timeout": 30.0}  # fmt: skip
    (tmp_path / "config.yaml").write_text(yaml_file.dump({**config, "tracking": flat}))
    (target,) = trackers.targets(saved_config.load(tmp_path)["tracking"])
    assert (target.tracker, target.uri, target.experiment) == ("mlflow", "http://host", "e")
    assert target.settings == {"run_name": None, "log_model": True, "log_artifacts": False}
    changed = saved_config.load(tmp_path, ["tracking.uri=http://other"])
    assert trackers.targets(changed["tracking"])[0].uri == "http://other"


@pytest.mark.parametrize(
    "entry",
    [
        None,
        "mlflow",
        {},
        {"tracker": 1},
        {"tracker": "mlflow", "uri": 1},
        {"tracker": "mlflow", "settings": "a"},
    ],
)
def test_what_is_no_tracker_in_a_received_record_is_left_out(entry):
    whole = {"tracker": "mlflow", "uri": None, "experiment": "e", "settings": {}}
    assert trackers.recorded({"tracking": [entry, whole]}) == [whole]


def test_a_setting_of_a_recorded_run_may_stand_at_the_top(tmp_path):
    config = preflight.overrides([])[0]
    (tmp_path / "config.yaml").write_text(yaml_file.dump(config))
    changed = saved_config.load(tmp_path, ["tracking.experiment=mine"])
    assert trackers.targets(changed["tracking"])[0].experiment == "mine"


def test_trackers_are_found_by_their_folders():
    assert trackers.names() == ["mlflow", "tensorboard"]
    for name in trackers.names():
        assert issubclass(trackers.find(name), trackers.Tracker)
        assert trackers.find(name).title
