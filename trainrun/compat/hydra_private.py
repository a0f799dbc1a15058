"""Hydra's private names: config sources, lists of defaults, the parser of its flags, overrides put into a composed config.

Checked with Hydra 1.3.8. Only `trainrun.hydra_bridge` uses this file. Without one of these names every command that
composes a config raises ImportError or AttributeError, except where a function says otherwise.
"""

from __future__ import annotations

import copy
import functools
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

    from omegaconf import DictConfig


def file_source() -> type:
    """Return Hydra's source of configs with the scheme ``file``, to be extended.

    For: refusing configs outside of their folder, and files beyond the limits of `yaml_file`.
    Public API: `ConfigSource` is public, its implementation for folders is not. Checked: Hydra 1.3.8.
    """
    from hydra._internal.core_plugins.file_config_source import FileConfigSource

    return FileConfigSource


def replace_file_source(source: type) -> None:
    """Have Hydra read folders by another class.

    For: see `file_source`. Public API: `Plugins.register` keeps the source that is registered for a scheme.
    Checked: Hydra 1.3.8. Missing: ImportError; if the registry were ignored, files would be read without limits: tested.

    Args:
        source: derived from `file_source()`.
    """
    from hydra._internal.sources_registry import SourcesRegistry

    SourcesRegistry.instance().types["file"] = source


def skip_unneeded_choices() -> None:
    """Have Hydra list the choices of options for interpolated defaults (``- model: ${data}``) only where a list has such a default.

    For: Hydra lists them for each file of a config, a quarter of the time that composing takes.
    Public API: none. Checked: Hydra 1.3.8. Missing: AttributeError; tested.
    """
    from hydra._internal import defaults_list

    choices = defaults_list._create_interpolation_map

    def where_needed(overrides: Any, listed: list[Any], self_added: bool) -> Any:
        return choices(overrides, listed, self_added) if any(d.is_interpolation() for d in listed) else None

    defaults_list._create_interpolation_map = where_needed


def share_stored_configs() -> None:
    """Have all of Hydra's config repositories share one `ConfigStore`.

    For: Hydra copies its repository for each config, and with it all that is stored; what is loaded from the store is copied anyway.
    Public API: none. Checked: Hydra 1.3.8. Missing: AttributeError; tested.
    """
    from hydra.core.config_store import ConfigStore

    ConfigStore.__deepcopy__ = lambda self, memo: self  # type: ignore[attr-defined]


def merge_files_at_once() -> None:
    """Have Hydra merge all files of a config in one call, and copy only those that the config has twice.

    For: OmegaConf corrects the parents of all nodes after each merge, and Hydra copies each file, a quarter of the time that composing
    takes. Public API: none. Checked: Hydra 1.3.8. Missing: AttributeError; tested. What cannot be merged is merged again, one by one, for
    Hydra's message, which names the file.
    """
    from types import SimpleNamespace

    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from omegaconf import OmegaConf, flag_override
    from omegaconf.errors import OmegaConfBaseException

    merged, load = ConfigLoaderImpl._compose_config_from_defaults_list, ConfigLoaderImpl._load_single_config
    whole_file = SimpleNamespace(_embed_result_config=_embedded)

    @functools.wraps(merged)
    def at_once(self: Any, defaults: list[Any], repo: Any) -> DictConfig:
        uses = Counter(default.config_path for default in defaults)

        def loaded(config_path: str) -> Any:
            result = repo.load_config(config_path=config_path)
            return copy.deepcopy(result) if uses[config_path] > 1 else result

        files = SimpleNamespace(load_config=loaded, get_schema_source=repo.get_schema_source)
        whole = OmegaConf.create()
        with flag_override(whole, "no_deepcopy_set_nodes", True):
            try:
                whole.merge_with(*(load(whole_file, default=d, repo=files).config for d in defaults))
            except OmegaConfBaseException:
                repo.cache.clear()  # its files have become parts of `whole`
                return merged(self, defaults, repo)
        one = SimpleNamespace(_load_single_config=lambda default, repo: SimpleNamespace(config=whole))
        return merged(one, defaults[:1], repo)

    ConfigLoaderImpl._compose_config_from_defaults_list = at_once


def _embedded(result: Any, package: str | None) -> Any:
    """Return a file's config below the keys of its package, as `ConfigLoaderImpl._embed_result_config` does, but without a copy."""
    from omegaconf import OmegaConf, flag_override

    package = result.header["package"] if package is None else package
    if not package:
        return result
    config = OmegaConf.create()
    with flag_override(config, "no_deepcopy_set_nodes", True):
        OmegaConf.update(config, package, result.config, merge=False)
    result = copy.copy(result)
    result.config = config
    return result


def application() -> Any:
    """Return the Hydra that `hydra.initialize_config_dir` has set up: it composes, runs, sweeps, shows and completes.

    For: running Hydra with given arguments, and catching its exceptions.
    Public API: `hydra.main` reads `sys.argv`, prints errors and exits. Checked: Hydra 1.3.8.
    """
    from hydra.core.global_hydra import GlobalHydra

    return GlobalHydra.instance().hydra


def header(text: str) -> dict[str, str | None]:
    """Return the header (`# @package …`) of a config file's first characters.

    For: configs that `FileConfigSource` reads. Public API: only with Hydra's own reading of the file.
    Checked: Hydra 1.3.8.
    """
    from hydra.plugins.config_source import ConfigSource

    return ConfigSource._get_header_dict(text)


def flag_parser() -> argparse.ArgumentParser:
    """Return the parser of Hydra's own flags (`-m`, `--cfg`, …); the words that are no flags are `overrides`.

    For: reading the flags before Hydra runs. Public API: `hydra.main` parses `sys.argv` itself.
    Checked: Hydra 1.3.8.
    """
    from hydra._internal.utils import get_args_parser

    return get_args_parser()


def apply_overrides(overrides: Sequence[Any], config: DictConfig) -> None:
    """Set values in a composed config, as composing with them does.

    For: the points of a sweep that differ in values only; composing each from its files is slow.
    Public API: `hydra.compose` composes everything. Checked: Hydra 1.3.8.

    Args:
        overrides: parsed; none may choose an option of a group.
        config: changed in place.
    """
    from hydra._internal.config_loader_impl import ConfigLoaderImpl

    ConfigLoaderImpl._apply_overrides_to_config(list(overrides), config)


def override_dirname(overrides: Sequence[Any], form: Any) -> str:
    """Return the value of `hydra.job.override_dirname` for parsed overrides.

    For: see `apply_overrides`. Public API: none. Checked: Hydra 1.3.8.

    Args:
        overrides: parsed, without those for Hydra itself.
        form: the node `hydra.job.config.override_dirname`.
    """
    from hydra._internal.config_loader_impl import get_overrides_dirname

    return get_overrides_dirname(
        overrides=list(overrides),
        kv_sep=form.kv_sep,
        item_sep=form.item_sep,
        exclude_keys=form.exclude_keys,
    )


def value_as_typed(value: Any) -> str:
    """Return a value as it is typed behind ``key=``, quoted where needed.

    For: search spaces in YAML files, which become overrides.
    Public API: `Override.get_value_element_as_str` wants an override that was parsed. Checked: Hydra 1.3.8.
    """
    from hydra.core.override_parser.types import Override

    return Override._get_value_element_as_str(value)
