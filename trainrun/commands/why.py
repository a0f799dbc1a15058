"""`trainrun why KEY [overrides] | RUN KEY`: show the file, line and overrides that a value comes from."""

from __future__ import annotations

from collections.abc import Sequence

from trainrun.commands import _json
from trainrun.commands._parser import RUN, Parser
from trainrun.errors import UserError
from trainrun.ui import console
from trainrun.util import redaction


def main(argv: Sequence[str]) -> int:
    """Explain a key of a command line, or of a recorded run."""
    parser = Parser(
        prog="trainrun why",
        usage="trainrun why KEY [overrides] | trainrun why RUN KEY",
        description="Show where a value of the config comes from: the file and line of each place that sets it, then the "
        "overrides, in the order in which they apply. Example: trainrun why optimizer.learning_rate optimizer=sgd",
    )
    parser.add_argument(
        "words", nargs="+", metavar="KEY", help="a key, such as optimizer.learning_rate, or a group"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list of objects")
    options = parser.parse_intermixed_args(list(argv))
    bare = [word for word in options.words if "=" not in word and not word.startswith(("~", "+"))]
    overrides = [word for word in options.words if word not in bare]
    if len(bare) not in (1, 2) or (len(bare) == 2 and overrides):
        raise UserError(f"expected KEY and overrides, or RUN and KEY. RUN is {RUN}.")
    from trainrun.after import why
    from trainrun.sweep import named_run

    if len(bare) == 2:
        explained = why.of_run(named_run.run(bare[0]), bare[1])
    else:
        explained = why.of_overrides(bare[0], overrides)
    if options.json:
        plain = redaction.tree([e.plain() for e in explained])
        _json.show(plain)
    elif len(explained) == 1:
        (one,) = explained
        console.say(f"{one.key} = {_text(one.key, one.value)}", style="bold")
        rows = [[s.place, _text(one.key, s.value), s.chosen_by] for s in one.settings]
        console.table(
            "", ["set by", "to", "chosen by"] if any(r[2] for r in rows) else ["set by", "to", ""], rows
        )
    else:
        console.table(
            "", ["key", "value", "set by"], [[e.key, _text(e.key, e.value), e.place] for e in explained]
        )
    return 0


def _text(key: str, value: object) -> str:
    shown = redaction.under(key.rpartition(".")[2], value)
    return "null" if shown is None else str(shown).lower() if isinstance(shown, bool) else str(shown)
