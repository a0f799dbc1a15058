"""OmegaConf's private nodes are where `trainrun.compat.omegaconf_private` looks for them."""

from __future__ import annotations

import dataclasses
import importlib.util
import io

import pytest
import yaml
from omegaconf import DictConfig, OmegaConf, _utils, base
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


@dataclasses.dataclass
class Typed:
    text: str = "${nodes.a}"
    mixed: str = "a-${n}"


@pytest.mark.parametrize(
    "value",
    ["a ${n}", "${n}${n}", "${n}", "${nodes.a}", "${nodes.a.b}", "${nodes}", "${nowhere.a}", "${none.a}", "${missing.a}", "${to_nodes.a}", "${to_nodes}", "${oc.select:nodes}", " ${nodes}", "${.nodes}"],
)  # fmt: skip
def test_texts_unresolved_merges_to_the_same_config(value):
    common = {"n": 1, "none": None, "missing": "???", "nodes": {"a": {"b": 2}}, "to_nodes": "${nodes}"}

    def merged():
        whole = OmegaConf.create()
        whole.merge_with(
            {**common, "x": value, "y": {"z": value}}, {"typed": Typed}, {"x": {"c": 3}, "y": {"z": {"d": 1}}}
        )
        other = OmegaConf.create({**common, "x": value, "typed": Typed()})
        other.merge_with({"x": "b", "typed": {"text": "c", "mixed": "${n}"}}, {"nodes": {"a": 1}})
        return [OmegaConf.to_yaml(config) for config in (whole, other)]

    def tried():
        try:
            return merged()
        except OmegaConfBaseException as error:
            return type(error), str(error)

    expected = tried()
    with private.texts_unresolved():
        assert tried() == expected
    assert OmegaConf.create({"a": {"b": 1}, "c": "${a}"}).c == {"b": 1}  # resolved as ever outside


def test_texts_unresolved_parses_only_what_may_stand_for_keys(monkeypatch):
    parsed, parse = [], base.parse
    monkeypatch.setattr(base, "parse", lambda text, *rest: parsed.append(text) or parse(text, *rest))
    whole = OmegaConf.create()
    texts = {"a": "x ${n}", "b": "${n}", "c": "${later.d}", "e": "${nodes}"}
    with private.texts_unresolved():
        whole.merge_with({"n": 1, "nodes": {"f": 1}, **texts}, dict.fromkeys(texts, "other"))
    assert parsed == ["${nodes}"]
