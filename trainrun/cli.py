"""argv -> a verb, or Hydra: a word without `=` is a verb, the rest trains.

Exit codes: 0 done; 2 the user's input is wrong; 1 training failed; 130 interrupted, 143 terminated.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence

from trainrun import __version__
from trainrun.commands import _verbs
from trainrun.errors import TrainingError, UserError, did_you_mean
from trainrun.util import grants
from trainrun.util.interrupt import Interrupted

MAX_PROBLEMS = 40  # printed; mending the first ones often mends the others


def main(argv: Sequence[str]) -> int:
    """Run a command line.

    Args:
        argv: the words after `trainrun`.

    Returns:
        The exit code.
    """
    from trainrun.ui import console

    try:
        return _dispatch(list(argv))
    except UserError as error:
        count = len(error.problems)
        console.problems(error.problems[:MAX_PROBLEMS], title="" if count == 1 else f"{count} problems:")
        if count > MAX_PROBLEMS:
            console.error(f"and {count - MAX_PROBLEMS} more")
        return error.exit_code
    except TrainingError as error:
        console.error(str(error))
        return error.exit_code
    except Interrupted as stop:
        console.error(str(stop))
        if stop.saved is not None:
            console.note(f"to go on: trainrun resume {os.path.relpath(stop.saved)}")
        return stop.exit_code
    except KeyboardInterrupt:
        console.error("interrupted")
        return 130


def _dispatch(argv: list[str]) -> int:
    with grants.of_command_line(argv) as (rest, confirmed):
        if confirmed:
            from trainrun.ui import console

            console.note(f"credentials may go to {', '.join(confirmed)} (remembered in {grants.file()})")
            if not rest:
                return 0
        return _by_verb(rest)


def _by_verb(argv: list[str]) -> int:
    verbs = _verbs.names()
    if argv and argv[0] in verbs:
        return importlib.import_module(_verbs.module(argv[0])).main(argv[1:])
    if _wants_help(argv):
        return importlib.import_module(_verbs.module("help")).main(argv)
    if "--version" in argv:  # Hydra's flag of that name prints Hydra's
        from trainrun.ui import console

        console.say(f"trainrun {__version__}")
        return 0
    if argv and argv[0].replace("-", "_").isidentifier() and not argv[0].startswith("-"):
        hint = did_you_mean(argv[0], verbs)
        raise UserError(
            f"{argv[0]}: no such verb.{hint} The verbs are {', '.join(verbs)}; an override is key=value, as in optimizer={argv[0]}."
        )
    from trainrun.hydra_bridge import main as bridge

    return bridge.train(argv, _complete)


def _complete(line: str) -> None:
    from trainrun.commands import _completion

    _completion.write(line)


def _wants_help(argv: list[str]) -> bool:
    return any(word in ("--help", "-h") for word in argv)
