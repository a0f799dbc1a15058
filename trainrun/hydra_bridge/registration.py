"""Registration with Hydra, once per process: resolvers, schema, search path, launchers and sweepers."""

from __future__ import annotations

import functools
import secrets
import string
import time
from typing import Any

from trainrun.compat import hydra_private, omegaconf_private
from trainrun.hydra_bridge import interpolations
from trainrun.registry import common_keys, literals, lookup, option_files, signatures

_ALPHABET = string.ascii_lowercase + string.digits


def unique(_: str = "") -> str:
    """Return six random characters: two runs that start in the same second never share a directory."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(6))


def run_name() -> str:
    """Return the name of a new run's directory, as `hydra.run.dir` has it: the second, and what makes it unique."""
    return f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_{unique()}"


def prepare() -> None:
    """Register resolvers, schema, search path and plug-ins with Hydra, and the components announced so far."""
    _register()
    _offer_components()


def option_of(component: lookup.Component, group: str | None = None) -> dict[str, Any] | None:
    """Return the option that a plug-in's component is by itself, its arguments read off its signature.

    Args:
        component: of a plug-in.
        group: of the option; a loss is a metric, too. None: the component's.

    Returns:
        The content of a YAML; None if the project has one of this name, which takes precedence.
    """
    group = group or component.group
    if component.name in option_files.options(group):
        return None
    source = signatures.read(component)
    # A trainer's YAML holds the run's settings beside the trainer's own arguments.
    settings = option_files.shared("trainer", "epochs") if component.group == "trainer" else {}
    values = {**settings, **common_keys.defaults(component.group), "name": component.name}
    for argument, parameter in (source.parameters if source else {}).items():
        shown = not parameter.inherited or (component.group, argument) == ("optimizer", "learning_rate")
        if shown and argument not in ("name", *signatures.FILLED_IN.get(component.group, ())):
            values[argument] = None if parameter.value is literals.UNKNOWN else parameter.value
    return {component.name: values} if group in option_files.SEVERAL else values


def _offer_components() -> None:
    """Make each component of the user's plug-ins that has no YAML an option of its group."""
    from hydra.core.config_store import ConfigStore

    store = ConfigStore.instance()
    # Those of earlier runs in this process go first: one may have a YAML in this folder, and Hydra 1.3.8 merges a stored option with a
    # file of its name and warns that this is deprecated. ConfigStore has no way to remove one.
    for group in lookup.KERAS:
        options = store.repo.get(group, {})
        for name in [n for n, node in options.items() if str(node.provider).startswith("plug-in ")]:
            del options[name]
    own = {(component.group, component.name): component for component in lookup.announced()}
    losses = {("metric", name): component for (group, name), component in own.items() if group == "loss"}
    for (group, name), component in (losses | own).items():
        if (values := option_of(component, group)) is not None:
            store.store(group=group, name=name, node=values, provider=component.origin)


@functools.cache
def _register() -> None:
    from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
    from hydra.core.config_store import ConfigNode, ConfigStore
    from hydra.core.plugins import Plugins
    from hydra.plugins.search_path_plugin import SearchPathPlugin
    from omegaconf import OmegaConf

    from trainrun.config import schema
    from trainrun.hydra_bridge import folder_source

    OmegaConf.register_new_resolver("oc.env", interpolations.environment, replace=True)
    # Hydra 1.3.8 names a run's folder by the second: four starts within one share it. This adds random characters,
    # cached per config and argument, so that hydra.run.dir always resolves to the same name.
    OmegaConf.register_new_resolver("trainrun.unique", unique, use_cache=True, replace=True)
    # Not by its method `store`, which copies the node; whatever is loaded is copied anyway.
    ConfigStore.instance().repo["schema.yaml"] = ConfigNode(
        "schema.yaml", schema.typed(), None, None, "trainrun"
    )

    class Nearest(SearchPathPlugin):
        """The folders of `option_files.search_path`, the project's before trainrun's."""

        def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
            main = SearchPathQuery(provider="main", path=None)
            for origin, folder in option_files.search_path():
                if origin == "command line":
                    search_path.append(provider=origin, path=f"file://{folder}")
                elif origin == "project":
                    search_path.prepend(provider=origin, path=f"file://{folder}", anchor=main)

    Plugins.instance().register(Nearest)
    hydra_private.replace_file_source(folder_source.FileConfigSource)
    hydra_private.skip_unneeded_choices()
    hydra_private.share_stored_configs()
    hydra_private.merge_files_at_once()
    omegaconf_private.parse_by_libyaml()


@functools.cache
def launchers_and_sweepers() -> None:
    """Register trainrun's launchers and sweepers with Hydra, which a sweep needs; their options are files of conf/hydra/."""
    import sys
    import types
    from importlib import import_module

    from hydra.core.plugins import Plugins

    from trainrun.hydra_bridge import auto_launcher, launcher_plugins, own_plugins, sweeper_plugins

    plugins = Plugins.instance()
    # Hydra 1.3.8 instantiates launchers and sweepers only if their `_target_` stands in the package `hydra_plugins` (RuntimeError
    # "Invalid plugin"), which it imports whole at each start of any Hydra program. A module of that package is made
    # here, in this process; tests/hydra_bridge/test_own_plugins.py composes every option.
    try:
        package = import_module("hydra_plugins")
    except ImportError:
        package = sys.modules["hydra_plugins"] = types.ModuleType("hydra_plugins")
        package.__path__ = []
    module = package.trainrun = sys.modules[own_plugins.MODULE] = types.ModuleType(own_plugins.MODULE)
    classes = {**vars(auto_launcher), **vars(launcher_plugins), **vars(sweeper_plugins)}
    for name in own_plugins.CLASSES.values():
        plugin = classes[name]
        setattr(module, name, plugin)
        plugin.__module__ = own_plugins.MODULE
        plugins.register(plugin)
