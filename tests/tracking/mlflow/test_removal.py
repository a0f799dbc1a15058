"""A run is removed from MLflow with its models and files; registered models are known, and foreign folders are left alone."""

from __future__ import annotations

import pytest

from trainrun.errors import UserError
from trainrun.tracking.delivery.state import Target
from trainrun.tracking.mlflow import removal, sqlite, store


@pytest.fixture
def target(tmp_path):
    return Target("mlflow", f"sqlite:///{tmp_path}/mlflow.db", "x")


def test_a_missing_database_has_no_registered_models_and_is_not_made(target, tmp_path):
    assert removal.registered(target) == set() and not [*tmp_path.iterdir()]


def test_a_run_goes_with_its_models_and_files_and_nothing_else(target, tmp_path):
    store.import_quietly()
    client = sqlite.connect(target.uri)
    experiment = store.experiment(client, target)
    file = tmp_path / "file.txt"
    file.write_text("x")
    runs, models = [], []
    for _ in range(2):
        runs.append(client.create_run(experiment).info.run_id)
        client.log_artifact(runs[-1], str(file))
        models.append(client.create_logged_model(experiment, name="model", source_run_id=runs[-1]).model_id)
        client.log_model_artifact(models[-1], str(file))
        client.finalize_logged_model(models[-1], "READY")
    client.create_registered_model("mine")
    client.create_model_version("mine", f"runs:/{runs[1]}/model", run_id=runs[1])
    assert removal.registered(target) == {runs[1]}
    removal.delete(client, runs[0], target)
    removal.delete(client, runs[0], target)  # again, after an interruption
    kept = {p.relative_to(tmp_path / "mlartifacts/x").parts[0 if "models" not in p.parts else 1]
            for p in tmp_path.rglob("mlartifacts/**/file.txt")}  # fmt: skip
    assert kept == {runs[1], models[1]}
    assert client.get_run(runs[0]).info.lifecycle_stage == "deleted"
    assert client.get_run(runs[1]).info.lifecycle_stage == "active"
    assert [m.model_id for m in client.search_logged_models([experiment])] == [models[1]]


def test_files_elsewhere_are_refused(target, tmp_path, tmp_path_factory):
    store.import_quietly()
    client = sqlite.connect(target.uri)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    run_id = client.create_run(client.create_experiment("x", elsewhere.as_uri())).info.run_id
    (elsewhere / run_id / "artifacts").mkdir(parents=True)
    with pytest.raises(UserError, match="not a place of that run alone"):
        removal.delete(client, run_id, target)
    assert (elsewhere / run_id / "artifacts").is_dir()
    assert client.get_run(run_id).info.lifecycle_stage == "active"
