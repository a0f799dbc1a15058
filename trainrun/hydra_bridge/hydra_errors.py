"""Errors of Hydra, OmegaConf and PyYAML as one line that a user can act on."""

from __future__ import annotations

import re
import unicodedata

from trainrun.errors import Problem, UserError, did_you_mean
from trainrun.util import yaml_file

_SPACES = re.compile(r"\s+")


def unparsable(text: str, error: Exception) -> str:
    """Return why an override cannot be parsed, and how to write it."""
    key, _, value = text.partition("=")
    strange = sorted({letter for letter in text if not letter.isascii() and letter.isprintable()})
    if strange and (not key.isascii() or "=" not in text or re.fullmatch(r"\w+", value)):
        # Letters that look like ASCII ones: an o of another alphabet, a full-width equals sign.
        named = ", ".join(f"{s!r} is {unicodedata.name(s, 'of no name')}" for s in strange[:3])
        return f"{named}; a key, or an option's name, has plain letters. Type it anew. A text goes into quotes: '{key}=\"…\"'."
    if "=" not in text or not key:
        return "an override is key=value, for example optimizer=adam or optimizer.learning_rate=0.01."
    if (dotted := re.sub(r"\[(\d+)\]", r".\1", key)) != key:
        return f"an entry of a list is written with a dot: {dotted}={value}."
    if isinstance(error, RecursionError):
        return "it is nested too deeply. No value needs that."
    cause = error.__cause__ or error
    lines = str(cause).splitlines()
    # ANTLR's messages end in a list of all tokens that it expected.
    reason = (
        "it cannot be read"
        if not lines or "Exception" in lines[0] or lines[0] == "None"
        else lines[0].partition(" expecting")[0]
    )
    reason = reason.rstrip(".")
    if value.startswith("{"):
        # Hydra's grammar has no quoted keys: quotes around the whole make it a text.
        return (
            f"{reason}. A dictionary's keys have no quotes here, and a backslash before each of ( ) [ ] {{ }} : = and ,; "
            f"keys with other characters go into a YAML: an experiment, with {key} in it."
        )
    return f"{reason}. Put values with special characters into quotes: '{key}=\"{value}\"'."


def from_hydra(error: Exception) -> Problem:
    """Return an error of Hydra, OmegaConf or PyYAML as a one-line problem without internals."""
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
            str(cause.filename or key), f"{cause.strerror}. Choose another place, or repair that one."
        )
    if inside := re.search(r"full_key: (\S+)", str(cause)):  # Hydra keeps the text, not the exception
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
