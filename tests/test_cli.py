"""The command line: verbs, Hydra's flags, exit codes, completion; in this process, without training."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import trainrun
from trainrun.cli import main
from trainrun.commands import _completion, _verbs
from trainrun.commands.ls import GROUPS, rows_of
from trainrun.registry import lookup, option_files


@pytest.fixture(autouse=True)
def empty_folder(inside, monkeypatch):
    monkeypatch.setattr(option_files, "extra_folders", [])
    return inside


def test_help_names_every_group_verb_and_flag(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for word in [
        *_verbs.names(),
        *(g for g in GROUPS if g not in ("layer", "sampler")),
        "--multirun",
        "--cfg",
        "-sc install=bash",
        "experiment=imbalanced_focal",
    ]:
        assert word in out


def test_version_is_that_of_trainrun_and_loads_neither_hydra_nor_tensorflow():
    probe = "import sys; from trainrun.cli import main; main(['--version']); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    version, modules = done.stdout.splitlines()
    assert version == f"trainrun {trainrun.__version__}"
    assert not {"hydra", "omegaconf", "tensorflow", "keras"} & set(ast.literal_eval(modules))


def test_version_of_the_package_is_that_of_the_metadata():
    assert metadata.version("trainrun") == trainrun.__version__


@pytest.mark.parametrize("verb", _verbs.names())
def test_every_verb_has_a_line_of_help_and_a_main(verb):
    assert _verbs.meanings()[verb], "its first line is not: `trainrun VERB ARGUMENTS`: meaning"
    assert callable(importlib.import_module(_verbs.module(verb)).main)


def test_a_file_of_commands_is_a_verb(tmp_path, monkeypatch):
    (tmp_path / "greet_all.py").write_text('"""`trainrun greet-all [NAME]`: greet.\n\nMore.\n"""\n')
    (tmp_path / "_shared.py").write_text("")
    monkeypatch.setattr(_verbs, "FOLDER", tmp_path)
    assert _verbs.meanings() == {"greet-all": "greet"}
    assert _verbs.module("greet-all") == "trainrun.commands.greet_all"


def test_ls_lists_groups_and_options_with_meaning_and_origin(capsys):
    assert main(["ls"]) == 0
    listed = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert set(GROUPS) <= listed
    assert main(["ls", "loss"]) == 0
    lines = capsys.readouterr().out.splitlines()
    huber = next(line for line in lines if line.startswith("huber"))
    assert "outliers" in huber and huber.rstrip().endswith("keras")
    assert any(line.startswith("mean_squared_error, mse") for line in lines)
    assert next(line for line in lines if line.startswith("focal")).rstrip().endswith("trainrun")


@pytest.mark.parametrize("group", GROUPS)
def test_every_listed_option_has_a_line_on_when_to_use_it(group):
    with lookup.isolated():
        assert [row[0] for row in rows_of(group) if not row[1]] == []


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ("launcher", {"auto", "local", "vectorized", "ray", "submitit"}),
        ("hydra/sweeper", {"grid", "random", "optuna"}),
        ("sampler", {"tpe", "cmaes", "gp", "nsgaii", "nsgaiii", "qmc", "random"}),
        ("pruner", {"none", "asha", "hyperband", "median", "patient", "threshold"}),
        ("checkpoint", {"default", "epoch", "slurm"}),
    ],
)
def test_ls_and_show_know_what_sweeps_and_settings_can_be(group, names, capsys):
    assert main(["ls", group]) == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()[1:] if line.strip()} == names
    for name in names:
        assert main(["show", f"{group}/{name}"]) == 0
        assert capsys.readouterr().out.strip()


def test_show_has_yaml_docstring_and_arguments(capsys):
    assert main(["show", "loss/huber"]) == 0
    out = capsys.readouterr().out
    assert "delta: 1.0 #" in out and "Computes the Huber loss" in out and "argument" in out
    assert main(["show", "loss/mse"]) == 0
    assert "short for loss=mean_squared_error" in capsys.readouterr().out
    assert main(["show", "optimizer/radam"]) == 0
    assert "Liu" in capsys.readouterr().out
    assert main(["show", "layer/Dense"]) == 0
    assert "units" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["shw"], "Did you mean show?"),
        (["adam"], "an override is key=value, as in optimizer=adam"),
        (["ls", "los"], "Did you mean loss?"),
        (["show", "loss"], "expected GROUP/NAME"),
        (["show", "loss/hubr"], "Did you mean huber?"),
        (["-cd", "nowhere"], "there is no folder"),
        (["-cp", "nowhere"], "there is no folder"),
        (["--cfg", "job", "loss=focl", "optimizer.lr=1"], "2 problems"),
        (["init", "a_file"], "is a file"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(argv, words, empty_folder, capsys):
    (empty_folder / "a_file").write_text("")
    assert main(argv) == 2
    assert words in capsys.readouterr().err
    assert [p.name for p in empty_folder.iterdir()] == ["a_file"]


def test_cfg_prints_the_config_resolved(capsys):
    import yaml

    assert main(["--cfg", "job", "--resolve", "seed=7", "loss=focal"]) == 0
    config = yaml.safe_load(capsys.readouterr().out)
    assert (config["seed"], config["data"]["seed"], config["loss"]["gamma"]) == (7, 7, 2.0)


def test_info_prints_the_search_path(empty_folder):
    # In a process of its own: Hydra turns logging to DEBUG for good.
    command = [sys.executable, "-m", "trainrun", "--info", "searchpath"]
    done = subprocess.run(command, cwd=empty_folder, capture_output=True, text=True, check=True)
    assert "| main     | file://" in done.stdout


def test_cd_adds_a_folder_of_options(empty_folder, capsys):
    (empty_folder / "more" / "loss").mkdir(parents=True)
    (empty_folder / "more" / "loss" / "mine.yaml").write_text("# Mine.\nname: Huber\ndelta: 9.0\n")
    assert main(["-cd", "more", "--cfg", "job", "loss=mine"]) == 0
    assert "delta: 9.0" in capsys.readouterr().out


def test_check_counts_the_points_of_runs_and_sweeps(capsys):
    assert main(["check"]) == 0
    assert "ok: 1 run" in capsys.readouterr().out
    assert main(["check", "-m", "optimizer=adam,sgd", "loss=focal,cce"]) == 0
    assert "ok: 4 runs" in capsys.readouterr().out
    assert main(["check", "-m", "optimizer=adam,sgd", "trainer.epochs=0,1"]) == 2
    assert "trainer.epochs" in capsys.readouterr().err


def test_completion_offers_verbs_groups_and_options():
    assert _completion.candidates("trainrun ") == _verbs.names()
    assert _completion.candidates("trainrun sh") == ["show"]
    assert _completion.candidates("trainrun ls op") == ["optimizer"]
    assert _completion.candidates("trainrun ls pr") == ["pruner"]
    assert _completion.candidates("trainrun show launcher/lo") == ["launcher/local"]
    assert _completion.candidates("trainrun show sampler/t") == ["sampler/tpe"]
    assert _completion.candidates("trainrun show loss/hu") == ["loss/huber"]
    assert _completion.candidates("trainrun optimizer=a b") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_offered(shell, capsys):
    assert main(["-sc", f"install={shell}"]) == 0
    assert "trainrun" in capsys.readouterr().out


def test_help_fits_into_80_columns(capsys):
    assert main(["--help"]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if len(line) > 80] == []


def test_bash_completes_a_line(empty_folder):
    script = (
        f'PATH="{Path(sys.executable).parent}:$PATH"; eval "$(trainrun -sc install=bash)"; COMP_LINE="trainrun optimizer=ad"; '
        'COMP_POINT=${#COMP_LINE}; COMP_CWORD=1; hydra_bash_completion; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert {"optimizer=adam", "optimizer=adamw"} <= set(done.stdout.split())


def test_init_writes_a_project_that_is_right_and_overwrites_nothing(empty_folder, monkeypatch, capsys):
    assert main(["init", "mine"]) == 0
    monkeypatch.chdir(empty_folder / "mine")
    assert main(["check"]) == 0
    assert main(["check", "experiment=first"]) == 0
    assert "lopsided" in {row[0] for row in rows_of("loss")}
    assert len((empty_folder / "mine" / "README.md").read_text().splitlines()) <= 12
    monkeypatch.chdir(empty_folder)
    capsys.readouterr()
    assert main(["init", "mine"]) == 2
    assert "exist already" in capsys.readouterr().err


def test_build_gives_objects_and_functions():
    import keras
    import numpy as np

    assert isinstance(trainrun.build("loss", "huber", delta=2.0), keras.losses.Huber)
    focal = trainrun.build("loss", "focal", form="function", gamma=0.0, alpha=None)
    y, p = np.array([[1.0], [0.0]], "float32"), np.array([[0.8], [0.3]], "float32")
    np.testing.assert_allclose(np.ravel(focal(y, p)), -np.log([0.8, 0.7]), rtol=1e-5)
    with pytest.raises(trainrun.errors.UserError, match="learning_rate"):
        trainrun.build("optimizer", "adam", lr=1)
