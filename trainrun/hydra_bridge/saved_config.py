"""The config of a recorded run with overrides of the keys that may change when it is resumed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trainrun.config import saved, tracker_settings
from trainrun.config.rules import phases
from trainrun.errors import Problem, UserError, did_you_mean
from trainrun.hydra_bridge import override_grammar, preflight

# Keys that may change when a run is resumed: its length, its devices and its records. Any other change makes another run.
CHANGEABLE = (
    "trainer.epochs",
    "trainer.max_time",
    "hardware",
    "tracking",
    "alert",
    "checkpoint",
    "artifacts",
    "failure",
    "name",
    "profile",
    "profile_steps",
)
CHOICES = ("hardware", "tracking", "alert", "checkpoint", "artifacts", "failure")


def load(run_dir: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return a run's config, resolved and checked, with the overrides applied.

    Args:
        run_dir: the run's directory.
        overrides: of keys that are `CHANGEABLE`, or whose value is a secret, which no file has.

    Raises:
        UserError: there is no config, it is of a newer trainrun, an override is not possible, or something that the
            config names is missing.
    """
    config = saved.load_plain(run_dir)
    changeable = [*CHANGEABLE, *saved.hidden(config)]
    refused = {text: list(_refused(text, changeable)) for text in overrides}
    problems = [p for reasons in refused.values() for p in reasons]
    problems += phases.typed_epochs(config, overrides)
    problems += _change(config, [text for text, reasons in refused.items() if not reasons])
    problems += [
        Problem(
            key,
            f"its value is a secret, which is in no file. Give it again: trainrun resume {run_dir} {key}=…",
        )
        for key in saved.hidden(config)
    ]
    return saved.checked(config, problems)


def with_data(run_dir: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """Return a run's config with other settings of its data, to evaluate its model there.

    Args:
        run_dir: the run's directory.
        overrides: of keys of `data`.

    Raises:
        UserError: as by `load`, but of the data only.
    """
    config = saved.load_plain(run_dir)
    wrong = [text for text in overrides if not text.startswith("data.") or "=" not in text]
    problems = [
        Problem(text, f"expected data.KEY=VALUE of data={config['data'].get('name')}.") for text in wrong
    ]
    problems += _change(config, [text for text in overrides if text not in wrong])
    return saved.checked(config, problems, "data")


def _refused(text: str, changeable: Sequence[str]) -> Iterator[Problem]:
    key = text.split("=", 1)[0]
    if "=" not in text or key.startswith(("+", "~")):
        yield Problem(text, f"expected key=value, of these keys: {', '.join(CHANGEABLE)}.")
    elif not any(key == k or key.startswith(f"{k}.") for k in changeable):
        yield Problem(
            key,
            "a resumed run keeps its settings; another value makes another run. "
            f"These may be different: {', '.join(CHANGEABLE)}. To train anew: trainrun {text}",
        )


def _change(config: dict[str, Any], typed: Sequence[str]) -> list[Problem]:
    """Set the overrides in the config; return their problems."""
    problems: list[Problem] = []
    chosen = {text.split("=", 1)[0] for text in typed} & {*CHOICES}
    own = [text for text in typed if text.split("=", 1)[0].split(".")[0] in chosen]
    if own:
        # Another option: its own defaults, then the overrides.
        tree, faults = preflight.overrides(own)
        problems += [p for p in faults if p.key.split(".")[0] in chosen]
        if tree is not None:
            config |= {group: tree[group] for group in chosen}
    for text in typed:
        if text in own:
            continue
        try:
            override = override_grammar.parse(text)
        except UserError as unreadable:
            problems += unreadable.problems
            continue
        *folders, last = override.key_or_group.split(".")
        node: Any = config
        for folder in folders:
            node = node.get(folder) if isinstance(node, Mapping) else None
        anywhere = folders == [tracker_settings.GROUP]  # a tracker's setting, at the top of the node
        if not isinstance(node, dict) or (last not in node and not anywhere):
            known = [*node] if isinstance(node, Mapping) else []
            problems.append(
                Problem(
                    override.key_or_group, f"no such key in this run's config.{did_you_mean(last, known)}"
                )
            )
        else:
            node[last] = override.value()
    return problems
