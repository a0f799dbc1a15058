"""`trainrun register RUN NAME [--alias ALIAS] [--if-better]`: register a run's model in MLflow's registry."""

from __future__ import annotations

from collections.abc import Sequence

from trainrun.artifacts import result_table
from trainrun.commands import _json
from trainrun.commands._parser import RUN, Parser
from trainrun.ui import console
from trainrun.ui.quietly import quietly


def main(argv: Sequence[str]) -> int:
    """Register."""
    parser = Parser(
        prog="trainrun register",
        description="Register a run's model as a new version of a name in the registry of the MLflow store that the run was sent to. "
        "Exit code 1: it is not better. Example: trainrun register best churn --alias champion --if-better",
    )
    parser.add_argument("run", metavar="RUN", help=RUN)
    parser.add_argument("name", metavar="NAME", help="of the registered model; made if there is none")
    parser.add_argument("--alias", help="set on the new version, such as champion")
    parser.add_argument(
        "--if-better",
        action="store_true",
        help="only if it beats the model that has the alias on the same test rows, by more than a 95%% bootstrap interval",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    from trainrun.run.result import RunResult
    from trainrun.sweep import named_run

    run_dir = named_run.run(options.run)
    with quietly(options.json):
        registered = RunResult.read(run_dir).register(options.name, options.alias, options.if_better)
    if options.json:
        _json.show(registered.plain())
        return int(registered.version is None)
    if (compared := registered.comparison) is not None:
        number = result_table.number
        console.say(
            f"{compared.metric} {number(compared.value)}, {options.alias} ({compared.run}) {number(compared.other)}; difference "
            f"{number(compared.value - compared.other)}, 95% interval {number(compared.low)} to {number(compared.high)} on "
            f"{compared.rows:,} rows of the {compared.part} part"
        )
    if registered.version is None:
        console.error(f"not registered: it is not better than {options.alias} beyond noise")
        return 1
    alias = "" if registered.alias is None else f", alias {registered.alias}"
    console.say(f"registered: {registered.name} version {registered.version}{alias} in {registered.address}")
    return 0
