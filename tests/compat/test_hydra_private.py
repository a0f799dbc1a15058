"""Hydra's private names are where `trainrun.compat.hydra_private` looks for them."""

from __future__ import annotations

import copy

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal import defaults_list
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import MissingConfigException
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import OmegaConf
from omegaconf.basecontainer import BaseContainer

from trainrun.compat import hydra_private as private


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.yaml").write_text("a: 1\nb:\n  c: 2\n")
    GlobalHydra.instance().clear()
    yield tmp_path
    GlobalHydra.instance().clear()


def parsed(*overrides):
    return OverridesParser.create().parse_overrides(list(overrides))


def test_file_source_reads_folders_and_can_be_extended():
    source = private.file_source()
    assert issubclass(source, ConfigSource)
    assert source.scheme() == "file"
    assert {"load_config", "_normalize_file_name"} <= set(dir(source))


def test_a_replaced_file_source_is_the_one_that_reads(folder):
    own = private.file_source()
    seen = []

    class Source(own):
        def load_config(self, config_path: str) -> ConfigResult:
            seen.append(config_path)
            return super().load_config(config_path)

    Plugins.instance()  # registers Hydra's own sources
    before = SourcesRegistry.instance().types["file"]
    private.replace_file_source(Source)
    try:
        with initialize_config_dir(str(folder), version_base="1.3"):
            compose("config")
    finally:
        private.replace_file_source(before)
    assert "config.yaml" in {name if name.endswith(".yaml") else f"{name}.yaml" for name in seen}


def test_header_is_read_from_the_first_lines():
    assert private.header("# @package _global_\na: 1\n") == {"package": "_global_"}
    assert private.header("a: 1\n").get("package") is None


def test_flag_parser_knows_the_flags_that_we_ask_for():
    flags = private.flag_parser().parse_intermixed_args(["-m", "--cfg", "job", "-cd", "x", "a=1"])
    assert flags.multirun
    assert flags.cfg == "job"
    assert flags.overrides == ["a=1"]
    assert flags.config_dir == "x"
    asked = {"config_name", "config_path", "info", "hydra_help", "shell_completion", "experimental_rerun"}
    assert asked <= set(vars(flags))


def test_applied_overrides_give_what_composing_with_them_gives(folder):
    overrides = ["a=5", "+d.e=[1,2]", "b.c=null"]
    with initialize_config_dir(str(folder), version_base="1.3"):
        config, expected = compose("config"), compose("config", overrides)
    private.apply_overrides(parsed(*overrides), config)
    assert config == expected


def test_override_dirname_is_what_hydra_puts_into_its_config(folder):
    with initialize_config_dir(str(folder), version_base="1.3"):
        config = compose("config", ["b.c=3", "a=5"], return_hydra_config=True)
    form = config.hydra.job.config.override_dirname
    assert private.override_dirname(parsed("b.c=3", "a=5"), form) == config.hydra.job.override_dirname
    assert config.hydra.job.override_dirname == "a=5,b.c=3"


@pytest.mark.parametrize("value", [1, 0.5, True, None, [1, "a"], {"a": 1}, "a,b"])
def test_value_as_typed_reads_back(value):
    assert parsed(f"key={private.value_as_typed(value)}")[0].value() == value


def test_application_composes_runs_and_sweeps_with_arguments_of_ours(folder, monkeypatch):
    monkeypatch.setattr("sys.argv", ["another", "--program"])
    folder.joinpath("config.yaml").write_text(
        "a: 1\nhydra:\n  output_subdir: null\n  run: {dir: out}\n  sweep: {dir: swept}\n"
        "defaults: [_self_, {override hydra/job_logging: none}, {override hydra/hydra_logging: none}]\n"
    )
    monkeypatch.chdir(folder)
    seen = []
    with initialize_config_dir(str(folder), version_base="1.3"):
        hydra = private.application()
        hydra.run("config", lambda config: seen.append(config.a), ["a=2"])
        hydra.multirun("config", lambda config: seen.append(config.a), ["a=3,4"])
    assert seen == [2, 3, 4]
    assert {"show_cfg", "show_info", "hydra_help", "shell_completion"} <= set(dir(hydra))


