"""Hydra set up with trainrun's search path, and its flags parsed.

Hydra is imported by the functions, not by this module: `ls`, `show` and `--help` do not need it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.compat import hydra_private
from trainrun.errors import UserError
from trainrun.hydra_bridge import registration, written_out
from trainrun.registry import option_files

if TYPE_CHECKING:
    from omegaconf import DictConfig

VERSION_BASE = "1.3"
CONFIG_NAME = "config"


@contextmanager
def application(config_path: str | None = None) -> Iterator[Any]:
    """Yield Hydra's application object with trainrun's search path: it composes, runs, sweeps and shows.

    Not by `hydra.main` (Hydra 1.3.8): that reads `sys.argv`, takes a relative `-cp` from the folder of the calling Python
    file, prints errors as text of its own and exits, and returns nothing.

    Args:
        config_path: Hydra's flag ``-cp``, from the working directory; None: trainrun's conf/.
    """
    import hydra
    from hydra.core.global_hydra import GlobalHydra

    registration.prepare()
    GlobalHydra.instance().clear()
    folder = Path(config_path or option_files.package_conf()).absolute()
    with hydra.initialize_config_dir(str(folder), version_base=VERSION_BASE, job_name="trainrun"):
        yield hydra_private.application()


def compose(
    overrides: Sequence[str] = (), config_name: str | None = None, config_path: str | None = None
) -> DictConfig:
    """Compose the config of one run, Hydra's own node included; nothing is checked.

    Args:
        overrides: as typed on the command line.
        config_name, config_path: Hydra's flags ``-cn`` and ``-cp``; None: the defaults.

    Raises:
        Exception: whatever Hydra or OmegaConf raise; `override_errors.examine` turns it into problems.
    """
    import hydra

    with application(config_path):
        return hydra.compose(config_name or CONFIG_NAME, list(overrides), return_hydra_config=True)


def arguments(argv: Sequence[str]) -> Any:
    """Parse Hydra's own flags; the overrides are in `.overrides`.

    Raises:
        UserError: there is no such flag, it lacks its value, or two do not go together.
    """

    def refuse(message: str) -> None:
        raise UserError(f"{message}. `trainrun --help` lists the flags; an override is key=value.")

    parser = hydra_private.flag_parser()
    parser.prog = "trainrun"
    parser.error = refuse
    flags = parser.parse_intermixed_args(list(argv))
    flags.overrides, _ = written_out.overrides(flags.overrides)  # the check reports what is wrong
    if flags.experimental_rerun is not None:
        raise UserError(
            "--experimental-rerun reads a pickle, which can run any code; trainrun never does. A run's config.yaml has "
            "its whole config."
        )
    modes = {
        "--run": flags.run, "--multirun": flags.multirun, "--cfg": flags.cfg,
        "--info": flags.info, "--shell-completion": flags.shell_completion,
    }  # fmt: skip
    if len(chosen := [flag for flag, value in modes.items() if value]) > 1:
        refuse(f"{' and '.join(chosen)} cannot be combined")
    if flags.resolve and not flags.cfg:
        refuse("--resolve goes with --cfg")
    return flags
