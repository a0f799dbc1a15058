"""Overrides in a form that Hydra reads and that keeps its meaning: a list that is added to, losses of outputs, a run that a word means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from trainrun.config import letters, outputs, override_text, plugins
from trainrun.errors import Problem, UserError
from trainrun.model import source_file
from trainrun.util import paths

# Keys whose value is a run; `model.path` of other models than a file may be anything.
RUNS = (source_file.KEY, source_file.TEACHER, source_file.PATH)
_TYPED = re.compile(rf"(?P<key>\+{{0,2}}(?:{'|'.join(map(re.escape, RUNS))}))=(?P<words>[^\[{{(].*)")
_MODEL_FILE = re.compile(r"model=(.*,)?\s*file\s*(,.*)?")


def overrides(typed: Sequence[str], point: bool = False) -> tuple[list[str], list[Problem]]:
    """Return overrides with ``plugins+=[…]`` as the whole list, ``loss={churn: focal}`` as choices of options, words like ``größe`` in quotes, and a run's
    directory for ``last``, ``best`` or an id.

    What ``last`` means changes with the next run, and the config of a run is recorded.

    Args:
        typed: as on the command line; of a sweep with its commas.
        point: whether they are those of a point of a sweep, see `without_teacher`.

    Returns:
        The overrides, and a problem for each word that means no run; it stays as typed.
    """
    problems: list[Problem] = []
    texts = outputs.written_out(plugins.written_out([letters.quoted(text) for text in typed]))
    is_file = any(map(_MODEL_FILE.fullmatch, texts))
    return without_teacher([_with_directories(text, problems, is_file) for text in texts], point), problems


def without_teacher(texts: Sequence[str], point: bool) -> list[str]:
    """Return overrides in which ``teacher=null`` sets to null what goes with a teacher, too, as an experiment may have it.

    Args:
        texts: overrides.
        point: whether they are those of a point of a sweep, such as ``teacher=null,last teacher_alpha=0.5``: then what is typed for the
            points with a teacher is left out, too. Of a single run it stays, for the check to refuse.
    """
    if f"{source_file.TEACHER}=null" not in texts:
        return [*texts]
    settings = (source_file.ALPHA, source_file.TEMPERATURE)
    kept = [text for text in texts if not point or override_text.key(text) not in settings]
    typed = {override_text.key(text) for text in kept}
    return [*kept, *(f"{key}=null" for key in settings if key not in typed)]


def _with_directories(text: str, problems: list[Problem], is_file: bool) -> str:
    match = _TYPED.fullmatch(text)
    if match is None or (match["key"].endswith(source_file.PATH) and not is_file):
        return text
    words = (word.strip().strip("'\"") for word in match["words"].split(","))
    return (
        f"{match['key']}={','.join(_directory(match['key'].lstrip('+'), word, problems) for word in words)}"
    )


def _directory(key: str, word: str, problems: list[Problem]) -> str:
    # Here, because few command lines name a run, and the imports take 40 ms of every one.
    from trainrun.sweep import named_run

    if (
        word in ("", "null")
        or Path(word).expanduser().is_file()
        or word.endswith((".keras", ".h5"))
        or paths.ADDRESS.match(word)
    ):
        return word
    try:
        return str(named_run.run(word))
    except UserError as error:
        problems += [Problem(key, p.message) for p in error.problems]
        return word
