"""The option files `conf/<group>/<name>.yaml`: their location, header and keys.

An option's header is a comment whose first line says when to use it. It is displayed and has no effect.
Read with PyYAML alone: neither Hydra nor Keras is imported.
"""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainrun.registry import folder_copies
from trainrun.registry.lookup import package_conf
from trainrun.util import paths, yaml_file

# Groups whose options nest under their own name, because several are taken at once: metric=[accuracy,auc].
SEVERAL = ("metric", "callback", "tracking", "augment")
MERGED = ("alert",)  # groups that take several options, whose keys become one node
# Hydra's -cd: searched after the others.
extra_folders: list[Path] = []


def search_path() -> list[tuple[str, Path]]:
    """Return the folders that hold options, nearest first, as (origin, folder)."""
    own = _conf_in(os.getcwd())
    ours = package_conf()
    exists = folder_copies.has_copy(own) or own.is_dir()
    project = [("project", folder_copies.of(own))] if exists and own.resolve() != ours.resolve() else []
    further = [("command line", folder_copies.of(folder)) for folder in extra_folders]
    return [*project, ("trainrun", ours), *further]


# Called some thirty times for each point of a sweep; cached, since Python interns the parts of each new path.
@functools.lru_cache(maxsize=8)
def _conf_in(folder: str) -> Path:
    return Path(folder, "conf")


@dataclass(frozen=True)
class Option:
    """One YAML of a group.

    Args:
        group, name: its place: `conf/<group>/<name>.yaml`.
        origin: ``trainrun`` or ``project``.
        path: the file; None for a plug-in's component that has none.
    """

    group: str
    name: str
    origin: str
    path: Path | None

    @functools.cached_property
    def text(self) -> str:
        if self.path is None:
            return ""
        return (
            self.path.read_text(encoding="utf-8") if self.origin == "trainrun" else yaml_file.text(self.path)
        )

    @functools.cached_property
    def header(self) -> list[str]:
        """The comment lines at the top, without their ``#``."""
        lines = []
        for line in self.text.splitlines():
            if not line.startswith("#"):
                break
            if not line.startswith("# @package"):  # Hydra's own
                lines.append(line.lstrip("#").strip())
        return lines

    @property
    def summary(self) -> str:
        """The first comment line: when one uses it."""
        return self.header[0] if self.header else ""

    def lineage(self, visited: frozenset[str] = frozenset()) -> list[Option]:
        """Return the files of its own group that its `defaults` list names, theirs first, and the option itself.

        Args:
            visited: names that led here; a list of defaults that leads back to itself ends there.
        """
        listed = self.tree.get("defaults")
        if self.group in SEVERAL or not isinstance(listed, list):
            return [self]
        visited |= {self.name}
        names = [name for name in listed if isinstance(name, str) and name not in {"_self_", *visited}]
        bases = [base for name in names if (base := _file(self.group, name, tuple(search_path())))]
        return [*(option for base in bases for option in base.lineage(visited)), self]

    @functools.cached_property
    def values(self) -> dict[str, Any]:
        """The keys that the option sets, those of its `lineage` included; an alias has none (interpolations stay as text)."""
        if self.alias_of:
            return {}
        return {k: v for option in self.lineage() for k, v in option.tree.items() if k != "defaults"}

    @functools.cached_property
    def tree(self) -> dict[str, Any]:
        """The unchanged text of the YAML."""
        if self.origin != "trainrun" and self.path is not None:
            return yaml_file.load(self.path)
        return yaml_file.parse(self.text) or {}

    @functools.cached_property
    def alias_of(self) -> str | None:
        """The option that this one is a short name for, if it is nothing else."""
        if set(self.tree) != {"defaults"} or not isinstance(self.tree["defaults"], list):
            return None
        others = [d for d in self.tree["defaults"] if d != "_self_"]
        # What begins with an underscore is no option that another could stand for.
        named = len(others) == 1 and isinstance(others[0], str) and not others[0].startswith("_")
        return others[0] if named else None

    @property
    def arguments(self) -> dict[str, Any]:
        """The component's `name` and arguments, without the nesting of the groups that take several."""
        if self.group in SEVERAL and len(self.values) == 1:
            inside = next(iter(self.values.values()))
            return inside if isinstance(inside, dict) else {}
        nested = [v for v in self.values.values() if isinstance(v, dict) and "name" in v]
        if self.group == "tracking" and len(nested) == 1:  # beside what all trackers share
            return nested[0]
        return self.values


