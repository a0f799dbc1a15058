"""Why a config does not compose: every fault of the overrides at once, each with the way out.

Hydra stops at the first fault. Here each override is tried by itself: first the choices of options, then the
values against the config that the good choices give.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainrun.config import safety
from trainrun.errors import Problem, UserError, did_you_mean
from trainrun.hydra_bridge import compose, compose_cache
from trainrun.registry import option_files
from trainrun.util import yaml_file

_WITHOUT_SCHEMA = (
    "a primary config begins its defaults with `- trainrun`, which brings the settings that every run has. "
    "`trainrun init` writes one to begin with."
)
# Parts of Hydra's node that take any key; what may stand there, `safety` tells.
_HYDRA_OPEN = ("hydra.callbacks.", "hydra.job.env_set.", "hydra.job_logging.", "hydra.hydra_logging.")
_SPACES = re.compile(r"\s+")


def examine(
    overrides: Sequence[str],
    config_name: str | None = None,
    config_path: str | None = None,
    multirun: bool = False,
) -> tuple[dict[str, Any] | None, list[Problem]]:
    """Compose one run's config, and say everything that keeps it from being whole.

    The options are composed by Hydra; the values are then put in one by one, as Hydra itself does it, so that a
    faulty one hides none of the others. A test holds the result to Hydra's own.

    Args:
        overrides: one run's overrides (a sweep's point, not its commas).
        config_name, config_path: as given to `compose`.
        multirun: whether they are a point of a sweep.

    Returns:
        The resolved config as far as the good overrides give it (None: not even that), and the problems.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    unsafe = safety.search_path(overrides, config_name, config_path)
    if unsafe:
        return None, unsafe
    found: list[Problem] = []
    choices, values = [], []
    groups = _groups(config_path)
    parser = OverridesParser.create()
    for text in overrides:
        try:
            override = parser.parse_override(text)
        except (HydraException, ValueError, RecursionError) as parse_error:
            # ValueError: a number of thousands of digits; RecursionError: hundreds of brackets
            found.append(Problem(text, unparsable(text, parse_error)))
            continue
        key = override.key_or_group
        if not key:
            found.append(Problem(text, unparsable(text, ValueError("no key"))))
            continue
        if override.is_sweep_override():
            found.append(Problem(key, _sweep_without_flag(key, text)))
            continue
        if key in groups and not override.is_delete():
            bad = _bad_choice(key, override.value(), groups[key])
            found += bad
            if not bad:
                choices.append(text)
        elif override.package is not None or override.is_delete():
            choices.append(text)
        else:
            values.append((text, override))
    try:
        config = compose_cache.of(
            (*choices, config_name, config_path, *option_files.search_path()),
            lambda: compose.compose(choices, config_name, config_path),
        )
    except UserError as unfit:
        return None, [*found, *unfit.problems]
    except RecursionError:
        chosen = ", ".join(choices) or "the primary config"
        return None, [
            *found,
            Problem(chosen, "a list of defaults leads back to itself. Take one of its entries out."),
        ]
    except Exception as compose_error:
        return None, found or [from_hydra(compose_error)]
    from omegaconf import OmegaConf

    from trainrun.config.schema import Root

    if OmegaConf.get_type(config) is not Root:
        return None, [*found, Problem(f"{config_name or 'config'}.yaml", _WITHOUT_SCHEMA)]
    try:
        with safety.bounded():
            return _valued(config, values, found, groups, overrides, multirun)
    except UserError as unfit:
        return None, [*found, *unfit.problems]
    except Exception as interpolation_error:
        return None, found or [from_hydra(interpolation_error)]


