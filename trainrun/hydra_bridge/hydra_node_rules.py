"""Rules of Hydra's own node in a config.

Hydra builds whatever a `_target_` in its own node names, adds packages to its search path by importing them, hands a
logging config to `logging.config.dictConfig`, which calls whatever it names, and sets environment variables. A
trainrun config is data: only what Hydra and the installed plug-ins offer themselves is allowed.
docs/security.md has the rules.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.errors import UNSEEN, Problem
from trainrun.hydra_bridge import own_plugins
from trainrun.registry import option_files
from trainrun.registry.followed_keys import walk
from trainrun.sweep.launchers import launcher_settings
from trainrun.util import yaml_file

if TYPE_CHECKING:
    from omegaconf import DictConfig

# Environment variables that a config may set: none of them names a file, a program or a library.
ENVIRONMENT = frozenset(
    {
        "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_CPP_MIN_LOG_LEVEL",
        "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "TF_ENABLE_ONEDNN_OPTS", "TF_DETERMINISTIC_OPS",
        "TF_FORCE_GPU_ALLOW_GROWTH", "TF_GPU_ALLOCATOR", "NCCL_DEBUG",
    }
)  # fmt: skip
# A launcher's settings that are commands or reach code: they may only be typed on the command line.
_COMMANDS = re.compile(
    r"(^|_)(setup|python|commands?|hooks?|runtime_env|srun_args|additional_parameters)$", re.IGNORECASE
)
_NAME = re.compile(r"[\w.-]+")


def search_path(overrides: Sequence[str], config_name: str | None, config_path: str | None) -> list[Problem]:
    """Return a problem for each setting that leads Hydra to other folders or packages; call it before Hydra composes."""
    message = "it would have Hydra read folders, and import packages, of a config's choice. Name a folder by --config-dir DIR."
    problems = [
        Problem("hydra.searchpath", message)
        for text in overrides
        if text.lstrip("+~").partition("=")[0].strip() == "hydra.searchpath"
    ]
    folders = [folder for origin, folder in option_files.search_path() if origin != "trainrun"]
    folders += [Path(config_path)] if config_path else []
    for folder in folders:
        primary = folder / f"{(config_name or 'config').removesuffix('.yaml')}.yaml"
        if not primary.is_file() or not primary.resolve().is_relative_to(folder.resolve()):
            continue
        hydra = yaml_file.load(primary).get("hydra")
        if isinstance(hydra, dict) and hydra.get("searchpath"):
            problems.append(Problem(f"{primary}: hydra.searchpath", message))
    return problems


def hydra_problems(config: DictConfig, overrides: Sequence[str], multirun: bool = False) -> list[Problem]:
    """Return the problems of Hydra's own node.

    Args:
        config: as composed, with the node `hydra`, interpolations not resolved.
        overrides: as typed.
        multirun: whether it is a sweep.
    """
    from omegaconf import OmegaConf

    hydra = OmegaConf.to_container(config.hydra, resolve=False)
    return [
        *_targets(hydra),
        *_commands(hydra, overrides),
        *_logging(hydra),
        *_environment(hydra),
        *_names(hydra),
        *_mode(hydra, multirun),
        *_directory(config, multirun),
        *(_launcher(config) if multirun else []),
    ]


def _targets(hydra: Mapping[str, Any]) -> Iterator[Problem]:
    for key, value in walk(hydra, "hydra"):
        ours = own_plugins.TARGETS.values()
        if key.endswith("._target_") and value not in ours and value not in _offered():
            yield Problem(
                key,
                f"{value!r} is no launcher, sweeper or callback of an installed plug-in. A config cannot name what is "
                "to be called; `hydra/launcher=` and `hydra/sweeper=` choose by name.",
            )


@functools.cache
def _offered() -> frozenset[str]:
    """Return every `_target_` that Hydra and its installed plug-ins have registered in code."""
    from hydra.core.config_store import ConfigStore
    from omegaconf import OmegaConf

    def nodes(tree: Mapping[str, Any]) -> Iterator[Any]:
        for inside in tree.values():
            if isinstance(inside, Mapping):
                yield from nodes(inside)
            else:
                yield OmegaConf.to_container(inside.node, resolve=False)

    stored = nodes(ConfigStore.instance().repo.get("hydra", {}))
    return frozenset(v for node in stored for k, v in walk(node, "") if k.rpartition(".")[2] == "_target_")


def _commands(hydra: Mapping[str, Any], overrides: Sequence[str]) -> Iterator[Problem]:
    typed = " ".join(overrides)
    for part in ("launcher", "sweeper"):
        for key, value in (hydra.get(part) or {}).items() if isinstance(hydra.get(part), Mapping) else ():
            if _COMMANDS.search(str(key)) and value and f"hydra.{part}.{key}" not in typed:
                yield Problem(
                    f"hydra.{part}.{key}",
                    "it holds commands, which no YAML may bring along. Type it on the command line, or leave it out.",
                )


def _launcher(config: DictConfig) -> Sequence[Problem]:
    """Check the settings of trainrun's launchers before Hydra makes the sweep's directory."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        node = OmegaConf.to_container(config.hydra.launcher, resolve=True)
    except OmegaConfBaseException as error:
        return [Problem("hydra.launcher", str(error).partition("\n")[0])]
    name = own_plugins.name_of(node, "")
    settings = {k: v for k, v in node.items() if k != "_target_"}
    return _launcher_problems(name, json.dumps(settings, default=str, sort_keys=True)) if name else []


