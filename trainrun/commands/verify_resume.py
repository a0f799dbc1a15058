"""`trainrun verify-resume [overrides]`: kill and resume a run; check that the result is bit-identical."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.commands._parser import Parser
from trainrun.errors import Problem, TrainingError, UserError
from trainrun.registry import declaration_reader
from trainrun.ui import console
from trainrun.util import paths

if TYPE_CHECKING:
    from trainrun.verify import differences, kill_and_resume

SHOWN = 5  # differences listed of each kind; the rest is counted


def main(argv: Sequence[str]) -> int:
    """Train a config without and with kills, and compare the two runs."""
    options, words = _parser().parse_known_args(list(argv))
    from trainrun.config import plugins
    from trainrun.hydra_bridge import compose, preflight

    flags = compose.arguments(words)
    if flags.help:
        console.say(_parser().format_help().rstrip())
        return 0
    if flags.multirun:
        raise UserError("verify-resume takes one config; leave -m out.")
    if options.kills < 1:
        raise UserError(Problem("--kills", f"expected a whole number, at least 1, got {options.kills}."))
    from trainrun.verify import kill_and_resume

    where = (flags.config_name, flags.config_path)
    overrides = [*(o for o in flags.overrides if not o.startswith("tracking")), *kill_and_resume.FORCED]
    config, problems = preflight.overrides(overrides, *where)
    compiled = not problems and config["trainer"].get("jit_compile") is True
    if not problems and not compiled:
        config, problems = preflight.overrides([*overrides, kill_and_resume.DETERMINISTIC], *where)
    if problems:
        raise UserError(problems)
    _refuse_clocked(config)
    plugins.load(config["plugins"])
    folder = _folder(options.keep)
    keep = options.keep is not None
    try:
        trial = kill_and_resume.Trial(
            words, folder, config["trainer"].get("epochs"), options.seed, compiled=compiled
        )
        runs = _run(trial, options.kills)
        equal = report(trial.whole, trial.epochs, runs)
        keep = keep or not equal
    except TrainingError as error:
        keep = True
        raise TrainingError(f"{error}\nThe runs so far are in {folder}") from error
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    if keep:
        console.note(f"the runs are in {folder}")
    return 0 if equal else 1


def _refuse_clocked(config: Mapping[str, Any]) -> None:
    """Raise a UserError for settings whose effect depends on measured times: no two runs with them are equal."""
    clocked = [f"tune.{k}" for k in ("batch_size", "learning_rate") if config["tune"].get(k) == "auto"]
    if config["trainer"].get("max_time") is not None:
        clocked.append("trainer.max_time")
    clocked += [
        f"callback.{name}"
        for name, c in config["callback"].items()
        if declaration_reader.of("callback", c["name"]).reads_clock
    ]
    if clocked:
        raise UserError(
            [Problem(key, "depends on measured time, so no two runs are equal. Leave it out here.") for key in clocked]
        )  # fmt: skip


def _parser() -> Parser:
    parser = Parser(
        prog="trainrun verify-resume",
        usage="trainrun verify-resume [overrides] [--kills N] [--seed N] [--keep DIR]",
        description="Check exact resume for a config: train it once without interruption, and once with SIGKILL at "
        "random moments and a resume after each. Weights and all metrics must be bit-identical. hardware.deterministic=true "
        "(not with trainer.jit_compile=true) and tracking=none are set. Exit code 0: equal; 1: different; 2: the config is wrong.",
        add_help=False,
    )
    parser.add_argument("--kills", type=int, default=5, metavar="N", help="number of kills (default: 5)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the moments (default: 0)")
    parser.add_argument("--keep", metavar="DIR", help="keep the runs in this folder, which must be empty")
    return parser


def _folder(keep: str | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="trainrun-verify-"))
    folder = paths.expanded(keep).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UserError(Problem("--keep", f"{folder} is not empty; name a new folder."))
    except (OSError, ValueError) as error:
        raise UserError(
            Problem("--keep", f"{folder}: {getattr(error, 'strerror', None) or error}; name a new folder.")
        ) from error
    return folder


def _run(trial: kill_and_resume.Trial, kills: int) -> list[tuple[Path, list[kill_and_resume.Kill]]]:
    """Train without kills, then with kills until all have happened; this may take several runs."""
    console.say("training without kills …", "dim")
    whole = trial.reference()
    seconds = trial.first + trial.usual * (trial.epochs - 1)
    console.say(f"  {_count(trial.epochs, 'epoch')}, {seconds:.1f} s of training")
    runs: list[tuple[Path, list[kill_and_resume.Kill]]] = []
    left = kills
    while left and len(runs) < kills:
        console.say(
            "training with kills …" if not runs else "it finished before the next kill; another run …", "dim"
        )
        count = kills - left

        def report_kill(kill: kill_and_resume.Kill) -> None:
            nonlocal count
            count += 1
            during = ", while a checkpoint was written" if kill.writing else ""
            console.say(
                f"  kill {count} of {kills}  after {_count(kill.epoch, 'epoch')}{during}; {_from(kill)}"
            )

        name = "killed" if not runs else f"killed_{len(runs) + 1}"
        runs.append(trial.killed(left, name, report_kill))
        left -= len(runs[-1][1])
    if left == kills:
        raise TrainingError(
            f"the run finishes before it can be killed: {trial.usual:.2g} s per epoch. Use more epochs or more data."
        )
    trial.whole = whole
    return runs


def _from(kill: kill_and_resume.Kill) -> str:
    if kill.before is None:
        return "no checkpoint yet: starts again"
    epoch, step = kill.before
    return f"resumes in epoch {epoch + 1}" + (f", step {step + 1}" if step else "")


def report(whole: Path, epochs: int, runs: Sequence[tuple[Path, list[kill_and_resume.Kill]]]) -> bool:
    """Compare the killed runs with the whole one, and print the result.

    Args:
        whole: directory of the run without kills.
        epochs: of each run.
        runs: directory and kills of each killed run.

    Returns:
        Whether all runs are equal.
    """
    from trainrun.tracking import summary
    from trainrun.verify import differences

    struck = sum(len(kills) for _, kills in runs)
    for run_dir, _ in runs:
        if differing := differences.compare(whole, run_dir):
            _explain(whole, run_dir, differing)
            return False
    content = summary.read(whole)
    console.say(
        f"equal to the bit after {_count(struck, 'kill')}: weights {content['weights_sha256'][:12]}…, "
        f"{_count(epochs, 'epoch')} of metrics, {len(content['metrics'])} final and the best ones",
        "green",
    )
    return True


def _explain(whole: Path, killed: Path, differing: Sequence[differences.Difference]) -> None:
    """Print what differs, the first checkpoint that differs, and likely causes."""
    from trainrun.config import saved
    from trainrun.verify import differences

    console.say(f"not equal: {_count(len(differing), 'difference')}", "bold red")
    _list(list(map(str, differing)))
    place = differences.first_difference(whole, killed)
    if place is None:
        console.say("no checkpoint differs: the difference arose after the last one", "bold")
    else:
        at = (
            f"epoch {place.epoch + 1}, step {place.step}" if place.step else f"the end of epoch {place.epoch}"
        )
        before = (
            "; there is no earlier checkpoint" if place.equal is None else f"; equal at step {place.equal}"
        )
        went_on = [s for s in differences.resumed_at(killed) if (place.equal or 0) <= s <= place.updates]
        between = f"; the killed run resumed from step {went_on[0]}" if went_on else ""
        console.say(f"first seen at step {place.updates} ({at}){before}{between}", "bold")
        _list([f"{n}: {s}" for n, s in zip(place.names, place.sizes, strict=True)])
    config = saved.load(whole, trains=True)
    with console.hushed():
        from trainrun.verify import nondeterminism
    causes = nondeterminism.of(config, whole)
    if causes:
        console.say("likely causes", "bold")
        _list(causes)
    else:
        console.say(
            "no likely cause was found: no random or Python operation, no state outside Keras' variables."
        )
        console.say("docs/resume.md lists what a checkpoint contains.")


def _list(lines: Sequence[str]) -> None:
    for line in lines[:SHOWN]:
        console.say(f"  • {line}")
    if len(lines) > SHOWN:
        console.say(f"  … and {len(lines) - SHOWN} more")


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
