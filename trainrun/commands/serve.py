"""`trainrun serve RUN [--port PORT]`: answer requests for predictions by MLflow's scoring server."""

from __future__ import annotations

import json
from collections.abc import Sequence

from trainrun.commands._parser import RUN, Parser, number
from trainrun.ui import console


def main(argv: Sequence[str]) -> int:
    """Serve."""
    parser = Parser(
        prog="trainrun serve",
        description="Serve a run's model on 127.0.0.1 by MLflow's scoring server until Ctrl-C, from the run's files alone. A table's "
        "rows are sent as they stand in the file. Example: trainrun serve last --port 8080",
    )
    parser.add_argument("run", metavar="RUN", help=RUN)
    parser.add_argument(
        "--port",
        type=number(int, lambda value: 0 <= value < 65536, "a port below 65536"),
        default=5001,
        help="default: %(default)s; 0: a free one, which is printed",
    )
    parser.add_argument(
        "--json", action="store_true", help="print address and example as one JSON object when it listens"
    )
    options = parser.parse_args(argv)
    from trainrun.sweep import named_run

    run_dir = named_run.run(options.run)
    from trainrun.run.result import RunResult

    def ready(address: str, example: str) -> None:
        console.say(json.dumps({"run": str(run_dir), "address": address, "example": example}))

    RunResult.read(run_dir).serve(options.port, ready if options.json else None)
    return 0
