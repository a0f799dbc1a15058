"""The line between Hydra and us: search path, resolvers, schema; compose a config, or hand over to Hydra.

Hydra is imported by the functions, not by this module: `ls`, `show` and `--help` do without it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.compat import hydra_private
from trainrun.errors import UserError
from trainrun.hydra_bridge import registration
from trainrun.registry import option_files

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from trainrun.sweep.loop import Ended

VERSION_BASE = "1.3"
CONFIG_NAME = "config"


def compose(
    overrides: Sequence[str] = (),
    config_name: str | None = None,
    config_path: str | None = None,
) -> DictConfig:
    """Compose the config of one run, Hydra's own node included; nothing is checked.

    Args:
        overrides: as typed on the command line.
        config_name, config_path: Hydra's flags ``-cn`` and ``-cp``; None: ours.

    Raises:
        Exception: whatever Hydra or OmegaConf raise; `override_errors.examine` turns it into problems.
    """
    import hydra
    from hydra.core.global_hydra import GlobalHydra

    registration.prepare()
    GlobalHydra.instance().clear()
    folder = Path(config_path or option_files.package_conf()).absolute()
    with hydra.initialize_config_dir(str(folder), version_base=VERSION_BASE, job_name="trainrun"):
        return hydra.compose(config_name or CONFIG_NAME, list(overrides), return_hydra_config=True)


@contextmanager
def loading(config_path: str | None = None) -> Iterator[Any]:
    """Give Hydra's config loader, which knows the search path and the options there are.

    Args:
        config_path: Hydra's flag ``-cp``; None: ours.
    """
    import hydra
    from hydra.core.global_hydra import GlobalHydra

    registration.prepare()
    GlobalHydra.instance().clear()
    folder = Path(config_path or option_files.package_conf()).absolute()
    with hydra.initialize_config_dir(str(folder), version_base=VERSION_BASE, job_name="trainrun"):
        yield GlobalHydra.instance().config_loader()


def hand_over(argv: Sequence[str], task: Callable[[DictConfig], Any]) -> Ended | None:
    """Let Hydra do the rest of the command line: run `task`, sweep it, or show the config.

    Errors come out as exceptions, not as Hydra's printed text.

    Returns:
        The result of a sweep by one of our launchers; None of anything else.
    """
    import hydra

    registration.prepare()

    def trainrun(config: DictConfig) -> Any:
        return task(config)

    # Hydra's main returns nothing of a sweep: our launchers and sweepers leave the result on the function they are given.
    trainrun.ended = None

    main = hydra.main(
        version_base=VERSION_BASE, config_path=str(option_files.package_conf()), config_name=CONFIG_NAME
    )
    with _argv(["trainrun", *argv]), _full_errors():
        main(trainrun)()
    return trainrun.ended


def arguments(argv: Sequence[str]) -> Any:
    """Parse Hydra's own flags; the overrides are in `.overrides`.

    Raises:
        UserError: there is no such flag, or it lacks its value.
    """

    def refuse(message: str) -> None:
        raise UserError(f"{message}. `trainrun --help` lists the flags; an override is key=value.")

    parser = hydra_private.flag_parser()
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
