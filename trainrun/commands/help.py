"""`trainrun help`: print usage, groups, verbs and flags."""

from __future__ import annotations

from collections.abc import Sequence

from trainrun.commands import _verbs
from trainrun.commands.ls import GROUPS
from trainrun.registry import option_files
from trainrun.ui import console

USAGE = """\
trainrun [key=value …]           train one run
trainrun -m key=a,b [key=value]  train each combination
trainrun VERB …"""

EXAMPLES = """\
trainrun                                         digits, an MLP, Adam
trainrun optimizer=adam loss=focal               another loss
trainrun data=csv data.path=my.csv data.target=label   your own table
trainrun model=cnn schedule=cosine_decay trainer.epochs=20
trainrun metric=[accuracy,auc] callback=[early_stopping,csv_logger]
trainrun -m optimizer=adam,sgd optimizer.learning_rate=1e-3,1e-2
trainrun experiment=imbalanced_focal
trainrun debug=smoke                             two steps of all, for CI"""

FLAGS = """\
-m, --multirun            sweep over the comma-separated values
-c, --cfg job|hydra|all   print the config; --resolve fills interpolations in
-cd, --config-dir DIR     add a directory of options
-cn, --config-name NAME   use another primary config
-i, --info [what]         where the config comes from: searchpath, defaults …
-sc install=bash|zsh|fish completion: eval "$(trainrun -sc install=bash)"
--env NAME,NAME           environment variables that the config may read
--trust URI               send credentials to this address from now on
--hydra-help              Hydra's own help
--version                 trainrun's version"""

HEADING = "Groups and their options (group=option group.key=value; trainrun ls GROUP)"


def main(argv: Sequence[str]) -> int:
    """Print the help."""
    console.say("trainrun: train Keras models from the command line and YAML", style="bold")
    _part("Usage", USAGE)
    _part("Examples", EXAMPLES)
    width = max(map(len, GROUPS))
    lines = []
    for group in GROUPS:
        if group in ("layer", "sampler"):  # named by keys, not by group=option
            continue
        names = [o.name for o in option_files.options(group).values() if not o.alias_of]
        lines.append(f"{group:<{width}}  {_cut(names, max(console.width(), 80) - width - 4)}")
    _part(HEADING, "\n".join(lines))
    verbs = _verbs.meanings()
    width = max(map(len, verbs))
    _part("Verbs", "\n".join(f"{verb:<{width}}  {meaning}" for verb, meaning in verbs.items()))
    _part("Flags", FLAGS)
    return 0


def _cut(names: list[str], columns: int) -> str:
    """Return as many names as fit on a line, and the number of all if some do not."""
    whole = ", ".join(names)
    if len(whole) <= columns:
        return whole
    end = f", … ({len(names)})"
    return whole[: columns - len(end) + 1].rpartition(",")[0] + end


def _part(title: str, text: str) -> None:
    console.say()
    console.say(title, style="bold")
    console.say("\n".join(f"  {line}" for line in text.splitlines()))
