"""Where the values of a config come from: the file and line of each, then the overrides that change it, in their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from trainrun.config import override_text
from trainrun.errors import UserError
from trainrun.hydra_bridge import compose, override_grammar
from trainrun.registry import option_files
from trainrun.util import yaml_file

ABSENT = object()


class Setting(NamedTuple):
    """One place that sets a key.

    Args:
        place: ``conf/optimizer/adam.yaml:3``, or an override as typed.
        value: as written there; an interpolation is not resolved.
        chosen_by: the override that chose the file; empty: the list of defaults did.
    """

    place: str
    value: Any
    chosen_by: str = ""


@dataclass(frozen=True)
class _Source:
    """A composed file: its tree below the package that it is put into."""

    file: Path | None
    option: str
    package: tuple[str, ...]
    tree: Mapping[str, Any]
    chosen_by: str


class Provenance:
    """The files and overrides that one config is composed of.

    Args:
        overrides: of one run, as typed.
        config_name, config_path: see `compose.compose`.

    Raises:
        UserError: an override cannot be read.
    """

    def __init__(
        self, overrides: Sequence[str] = (), config_name: str | None = None, config_path: str | None = None
    ):
        typed = [override_grammar.parse(text) for text in overrides]
        with compose.application(config_path) as hydra:
            self._sources = list(_sources(hydra.config_loader, config_name, overrides))
        chosen = {source.chosen_by for source in self._sources}
        self._values = [
            (text, override)
            for text, override in zip(overrides, typed, strict=True)
            if text not in chosen and not override_text.is_hydra(text)
        ]

    def settings(self, key: str) -> list[Setting]:
        """Return the places that set a key, in the order in which they apply: the last one counts.

        Args:
            key: dotted, of a value or a node. Of a node only overrides and files that set it as a whole count.
        """
        path, settings = tuple(key.split(".")), []
        for source in self._sources:
            within = path[len(source.package) :]
            if path[: len(source.package)] != source.package or not within:
                continue
            if (value := _select(source.tree, within)) is not ABSENT:
                settings.append(Setting(_place(source, within), value, source.chosen_by))
        for text, override in self._values:
            named = tuple(override.key_or_group.split("."))
            if override.is_delete():
                if path[: len(named)] == named:
                    settings.append(Setting(text, None))
            elif path[: len(named)] == named:
                value = _select(override.value(), path[len(named) :])
                settings += [] if value is ABSENT else [Setting(text, value)]
        return settings


def _sources(loader: Any, config_name: str | None, overrides: Sequence[str]) -> Iterator[_Source]:
    from hydra.types import RunMode
    from omegaconf import OmegaConf

    defaults = loader.compute_defaults_list(config_name or compose.CONFIG_NAME, list(overrides), RunMode.RUN)
    choices = {text.lstrip("+").partition("=")[0].partition("@")[0]: text for text in overrides}
    for default in defaults.defaults:
        package = tuple(filter(None, (default.package or "").split(".")))
        if default.config_path is None or package[:1] == ("hydra",):
            continue
        result = loader.repository.load_config(default.config_path)
        if result is None or result.config is None or not OmegaConf.is_dict(result.config):
            continue
        tree = OmegaConf.to_container(result.config, resolve=False)
        scheme, _, folder = result.path.partition("://")
        if scheme == "structured":
            continue  # the schema has types, no values
        file = Path(folder, f"{default.config_path}.yaml") if scheme == "file" else None
        group, _, _ = default.config_path.rpartition("/")
        yield _Source(file, default.config_path, package, tree, choices.get(group, ""))


def _select(tree: Any, path: Sequence[str]) -> Any:
    for key in path:
        if not isinstance(tree, Mapping) or key not in tree:
            return ABSENT
        tree = tree[key]
    return tree


def _place(source: _Source, path: Sequence[str]) -> str:
    """Return file and line of a key; a file that is generated has none."""
    if source.file is None or not source.file.is_file():
        return f"{source.option}.yaml"
    line = _line(source.file, path)
    folders = (Path.cwd(), option_files.package_conf().parent)
    shown = next((source.file.relative_to(f) for f in folders if source.file.is_relative_to(f)), source.file)
    return f"{shown}{'' if line is None else f':{line}'}"


def _line(file: Path, path: Sequence[str]) -> int | None:
    """Return the line of a key in a YAML file, counted from 1."""
    try:
        node = yaml.compose(yaml_file.text(file), Loader=yaml.SafeLoader)
    except (OSError, UserError, yaml.YAMLError):
        return None
    mark = None
    for key in path:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        entry = next((pair for pair in pairs if pair[0].value == key), None)
        if entry is None:
            return None if mark is None else mark.line + 1
        mark, node = entry[0].start_mark, entry[1]
    return None if mark is None else mark.line + 1