def test_application_raises_what_a_config_lacks(folder):
    with initialize_config_dir(str(folder), version_base="1.3"), pytest.raises(MissingConfigException):
        private.application().run("nowhere", lambda config: None, [])


def test_files_are_merged_at_once_to_the_same_config_and_errors(folder, monkeypatch):
    (folder / "config.yaml").write_text(
        "defaults:\n  - g: a\n  - h@b: a\n  - h@e.f: a\n  - _self_\na: 1\nb:\n  d: ${a}\n"
    )
    for path, text in {
        "g/a": "name: 1\n",
        "h/a": "c: [1, 2]\nd: 3\ni: {j: 1}\n",
        "g/wrong": "# @package _global_\nhydra: {job: {chdir: [1]}}\n",
    }.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / f"{path}.yaml").write_text(text)

    def composed(*overrides):
        with initialize_config_dir(str(folder), version_base="1.3"):
            try:
                return OmegaConf.to_yaml(compose("config", list(overrides), return_hydra_config=True))
            except Exception as error:
                return type(error), str(error)

    ours_or_hydras = (
        ConfigLoaderImpl._compose_config_from_defaults_list
    )  # ours where another test has registered it
    hydras = getattr(ours_or_hydras, "__wrapped__", ours_or_hydras)
    monkeypatch.setattr(ConfigLoaderImpl, "_compose_config_from_defaults_list", hydras)
    words = ([], ["a=4", "+b.e=5"], ["e.f.d=4", "b.i.j=2", "b.c=[3]"], ["g=wrong"])
    before = [composed(*w) for w in words]
    calls = []
    plain = BaseContainer.merge_with
    monkeypatch.setattr(BaseContainer, "merge_with", lambda self, *others: calls.append(len(others)) or plain(self, *others))  # fmt: skip
    private.merge_files_at_once()
    assert [composed(*w) for w in words] == before
    assert max(calls) > 3 and "In 'g/wrong'" in before[-1][1]


def test_a_shared_store_keeps_what_is_stored(folder, monkeypatch):
    monkeypatch.setattr(ConfigStore, "__deepcopy__", None, raising=False)
    private.share_stored_configs()
    store = ConfigStore.instance()
    assert copy.deepcopy(store) is store
    monkeypatch.setitem(store.repo, "stored", {})
    store.store(group="stored", name="x", node={"a": {"b": 1}})
    (folder / "config.yaml").write_text("defaults:\n  - stored: x\n  - _self_\nstored: {c: 2}\n")
    with initialize_config_dir(str(folder), version_base="1.3"):
        values = [compose("config", [f"stored.a.b={n}"]).stored for n in (5, 6)] + [compose("config").stored]
    assert values == [{"a": {"b": n}, "c": 2} for n in (5, 6, 1)]
    assert store.repo["stored"]["x.yaml"].node == {"a": {"b": 1}}


def test_choices_are_listed_for_interpolated_defaults_only(folder, monkeypatch):
    (folder / "config.yaml").write_text("defaults:\n  - g: a\n  - h: ${g}\n  - _self_\n")
    for path in ("g/a", "h/a", "h/b", "g/b"):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / f"{path}.yaml").write_text(f"name: {path}\n")
    listed = []
    plain = defaults_list._create_interpolation_map
    monkeypatch.setattr(
        defaults_list, "_create_interpolation_map", lambda *given: listed.append(1) or plain(*given)
    )
    private.skip_unneeded_choices()
    with initialize_config_dir(str(folder), version_base="1.3"):
        config = compose("config", ["g=b"])
    assert (config.g.name, config.h.name) == ("g/b", "h/b")
    assert len(listed) == 1
