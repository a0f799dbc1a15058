"""Our launchers and sweepers: YAML files have their keys and defaults, code adds which class they are."""

from __future__ import annotations

import pytest

from trainrun.hydra_bridge import compose, own_plugins, preflight, sweep_settings
from trainrun.registry import option_files

SWEEP = ["optimizer=adam,sgd", "tracking=none"]


@pytest.mark.parametrize("option", own_plugins.TARGETS)
def test_hydra_gets_the_keys_of_the_yaml_and_the_class_of_the_code(option, inside):
    group, _, name = option.rpartition("/")
    node = dict(compose.compose([f"{group}={name}"]).hydra[group.rpartition("/")[2]])
    assert node.pop("_target_") == own_plugins.TARGETS[option]
    assert node == option_files.packaged(group)[name].values


def test_every_yaml_of_a_launcher_and_a_sweeper_has_its_class():
    named = {f"{g}/{o}" for g in ("hydra/launcher", "hydra/sweeper") for o in option_files.packaged(g)}
    assert named == set(own_plugins.TARGETS)


def test_a_preset_of_a_project_is_the_launcher_that_it_is_made_of(inside):
    folder = inside / "conf" / "hydra" / "launcher"
    folder.mkdir(parents=True)
    (folder / "one.yaml").write_text("# One at a time.\ndefaults: [local, _self_]\nn_jobs: 1\n")
    plan, problems = preflight.sweep([*SWEEP, "hydra/launcher=one"])
    assert (plan.total, problems) == (2, [])
    config = compose.compose(["hydra/launcher=one"])
    assert sweep_settings.settings(config, [])["launcher"] == {"name": "local", "n_jobs": 1, "per_gpu": 1}


@pytest.mark.parametrize(
    ("typed", "key", "message"),
    [
        (["hydra/launcher=local", "hydra.launcher.n_job=2"], "hydra.launcher.n_job", "Did you mean n_jobs?"),
        (["hydra/launcher=local", "hydra.launcher.per_gpu=0"], "hydra.launcher.per_gpu", "at least 1"),
        (["hydra/launcher=vectorized", "hydra.launcher.max_trials=many"], "hydra.launcher.max_trials", "or auto"),
        (["hydra/sweeper=random", "sweep.trials=2", "hydra.sweeper.seed=x"], "hydra.sweeper.seed", "a whole number"),
        (["hydra/sweeper=optuna", "sweep.trials=2", "hydra.sweeper.storage=1"], "hydra.sweeper.storage", "text"),
    ],
)  # fmt: skip
def test_settings_are_checked_before_the_sweep_begins(typed, key, message, inside):
    _, problems = preflight.sweep([*SWEEP, *typed])
    assert [p.key for p in problems] == [key] and message in problems[0].message


@pytest.mark.parametrize(("part", "option"), [("launcher", "local"), ("sweeper", "grid")])
def test_an_unknown_key_in_a_projects_yaml_is_refused(part, option, inside):
    folder = inside / "conf" / "hydra" / part
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(f"# Mine.\ndefaults: [{option}, _self_]\nn_job: 1\n")
    _, problems = preflight.sweep([*SWEEP, f"hydra/{part}=mine"])
    assert [p.key for p in problems] == [f"hydra.{part}.n_job"]