@dataclass(frozen=True)
class LossAsMetric(Option):
    """A loss by its name among the metrics, as in Keras' `metrics=[keras.losses.huber]`: its mean over the examples."""

    @functools.cached_property
    def tree(self) -> dict[str, Any]:
        """The YAML of the metric: the loss's without its reduction."""
        arguments = find("loss", self.name).arguments
        return {self.name: {k: v for k, v in arguments.items() if k != "reduction"}}


def options(group: str) -> dict[str, Option]:
    """Return the options of a group by name, as their files are now; a project's file hides ours of the same name."""
    folders = [(o, f, () if o == "trainrun" else _versions(f / group)) for o, f in search_path()]
    return _options(group, tuple(folders))


def packaged(group: str) -> dict[str, Option]:
    """Return our own options of a group, those included that a project's hide."""
    return _options(group, (("trainrun", package_conf(), ()),))


def shared(group: str, having: str) -> dict[str, Any]:
    """Return the keys that all of our options of a group have, with the defaults of the first.

    Args:
        group: the group.
        having: options without this key are left out.
    """
    every = [o.arguments for o in packaged(group).values() if not o.alias_of and having in o.arguments]
    return {k: v for k, v in every[0].items() if k != "name" and all(k in others for others in every)}


def shared_file(group: str) -> dict[str, Any]:
    """Return the keys of a group's `_shared.yaml`; empty if it has none."""
    path = package_conf() / group / "_shared.yaml"
    return yaml_file.parse(path.read_text(encoding="utf-8")) if path.is_file() else {}


def primary(name: str) -> dict[str, Any]:
    """Return the content of a YAML at the top of trainrun's conf/, without composition."""
    return yaml_file.parse((package_conf() / f"{name}.yaml").read_text(encoding="utf-8"))


def _versions(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return name, size and time of the last change of a folder's YAML files, those included that options build on (``_shared``)."""
    return tuple((name, *paths.version(folder / f"{name}.yaml")) for name in paths.stems(folder, ".yaml"))


@functools.lru_cache(maxsize=256)
def _options(
    group: str, folders: tuple[tuple[str, Path, tuple[tuple[str, int, int], ...]], ...]
) -> dict[str, Option]:
    """Return the options in folders, each as (origin, folder, `_versions`): a file's change makes another key of the cache."""
    options: dict[str, Option] = {}
    for origin, folder, _ in reversed(folders):
        of_group = folder / group
        for name in paths.stems(of_group, ".yaml"):
            if not name.startswith("_"):
                options[name] = Option(group, name, origin, of_group / f"{name}.yaml")
    return dict(sorted(options.items()))


def _file(group: str, name: str, folders: tuple[tuple[str, Path], ...]) -> Option | None:
    """Return the nearest file of a group by its name, those included that are no options (``_shared``)."""
    for origin, folder in folders:
        path = folder / group / f"{name}.yaml"
        if path.is_file():
            return Option(group, name, origin, path)
    return None


def find(group: str, name: str) -> Option | None:
    """Return the option `name` of `group`, an alias resolved, or None; any loss is a metric, too."""
    option = options(group).get(name)
    if option is None and group == "metric" and (loss := find("loss", name)) is not None:
        return LossAsMetric(group, loss.name, loss.origin, loss.path)
    return find(group, option.alias_of) if option is not None and option.alias_of else option


def by_component(group: str, component: str, key: str = "") -> Option | None:
    """Return the option that a component's node came from: by the last word of its key, else by its `name`.

    Args:
        group: the group.
        component: the node's `name` (``Huber``).
        key: of the node in the config (``metric.auc_pr``): two options may name one component.
    """
    known = options(group)
    last = find(group, key.rpartition(".")[2])
    if last is not None and last.arguments.get("name", last.name) == component:
        return last
    if (same := known.get(component)) is not None and not same.alias_of:
        return same
    # Parsing all files of a group takes far longer than finding the name in them; without one of its own, an option has that of its lineage.
    name = re.compile(rf"\bname\b\W+{re.escape(component)}\b")
    named = [
        o
        for o in known.values()
        if name.search(o.text) or ("defaults:" in o.text and "\nname:" not in o.text)
    ]
    named = [o for o in named if o.arguments.get("name") == component and not o.alias_of]
    return max(named, key=lambda o: len(o.arguments), default=None)