def _valued(
    config: Any,
    values: Sequence[tuple[str, Any]],
    found: list[Problem],
    groups: Mapping[str, list[str]],
    overrides: Sequence[str],
    multirun: bool,
) -> tuple[dict[str, Any] | None, list[Problem]]:
    """Put the values into the composed config, one by one, and resolve it; `found` grows."""
    broken = {p.key for p in found}
    for _, override in values:
        if override.key_or_group.split(".")[0] in broken:
            continue  # its option is not known, so neither are its keys
        fault = _bad_value(config, override, groups)
        if fault is not None:
            found.append(fault)
    from omegaconf import OmegaConf

    for key in (str(k) for k in config if OmegaConf.is_missing(config, k)):
        wanted = f"{key}=…" if key in groups else f"{key}=value"
        found.append(
            Problem(
                key,
                f"nothing is chosen. Write {wanted}, or a line for it in the defaults of conf/config.yaml.",
            )
        )
    found += safety.hydra_problems(config, overrides, multirun)
    return compose.plain(config), found


def _sweep_without_flag(key: str, text: str) -> str:
    value = text.partition("=")[2]
    return f"{value} names several values. To run each: trainrun -m {text}. For one value with a comma, quote it: '{key}=\"{value}\"'."


def _groups(config_path: str | None) -> dict[str, list[str]]:
    """Return every group of the search path and its options, `hydra/launcher` and the like included."""
    import hydra

    compose.prepare()  # Hydra's own options and ours, hydra/launcher=basic and the like, are stored by it
    folders = [folder for _, folder in option_files.search_path()]
    if config_path:
        folders.append(Path(config_path).absolute())
    folders.append(Path(hydra.__file__).parent / "conf")
    # 3 ms, which every point of a sweep would take again.
    found: dict[str, set[str]] = compose_cache.of(("options", *folders), lambda: _files(folders))
    from hydra.core.config_store import ConfigStore

    def stored(node: Mapping[str, Any], group: str) -> None:
        for name, inside in node.items():
            if isinstance(inside, Mapping):
                stored(inside, f"{group}/{name}" if group else name)
            elif group:
                found.setdefault(group, set()).add(name.removesuffix(".yaml"))

    stored(ConfigStore.instance().repo, "")  # plug-ins' components and Hydra's own
    return {group: sorted(names) for group, names in found.items()}


def _files(folders: Sequence[Path]) -> dict[str, set[str]]:
    """Return every group of options that lies in folders, and its files' names."""
    found: dict[str, set[str]] = {}
    for folder in folders:
        for path in folder.rglob("*.yaml"):
            group = path.parent.relative_to(folder).as_posix()
            if group != ".":
                found.setdefault(group, set()).add(path.stem)
    return found


def _bad_choice(group: str, value: Any, known: list[str]) -> list[Problem]:
    """Say which of the chosen options do not exist."""
    if value is None and group in ("experiment", "debug"):
        return []
    if value is None:
        hint = f"{group}=none" if "none" in known else f"one of {', '.join(known[:12])}"
        return [Problem(group, f"expected the name of an option, got null. Write {hint}.")]
    if isinstance(value, Mapping) or (
        group not in option_files.SEVERAL and isinstance(value, list) and len(value) != 1
    ):
        example = f"{group}={known[0]}" if known else group
        return [
            Problem(
                group,
                f"expected one option, got {_text(value)}. Write for example {example}; its values go by {group}.key=value.",
            )
        ]
    shown = [name for name in known if not name.startswith("_")]
    bad = []
    for name in value if isinstance(value, list) else [value]:
        name = _text(name)
        if name in known or (name == "null" and group in ("experiment", "debug")):
            continue
        if "/" in name and name.rsplit("/", 1)[-1] in shown and ".." not in name:
            continue
        listing = (
            f" It is one of {', '.join(shown)}." if len(shown) <= 8 else f" `trainrun ls {group}` lists them."
        )
        bad.append(Problem(group, f"there is no option {name!r}.{did_you_mean(name, shown)}{listing}"))
    return bad


def _text(value: Any) -> str:
    unquoted = getattr(value, "text", value)
    return "null" if unquoted is None else str(unquoted)


