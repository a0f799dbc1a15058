"""OmegaConf's private nodes are where `trainrun.compat.omegaconf_private` looks for them."""

from __future__ import annotations

import importlib.util
import io

import pytest
import yaml
from omegaconf import DictConfig, OmegaConf, _utils
from omegaconf.errors import OmegaConfBaseException

from trainrun.compat import omegaconf_private as private
from trainrun.registry import option_files


def test_a_child_is_a_node_and_interpolations_are_followed():
    config = OmegaConf.create({"a": {"b": 1}, "there": "${a}", "missing": "???", "nowhere": "${x.y}"})
    assert isinstance(private.child(config, "a"), DictConfig)
    assert private.child(config, "there") is private.child(config, "a")
    assert private.child(config, "missing")._is_missing()
    assert private.child(config, "none") is None
    with pytest.raises(OmegaConfBaseException):
        private.child(config, "nowhere")


def test_libyaml_gives_what_omegaconfs_own_loader_does(monkeypatch):
    spec = importlib.util.find_spec("omegaconf._utils")
    pristine = importlib.util.module_from_spec(spec)  # other tests may have replaced the function already
    spec.loader.exec_module(pristine)
    monkeypatch.setattr(_utils, "get_yaml_loader", pristine.get_yaml_loader)
    texts = [p.read_text() for p in option_files.package_conf().rglob("*.yaml")]
    texts.append("a: 1e3\nb: 2001-01-01\nc: [.5, 1_0, on, 0x1f, '1e3', ~]\nd: {x: &l [1], y: *l}\n")
    texts.append("a: 1\na: 2\n")

    def read():
        for text in texts:
            try:
                yield OmegaConf.to_container(OmegaConf.load(io.StringIO(text)))
            except yaml.YAMLError as error:
                yield f"{error.problem} in line {error.problem_mark.line}"

    expected = [*read()]
    private.parse_by_libyaml()
    assert _utils.get_yaml_loader() is _utils.get_yaml_loader() and issubclass(
        _utils.get_yaml_loader(), yaml.cyaml.CParser
    )
    assert [*read()] == expected and "duplicate key" in expected[-1]
