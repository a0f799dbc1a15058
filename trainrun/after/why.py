"""Where a value of a config comes from: of a command line, or of a recorded run."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trainrun.config import plugins, saved
from trainrun.errors import Problem, UserError, did_you_mean, first_line
from trainrun.hydra_bridge import compose, preflight
from trainrun.hydra_bridge.provenance import Provenance, Setting
from trainrun.tracking import origin, status
from trainrun.tracking.record import flatten


@dataclass(frozen=True)
class Explanation:
    """The origin of one key.

    Args:
        key: dotted.
        value: that the run has or would have.
        settings: the places that set it, in the order in which they apply.
    """

    key: str
    value: Any
    settings: list[Setting]

    def plain(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        return {**asdict(self), "settings": [s._asdict() for s in self.settings]}

    @property
    def place(self) -> str:
        """The place that counts: the last one; empty where none is known."""
        return self.settings[-1].place if self.settings else ""


def of_overrides(key: str, overrides: Sequence[str] = ()) -> list[Explanation]:
    """Explain a key of the config that overrides make; of a node, each key below it.

    Args:
        key: as in the config: ``optimizer.learning_rate``, ``optimizer``.
        overrides: as on the command line.

    Raises:
        UserError: the overrides have problems, or there is no such key.
    """
    config, problems = preflight.overrides(list(overrides))
    if problems or config is None:
        raise UserError(problems)
    provenance = Provenance(overrides)
    return [Explanation(k, v, provenance.settings(k)) for k, v in _below(config, key)]


def of_run(run_dir: Path, key: str) -> list[Explanation]:
    """Explain a key of a recorded run, by the files as they are now; what the run measured or was resumed with comes last.

    Args:
        run_dir: the run's directory.
        key: as in the config.

    Raises:
        UserError: there is no such key.
    """
    with RecordedProvenance(run_dir) as recorded:
        return [Explanation(k, v, recorded.settings(k)) for k, v in _below(recorded.config, key)]


def differing(run_dir: Path) -> list[tuple[str, Any, Any]]:
    """Return key, value and default of what a recorded run's config has otherwise than by default, by the files as they are now.

    The default of a key is that of its option's own file; an option that is not the default one is a row, too.

    Args:
        run_dir: the run's directory.

    Raises:
        UserError: the run has no config, or it cannot be composed any more.
    """
    with RecordedProvenance(run_dir) as recorded:
        if recorded.fault is not None:
            raise UserError(f"the defaults of {run_dir} cannot be composed any more: {recorded.fault}")
        plain, rows = Provenance(), []
        for key, value in flatten(recorded.config).items():
            settings = recorded.settings(key)
            by_default = plain.settings(key) if key.endswith(".name") and len(settings) == 1 else settings[:1]
            default = by_default[0].value if by_default else None
            chosen = len(settings) > 1 or (settings and settings[0].chosen_by and key.endswith(".name"))
            # An interpolation follows another key, which has its own row.
            if chosen and value != default and "${" not in str(default):
                rows.append((key, value, default))
        return rows


class RecordedProvenance:
    """The provenance of a recorded run's config; a context in which relative paths count from where the run began.

    Args:
        run_dir: the run's directory.

    Attributes:
        config: as recorded.
        fault: why the files cannot be composed any more, or None.
    """

    def __init__(self, run_dir: Path):
        self.config = saved.load_plain(run_dir)
        past = status.read(run_dir).past
        self._attempts, start = past["attempts"], past["start"]
        self._overrides = [str(o) for o in start.get("overrides") or []]
        self._command, self._tuned = str(start.get("command") or ""), start.get("tuned") or {}
        self._folder = origin.workplace(run_dir, start)
        self._provenance: Provenance | None = None
        self.fault: str | None = None
        self._inside = contextlib.ExitStack()

    def __enter__(self) -> RecordedProvenance:
        if self._folder is not None:
            self._inside.enter_context(contextlib.chdir(self._folder))
        try:
            plugins.announce(plugins.early(self._overrides))
            self._provenance = Provenance(self._overrides, *_flags(self._command))
        except Exception as error:  # whatever Hydra raises: an option, a group or a file is gone
            self.fault = first_line(error)
        return self

    def __exit__(self, *_: object) -> None:
        self._inside.close()

    def settings(self, key: str) -> list[Setting]:
        """Return the places that set a key; see `Provenance.settings`."""
        places = [] if self._provenance is None else self._provenance.settings(key)
        if key in self._tuned:
            places.append(Setting("measured before the run (tune)", self._tuned[key]))
        for attempt in self._attempts[1:]:
            for text in (attempt.get("resumed_from") or {}).get("changed") or []:
                if key == (name := str(text).partition("=")[0]) or key.startswith(f"{name}."):
                    places.append(Setting(f"resume: {text}", str(text).partition("=")[2]))
        return places


def _flags(command: str) -> tuple[str | None, str | None]:
    """Return Hydra's flags ``-cn`` and ``-cp`` of a recorded command line."""
    words = shlex.split(command)
    if words[:1] != ["trainrun"] or (len(words) > 1 and "=" not in words[1] and not words[1].startswith("-")):
        return None, None
    flags = compose.arguments(words[1:])
    return flags.config_name, flags.config_path


def _below(config: Mapping[str, Any], key: str) -> Iterator[tuple[str, Any]]:
    """Yield the keys that a word means, and their values.

    Raises:
        UserError: there is none.
    """
    flat = flatten(config)
    if key in flat:
        yield key, flat[key]
        return
    below = [(k, v) for k, v in flat.items() if k.startswith(f"{key}.")]
    if not below:
        raise UserError(Problem(key, f"the config has no such key.{did_you_mean(key, [*flat, *config])}"))
    yield from below