def _bad_value(config: Any, override: Any, groups: Mapping[str, list[str]]) -> Problem | None:
    """Try one `key=value` on the composed config; return what is wrong with it, or None once it is in."""
    from omegaconf import DictConfig, OmegaConf, open_dict
    from omegaconf.errors import OmegaConfBaseException

    key, value = override.key_or_group, override.value()
    parent_key, _, _ = key.rpartition(".")
    try:
        parent = OmegaConf.select(config, parent_key) if parent_key else config
    except OmegaConfBaseException:
        parent = None
    if key.startswith("hydra.") and not key.startswith(_HYDRA_OPEN):
        missing = _first_missing(config, key)
        if missing is not None:
            return Problem(key, _unknown_key(config, missing, groups))
    if not override.is_add() and not override.is_force_add():
        missing = _first_missing(config, key)
        if missing is not None:
            return Problem(key, _unknown_key(config, missing, groups))
    try:
        if override.is_add() or override.is_force_add():
            with open_dict(parent if isinstance(parent, DictConfig) else config):
                OmegaConf.update(config, key, value, merge=True, force_add=True)
        else:
            OmegaConf.update(config, key, value, merge=True)
    except OmegaConfBaseException as error:
        return Problem(key, _wrong_type(key, value, error))
    return None


def _first_missing(config: Any, key: str) -> tuple[str, str] | None:
    """Return (parent, leaf) of the first part of a dotted key that the config does not have."""
    from omegaconf import DictConfig, ListConfig
    from omegaconf.errors import OmegaConfBaseException

    node, path = config, []
    for part in re.findall(r"[^.\[\]]+", key):
        if isinstance(node, ListConfig):
            if not part.isdigit() or int(part) >= len(node):
                return ".".join(path), part
            node = node[int(part)]
        elif isinstance(node, DictConfig) and part in node:
            node = node._get_node(part)
            try:
                node = node._dereference_node() if node is not None and node._is_interpolation() else node
            except OmegaConfBaseException:
                return None  # it hangs on what only a running job knows
        else:
            return ".".join(path), part
        path.append(part)
    return None


def _unknown_key(config: Any, missing: tuple[str, str], groups: Mapping[str, list[str]]) -> str:
    from omegaconf import DictConfig, OmegaConf

    parent, leaf = missing
    node = OmegaConf.select(config, parent) if parent else config
    if not isinstance(node, DictConfig):
        return f"{parent} is {node!r}, which has no key {leaf!r} inside."
    known = [str(k) for k in node if k != "hydra"]
    if not parent:
        everything = sorted({*known, *(g for g in groups if not g.startswith("hydra"))})
        return f"there is no such key or group.{did_you_mean(leaf, everything)} `trainrun --help` lists the groups."
    # The chosen option's name says which keys these are: optimizer=adam.
    choices = OmegaConf.select(config, "hydra.runtime.choices") or {}
    owner = choices.get(parent) or (node.get("name") if "name" in node else None)
    where = f" in {parent}={owner}" if owner else f" in {parent}"
    if leaf == "lr" and "learning_rate" in known:
        return f"no such key{where}. It is called learning_rate."
    takes = f" It takes {', '.join(k for k in known if k != 'name')}." if known else " It takes no keys."
    return f"no such key{where}.{did_you_mean(leaf, known)}{takes}"


def _wrong_type(key: str, value: Any, error: Exception) -> str:
    from trainrun.config import schema
    from trainrun.config.rules.ranges import shown as _shown

    text = str(error).splitlines()[0]
    if extra := re.search(r"Key '(.*)' (?:is )?not in", text):
        return f"it has no key {extra[1]!r} inside. `trainrun --cfg all` shows which there are."
    found = re.search(r"(?:converted to|is not a valid|not a subclass of) '?(\w+)'?", text) or re.search(
        r"(\w+)\.?$", text
    )
    expected = found[1] if found else "another type"
    if expected in vars(schema) or expected in ("RunDir", "SweepDir", "JobConf"):
        return (
            f"expected keys and values, got {_shown(value)}. Its keys go by their full names: {key}.…=value."
        )
    words = {
        "Integer": "a whole number", "int": "a whole number", "Boolean": "true or false", "bool": "true or false",
        "Float": "a number", "float": "a number", "String": "text", "str": "text", "string": "text", "List": "a list", "ListConfig": "a list", "list": "a list", "tuple": "a list",
    }  # fmt: skip
    hint = f" Write [{value}]." if words.get(expected) == "a list" else ""
    return f"expected {words.get(expected, expected)}, got {_shown(value)}.{hint}"


