"""YAML files, read safely: size, depth and growth by aliases are checked before any object is built.

A few lines of nested aliases can stand for billions of values, or for themselves, and a thousand opening brackets exhaust
the parser's stack. So the file is first read as a stream of events, in constant memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from trainrun.errors import Problem, UserError
from trainrun.util import paths

# Limits far above any config.
BYTES = 1_000_000
NODES = 50_000
DEPTH = 60
SCALAR = 100_000
# libyaml if PyYAML has it: several times as fast, with the same output.
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def parse(content: str) -> Any:
    """Return the content of a trusted YAML text; `load` reads files of users.

    Raises:
        yaml.YAMLError: it is no YAML.
    """
    return yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def dump(tree: Any) -> str:
    """Return plain values as YAML, keys in their order."""
    return yaml.dump(tree, Dumper=_DUMPER, sort_keys=False, allow_unicode=True)


def text(path: Path) -> str:
    """Return the text of a YAML file within the limits.

    Raises:
        UserError: it is no text, no YAML, no mapping, too large or too deep, or its aliases make it so.
    """
    try:
        size = path.stat().st_size
        if size > BYTES:
            raise _fault(
                path,
                f"a config of {size:,} bytes; expected at most {BYTES:,}. Data belongs into a file of its own.",
            )
        content = paths.content(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _fault(path, f"expected text in UTF-8; {_bytes(error)}. Save it as UTF-8.") from error
    except OSError as error:
        raise _fault(path, f"it cannot be read: {error.strerror}.") from error
    _measure(path, content)
    return content


def load(path: Path) -> dict[str, Any]:
    """Return the mapping that a file holds; empty for an empty file.

    Raises:
        UserError: as `text`.
    """
    try:
        return parse(text(path)) or {}
    except yaml.YAMLError as error:
        raise UserError(problem(path, error)) from error
    except (ValueError, TypeError, RecursionError) as error:
        raise _fault(path, f"it holds a value that cannot be read: {_short(error)}.") from error


def problem(path: Path | str, error: yaml.YAMLError) -> Problem:
    """Return an error of PyYAML as a one-line problem with file and line."""
    mark = getattr(error, "problem_mark", None)
    what = (
        getattr(error, "problem", None) or getattr(error, "context", None) or getattr(error, "reason", None)
    )
    place = f"{path}, line {mark.line + 1}" if mark is not None else str(path)
    return Problem(
        place, f"this is not YAML: {what or _short(error)}. Correct that line, or leave the file out."
    )


def _measure(path: Path, content: str) -> None:
    """Count the values with every alias expanded; raise a UserError above the limits."""
    opened: list[
        tuple[str | None, int]
    ] = []  # of each collection that is not closed: its anchor, the total before it
    sizes: dict[str, int] = {}
    total, root, documents = 0, None, 0
    try:
        for event in yaml.parse(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            documents += isinstance(event, yaml.DocumentStartEvent)
            if isinstance(event, yaml.CollectionEndEvent):
                anchor, before = opened.pop()
                if anchor:
                    sizes[anchor] = total - before
            if not isinstance(event, yaml.NodeEvent):
                continue
            root = root or event
            if isinstance(event, yaml.AliasEvent):
                if any(anchor == event.anchor for anchor, _ in opened):
                    raise UserError(
                        Problem(
                            f"{path}, line {event.start_mark.line + 1}",
                            f"*{event.anchor} stands inside &{event.anchor}, without end. Write out what is meant.",
                        )
                    )
                total += sizes.get(event.anchor, 1)
            else:
                total += 1
            if isinstance(event, yaml.CollectionStartEvent):
                opened.append((event.anchor, total - 1))
            if isinstance(event, yaml.ScalarEvent) and len(event.value) > SCALAR:
                raise _fault(
                    path, f"it holds a value of {len(event.value):,} characters; expected at most {SCALAR:,}."
                )
            if len(opened) > DEPTH:
                raise _fault(path, f"it is nested more than {DEPTH} levels deep. No config needs that.")
            if total > NODES:
                raise _fault(
                    path,
                    f"with its aliases written out it has more than {NODES:,} values. Write out what is meant, or "
                    "keep data in a file of its own.",
                )
    except yaml.YAMLError as error:
        raise UserError(problem(path, error)) from error
    if documents > 1:
        raise _fault(path, "it holds several documents, parted by ---; expected one. Take the others out.")
    if (
        root is not None
        and not isinstance(root, yaml.MappingStartEvent)
        and getattr(root, "value", 1) not in ("", "null", "~")
    ):
        raise _fault(path, "expected keys with values, as in `seed: 42`; it holds a list or a single value.")


def _fault(path: Path, message: str) -> UserError:
    return UserError(Problem(str(path), message))


def _bytes(error: UnicodeDecodeError) -> str:
    return f"byte {error.start} is 0x{error.object[error.start]:02x}, which is none"


def _short(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__).rstrip(".")
