"""Plug-ins: announced from their source, imported after the checks, failing in one clear line."""

from __future__ import annotations

import sys

import pytest

import trainrun
from trainrun.cli import main
from trainrun.config import plugins
from trainrun.errors import UserError
from trainrun.hydra_bridge import preflight
from trainrun.registry import lookup

LOSS = '''
import trainrun

@trainrun.register("loss", "{name}")
def {name}(y_true, y_pred, power=2.0):
    """Error to a power."""
    return abs(y_true - y_pred) ** power
'''


@pytest.fixture(autouse=True)
def no_other_plugins():
    with lookup.isolated():
        yield


def test_a_plugin_is_an_option_without_any_yaml(inside):
    (inside / "mine.py").write_text(LOSS.format(name="powered"))
    config, problems = preflight.overrides(["plugins=[./mine.py]", "loss=powered", "loss.power=3"])
    assert problems == []
    assert config["loss"] == {"name": "powered", "power": 3}


def test_misspelt_plugin_argument_is_refused_before_the_import(inside):
    (inside / "mine2.py").write_text(LOSS.format(name="powered2") + "\nraise RuntimeError('imported')\n")
    _, problems = preflight.overrides(["plugins=[./mine2.py]", "loss=powered2", "loss.pover=3"])
    assert [(p.key, "Did you mean power?" in p.message) for p in problems] == [("loss.pover", True)]


def test_an_import_error_names_file_and_line(inside):
    (inside / "broken.py").write_text("import trainrun\ny = 1 / 0\n")
    with pytest.raises(UserError) as caught:
        plugins.load(["./broken.py"])
    assert f"{inside / 'broken.py'}, line 2: ZeroDivisionError" in str(caught.value)


def test_a_name_that_only_running_the_file_tells_is_explained(inside):
    source = "import trainrun\nfor n in ('a1', 'a2'):\n    @trainrun.register('loss', n)\n    def f(y_true, y_pred): ...\n"
    (inside / "loop.py").write_text(source)
    _, problems = preflight.overrides(["plugins=[./loop.py]", "loss=a1"])
    assert [p.key for p in problems] == ["loss"]
    assert (
        "./loop.py, line 3: register('loss', …) has a name that is not written there" in problems[0].message
    )


def test_a_syntax_error_names_file_and_line(inside):
    (inside / "bad.py").write_text("x = 1\ndef f(:\n")
    _, problems = preflight.overrides(["plugins=[./bad.py]"])
    assert any("./bad.py, line 2: this is not Python" in p.message for p in problems)


def test_an_unknown_group_is_refused(inside):
    (inside / "odd.py").write_text("import trainrun\n@trainrun.register('los', 'x')\ndef x(): ...\n")
    _, problems = preflight.overrides(["plugins=[./odd.py]"])
    assert any("Did you mean loss?" in p.message for p in problems)


def test_a_module_on_the_path_is_found_without_importing_its_parent(inside, monkeypatch):
    package = inside / "parent_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('the parent was imported')\n")
    (package / "inner.py").write_text(LOSS.format(name="inner_loss"))
    monkeypatch.syspath_prepend(str(inside))
    config, problems = preflight.overrides(["plugins=[parent_package.inner]", "loss=inner_loss"])
    assert problems == [] and config["loss"]["name"] == "inner_loss"


def test_what_modules_register_that_a_plugin_imports_from_beside_it_is_its_own(inside):
    """A package whose `__init__` imports its parts, relatively and by name, and a file that imports another one."""
    package = inside / "grouped_parts"
    (package / "deep").mkdir(parents=True)
    (package / "__init__.py").write_text(
        "import trainrun\nfrom . import first\nfrom grouped_parts.deep import third\n"
    )
    (package / "first.py").write_text("from .deep.second import *\n" + LOSS.format(name="grouped1"))
    (package / "deep/second.py").write_text(LOSS.format(name="grouped2"))
    (package / "deep/third.py").write_text(LOSS.format(name="grouped3"))
    (package / "unused.py").write_text(LOSS.format(name="grouped4") + "raise RuntimeError('imported')\n")
    (inside / "leading.py").write_text("import trainrun\nimport led\n")
    (inside / "led.py").write_text(LOSS.format(name="led_loss"))
    named = "plugins=[grouped_parts,./leading.py]"
    for name in ("grouped1", "grouped2", "grouped3", "led_loss"):
        config, problems = preflight.overrides([named, f"loss={name}", "loss.power=3"])
        assert problems == []
    plugins.load(config["plugins"])
    assert lookup.find("loss", "grouped3").load().__module__ == "grouped_parts.deep.third"
    assert lookup.find("loss", "led_loss").load().__module__ == "led"
    _, problems = preflight.overrides([named, "loss=grouped4"])
    assert [p.key for p in problems] == ["loss"]
    _, problems = preflight.overrides(["plugins=[./grouped_parts]"])
    assert problems[0].message == (
        "./grouped_parts is a folder. Name a package by its module, or one file: plugins=[grouped_parts]."
    )