def unparsable(text: str, error: Exception) -> str:
    """Say why an override cannot be read, and how to write it."""
    key, _, value = text.partition("=")
    strange = sorted({letter for letter in text if not letter.isascii() and letter.isprintable()})
    if strange and (not key.isascii() or "=" not in text or re.fullmatch(r"\w+", value)):
        # They look like others: an o of another alphabet, an equals sign of full width.
        named = ", ".join(f"{s!r} is {unicodedata.name(s, 'of no name')}" for s in strange[:3])
        return f"{named}; a key, or an option's name, has plain letters. Type it anew. A text goes into quotes: '{key}=\"…\"'."
    if "=" not in text or not key:
        return "an override is key=value, for example optimizer=adam or optimizer.learning_rate=0.01."
    if isinstance(error, RecursionError):
        return "it is nested too deeply. No value needs that."
    cause = error.__cause__ or error
    lines = str(cause).splitlines()
    # ANTLR goes on with all that it would have liked better.
    reason = (
        "it cannot be read"
        if not lines or "Exception" in lines[0] or lines[0] == "None"
        else lines[0].partition(" expecting")[0]
    )
    reason = reason.rstrip(".")
    return f"{reason}. Put values with special characters into quotes: '{key}=\"{value}\"'."


def from_hydra(error: Exception) -> Problem:
    """Tell an error of Hydra, OmegaConf or PyYAML in one line, without its internals."""
    import yaml

    from trainrun.config import schema

    cause, key = error, ""
    while True:
        key = key or str(getattr(cause, "full_key", "") or "")
        if isinstance(cause, UserError):
            return cause.problems[0]
        if cause.__cause__ is None or isinstance(cause, yaml.YAMLError):
            break
        cause = cause.__cause__
    if isinstance(cause, yaml.YAMLError):
        mark = getattr(cause, "problem_mark", None)
        return yaml_file.problem(getattr(mark, "name", None) or getattr(cause, "name", "a config"), cause)
    if isinstance(cause, RecursionError) or "Recursive interpolation" in str(cause):
        return Problem(key, "its interpolations lead back to themselves. Write out the value of one of them.")
    if isinstance(cause, OSError) and cause.strerror:  # Hydra's own for a missing config is an OSError too
        return Problem(
            str(cause.filename or key), f"{cause.strerror}. Choose another place, or mend that one."
        )
    if inside := re.search(r"full_key: (\S+)", str(cause)):  # Hydra passes the text on, not the exception
        key = key or inside[1]
    if extra := re.search(r"Key '(.*)' (?:is )?not in '?(\w+)", str(cause)):
        fields = getattr(getattr(schema, extra[2], None), "__dataclass_fields__", {})
        place = re.match(r"In '[^']*': ", str(cause))
        return Problem(
            key,
            f"{place[0] if place else ''}there is no such key.{did_you_mean(extra[1], fields)} `trainrun --help` lists the groups.",
        )
    lines = [
        line.strip()
        for line in str(cause).partition("Config search path:")[0].splitlines()
        if line.strip() and not line.strip().startswith(("full_key", "object_type", "reference_type"))
    ]
    text = _SPACES.sub(" ", " ".join(lines[:4])) or type(cause).__name__
    if group := re.search(r"Could not override '(\w+)'. No match", text):
        text += did_you_mean(group[1], schema.Root.__dataclass_fields__)
    if "Cannot merge DictConfig with ListConfig" in text:
        text += ". A list stands where keys are expected; options are chosen in its defaults: `- override /metric: [auc]`."
    return Problem(key, text)
