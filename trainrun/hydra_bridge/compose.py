"""The line between Hydra and us: search path, resolvers, schema; compose a config, or hand over to Hydra.

Hydra is imported by the functions, not by this module: `ls`, `show` and `--help` do without it.
"""

from __future__ import annotations

import os
import secrets
import string
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.config import safety
from trainrun.errors import UserError
from trainrun.registry import option_files

if TYPE_CHECKING:
    from omegaconf import DictConfig

VERSION_BASE = "1.3"
CONFIG_NAME = "config"
_ALPHABET = string.ascii_lowercase + string.digits
_prepared = False


def unique(_: str = "") -> str:
    """Return six random characters: two runs that start in the same second never share a directory."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(6))


def prepare() -> None:
    """Register resolvers, the schema and the search path with Hydra, once a process."""
    global _prepared
    if _prepared:
        return
    from hydra._internal.sources_registry import SourcesRegistry
    from hydra.core.config_search_path import ConfigSearchPath, SearchPathQuery
    from hydra.core.plugins import Plugins
    from hydra.plugins.search_path_plugin import SearchPathPlugin
    from omegaconf import OmegaConf

    from trainrun.config import schema
    from trainrun.hydra_bridge import folder_source, launcher_plugins

    OmegaConf.register_new_resolver("oc.env", safety.environment, replace=True)
    # Cached per config and argument, so that every look at hydra.run.dir sees the same name.
    OmegaConf.register_new_resolver("trainrun.unique", unique, use_cache=True, replace=True)
    schema.store()

    class Nearest(SearchPathPlugin):
        """The folders of `options.search_path`, the project's before ours."""

        def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
            main = SearchPathQuery(provider="main", path=None)
            for origin, folder in option_files.search_path():
                if origin == "command line" and not any(
                    e.path == f"file://{folder}" for e in search_path.get_path()
                ):
                    search_path.append(provider=origin, path=f"file://{folder}")
                elif origin == "project":
                    search_path.prepend(provider=origin, path=f"file://{folder}", anchor=main)

    Plugins.instance().register(Nearest)
    launcher_plugins.register()
    # `register` keeps the source that Plugins.instance() has found; here it is replaced.
    SourcesRegistry.instance().types["file"] = folder_source.FileConfigSource
    _prepared = True


def compose(
    overrides: Sequence[str] = (),
    config_name: str | None = None,
    config_path: str | None = None,
    multirun: bool = False,
) -> DictConfig:
    """Compose the config of one run, Hydra's own node included; nothing is checked.

    Args:
        overrides: as typed on the command line.
        config_name, config_path: Hydra's flags ``-cn`` and ``-cp``; None: ours.

    Raises:
        Exception: whatever Hydra or OmegaConf raise; `diagnose.problems` turns it into problems.
    """
    import hydra
    from hydra.core.global_hydra import GlobalHydra

    prepare()
    GlobalHydra.instance().clear()
    folder = Path(config_path or option_files.package_conf()).absolute()
    with hydra.initialize_config_dir(str(folder), version_base=VERSION_BASE, job_name="trainrun"):
        return hydra.compose(config_name or CONFIG_NAME, list(overrides), return_hydra_config=True)


def plain(config: Any) -> dict[str, Any]:
    """Return the config without Hydra's node, interpolations resolved, as dicts and lists."""
    from omegaconf import OmegaConf

    def value(key: str) -> Any:
        found = config[key]
        return (
            OmegaConf.to_container(found, resolve=True, throw_on_missing=True)
            if OmegaConf.is_config(found)
            else found
        )

    with safety.bounded():
        # Key by key: a copy without Hydra's node would take as long as composing.
        return {str(key): value(key) for key in config if key != "hydra"}


def is_hydra(override: str) -> bool:
    """Tell whether an override is for Hydra itself."""
    return override.lstrip("+~").startswith(("hydra.", "hydra/"))


@contextmanager
def loading(config_path: str | None = None) -> Iterator[Any]:
    """Give Hydra's config loader, which knows the search path and the options there are.

    Args:
        config_path: Hydra's flag ``-cp``; None: ours.
    """
    import hydra
    from hydra.core.global_hydra import GlobalHydra

    prepare()
    GlobalHydra.instance().clear()
    folder = Path(config_path or option_files.package_conf()).absolute()
    with hydra.initialize_config_dir(str(folder), version_base=VERSION_BASE, job_name="trainrun"):
        yield GlobalHydra.instance().config_loader()


def sweep_points(overrides: Sequence[str]) -> list[list[str]]:
    """Return the overrides of a sweep's points: of a grid all of them, else those that a preflight looks at."""
    from trainrun.hydra_bridge import sweep_plan

    return sweep_plan.of(overrides).points


def hand_over(argv: Sequence[str], task: Callable[[DictConfig], Any]) -> Any:
    """Let Hydra do the rest of the command line: run `task`, sweep it, or show the config.

    Errors come out as exceptions, not as Hydra's printed text.
    """
    import hydra

    prepare()
    result: list[Any] = []

    def trainrun(config: DictConfig) -> Any:
        result.append(task(config))
        return result[-1]

    main = hydra.main(
        version_base=VERSION_BASE, config_path=str(option_files.package_conf()), config_name=CONFIG_NAME
    )
    with _argv(["trainrun", *argv]), _full_errors():
        main(trainrun)()
    return result


def arguments(argv: Sequence[str]) -> Any:
    """Parse Hydra's own flags; the overrides are in `.overrides`.

    Raises:
        UserError: there is no such flag, or it lacks its value.
    """
    from hydra._internal.utils import get_args_parser

    def refuse(message: str) -> None:
        raise UserError(f"{message}. `trainrun --help` lists the flags; an override is key=value.")

    parser = get_args_parser()
    parser.prog = "trainrun"
    parser.error = refuse
    found = parser.parse_intermixed_args(list(argv))
    if found.experimental_rerun is not None:
        raise UserError(
            "--experimental-rerun reads a pickle, which runs whatever is in it; trainrun never does. A run's config.yaml "
            "says what it was made of."
        )
    return found


@contextmanager
def _argv(argv: list[str]) -> Iterator[None]:
    saved, sys.argv = sys.argv, argv
    try:
        yield
    finally:
        sys.argv = saved


@contextmanager
def _full_errors() -> Iterator[None]:
    # With this variable Hydra raises; without it, it prints and calls sys.exit(1).
    saved = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        if saved is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = saved