def test_an_installed_package_offers_its_components_and_is_recorded(inside, monkeypatch, capsys):
    site = inside / "site"
    (site / "offered-1.0.dist-info").mkdir(parents=True)
    (site / "offered-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: offered\nVersion: 1.0\n"
    )
    (site / "offered-1.0.dist-info" / "entry_points.txt").write_text(
        "[trainrun.plugins]\noffered = offered\n"
    )
    (site / "offered.py").write_text(LOSS.format(name="offered_loss"))
    monkeypatch.syspath_prepend(str(site))
    assert trainrun.compose(["data=iris"])["plugins"] == []
    config = trainrun.compose(["data=diabetes", "loss=offered_loss"])
    assert config["plugins"] == ["offered"], "a resumed run would not find its loss"
    assert main(["check", "-m", "data=diabetes", "loss=offered_loss,huber"]) == 0
    assert lookup.find("loss", "offered_loss").load()(0.0, 3.0) == 9.0
    assert main(["ls", "loss"]) == 0
    listed = capsys.readouterr().out
    assert "offered_loss" in listed and "plug-in offered" in listed


@pytest.mark.parametrize("typed", ["plugins+=[./more.py]", "plugins+=['./more.py',./more.py]"])
def test_plugins_can_be_added_to_the_projects_list(inside, typed):
    (inside / "conf").mkdir()
    ours = (lookup.package_conf() / "config.yaml").read_text()
    (inside / "conf" / "config.yaml").write_text(ours + "plugins: [./mine.py]\n")
    for name in ("mine", "more"):
        (inside / f"{name}.py").write_text(LOSS.format(name=f"{name}_loss"))
    config, problems = preflight.overrides(["data=diabetes", "loss=more_loss", typed])
    assert (problems, (config or {}).get("plugins")) == ([], ["./mine.py", "./more.py"])
    assert main(["check", "-m", "data=diabetes", "loss=more_loss,mine_loss", typed]) == 0


def test_an_edited_plugin_is_imported_anew(inside, monkeypatch):
    """As in a notebook, where one process trains again after an edit of the plug-in or of a module beside it."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    source = "import beside\n" + LOSS.format(name="powered3") + "NAMES = beside.NAMES\n"
    (inside / "beside.py").write_text("NAMES = []\n")
    for power, names in ((2.0, "[]"), (2.0, "[1]"), (3.25, "[1]")):
        (inside / "mine3.py").write_text(source.replace("2.0", str(power)))
        (inside / "beside.py").write_text(f"NAMES = {names}\n")
        plugins.load(["./mine3.py"])
        loss = lookup.find("loss", "powered3").load()
        assert loss(0.0, 2.0) == 2.0**power
        assert str(sys.modules["trainrun_plugin_mine3"].NAMES) == names
    (inside / "mine3.py").write_text(source.replace("powered3", "renamed"))
    assert preflight.overrides(["plugins=[./mine3.py]", "loss=powered3"])[1], "it no longer registers this"
    sys.modules.pop("beside", None)


@pytest.mark.parametrize("from_where", ["command line", "project", "experiment"])
def test_ls_and_show_know_plugins_wherever_they_are_named(inside, capsys, from_where):
    (inside / "mine.py").write_text(LOSS.format(name="powered"))
    (inside / "conf" / "experiment").mkdir(parents=True)
    overrides = []
    if from_where == "project":
        (inside / "conf" / "config.yaml").write_text("defaults: [trainrun, _self_]\nplugins: [./mine.py]\n")
    elif from_where == "experiment":
        text = "# @package _global_\ndefaults: [override /loss: powered]\nplugins: [./mine.py]\n"
        (inside / "conf" / "experiment" / "e.yaml").write_text(text)
        overrides = ["experiment=e"]
        assert preflight.overrides(overrides)[0]["loss"] == {"name": "powered", "power": 2.0}
    else:
        overrides = ["plugins=[./mine.py]"]
    assert main(["ls", "loss", *overrides]) == 0
    assert "powered" in capsys.readouterr().out
    assert main(["show", "loss/powered", *overrides]) == 0
    assert "Error to a power." in capsys.readouterr().out


def test_a_loss_of_a_plugin_is_a_metric_too(inside):
    (inside / "mine.py").write_text(LOSS.format(name="powered"))
    config, problems = preflight.overrides(
        ["plugins=[./mine.py]", "data=diabetes", "metric=[powered,huber]", "metric.huber.delta=2"]
    )
    assert problems == []
    assert config["metric"]["powered"] == {"name": "powered", "power": 2.0}
    assert config["metric"]["huber"] == {"name": "Huber", "delta": 2, "dtype": None}