@functools.lru_cache(maxsize=16)
def _launcher_problems(name: str, settings: str) -> tuple[Problem, ...]:
    """Check settings once, not for each point of a sweep: the check may call a cluster."""
    return tuple(launcher_settings.problems(name, json.loads(settings)))


def _logging(hydra: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a problem for a logging config that is not one of Hydra's options: its handlers may be any class and write any file."""
    choices = (hydra.get("runtime") or {}).get("choices") or {}
    for part in ("job_logging", "hydra_logging"):
        chosen = str(choices.get(f"hydra/{part}"))
        own = _logging_of_hydra(part, chosen) if _NAME.fullmatch(chosen) else None
        if own is None or own != hydra.get(part):
            yield Problem(
                f"hydra.{part}",
                "a logging config can call any class and write any file, so that only Hydra's own are allowed, "
                f"unchanged: hydra/{part}=none, disabled or default. What a run prints is in its run.log.",
            )


@functools.cache
def _logging_of_hydra(part: str, chosen: str) -> Any:
    """Return the content of one of Hydra's options; None if there is none of this name."""
    import hydra

    file = Path(hydra.__file__).parent / "conf" / "hydra" / part / f"{chosen}.yaml"
    return yaml_file.parse(file.read_text(encoding="utf-8")) if file.is_file() else None


def _environment(hydra: Mapping[str, Any]) -> Iterator[Problem]:
    for name in (hydra.get("job") or {}).get("env_set") or {}:
        if name not in ENVIRONMENT:
            yield Problem(
                f"hydra.job.env_set.{name}",
                f"a config may not set this variable. Set it in the shell: {name}=… trainrun …",
            )


def _names(hydra: Mapping[str, Any]) -> Iterator[Problem]:
    name, folder = (hydra.get("job") or {}).get("name"), hydra.get("output_subdir")
    if isinstance(name, str) and name != "???" and not _plain(name):
        yield Problem("hydra.job.name", f"expected letters, digits, dots and dashes, got {name!r}.")
    if folder is not None and not _plain(str(folder)):
        yield Problem(
            "hydra.output_subdir",
            f"expected the name of a folder inside the run's directory, got {folder!r}.",
        )
    subdir = Path(str((hydra.get("sweep") or {}).get("subdir", "")))
    if subdir.is_absolute() or ".." in subdir.parts:
        yield Problem(
            "hydra.sweep.subdir",
            f"expected a name inside the sweep's directory, got {str(subdir)!r}. hydra.sweep.dir names another place for the sweep.",
        )
    if (hydra.get("job") or {}).get("chdir"):
        yield Problem(
            "hydra.job.chdir",
            "trainrun stays in the folder that it is called in: conf/, plug-ins and data are found from there. Leave it "
            "false; a run writes into its own directory anyway.",
        )


def _plain(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and set(name) != {"."}


def _mode(hydra: Mapping[str, Any], multirun: bool) -> Iterator[Problem]:
    mode = getattr(hydra.get("mode"), "name", hydra.get("mode"))
    if mode is not None and str(mode) != ("MULTIRUN" if multirun else "RUN"):
        yield Problem("hydra.mode", f"got {mode}; only -m starts a sweep. Leave it null.")


def _abandoned(folder: Path) -> bool:
    from trainrun.tracking import find  # with a dozen modules, for the few runs whose folder exists

    return find.abandoned(folder)


def _directory(config: DictConfig, multirun: bool) -> Iterator[Problem]:
    """Yield a problem if the run's directory is not empty or cannot be made."""
    from omegaconf.errors import OmegaConfBaseException

    key = "hydra.sweep.dir" if multirun else "hydra.run.dir"
    try:
        folder = Path(str((config.hydra.sweep if multirun else config.hydra.run).dir)).absolute()
    except OmegaConfBaseException:
        return  # it depends on the running job, which checks its folder itself
    if unseen := UNSEEN.search(str(folder)) or re.search("\n", str(folder)):
        yield Problem(key, f"the folder's name holds the character U+{ord(unseen[0]):04X}. Take it out.")
        return
    if folder.is_dir() and any(folder.iterdir()) and (multirun or not _abandoned(folder)):
        yield Problem(
            key,
            f"{folder} is not empty; a run never writes into another's directory. Name a new one, or leave it out.",
        )
        return
    above = next((p for p in (folder, *folder.parents) if os.path.lexists(p)), folder)
    if not above.is_dir():
        yield Problem(
            key,
            f"{above} is no folder, and {folder} cannot be made in it. Move it, or name another place.",
        )
    elif not os.access(above, os.W_OK):
        yield Problem(
            key if above != Path.cwd() else "",
            f"the folder {above} cannot be written to; the run would land in {folder}. Change to a folder of yours.",
        )
