"""`trainrun help`: print usage, groups, verbs and flags, generated from the file names in conf/."""

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
trainrun                                             digits, an MLP, Adam
trainrun optimizer=adam loss=focal                   another loss
trainrun data=csv data.path=my.csv data.target=label your own table
trainrun model=cnn schedule=cosine_decay trainer.epochs=20
trainrun metric=[accuracy,auc] callback=[early_stopping,csv_logger]
trainrun -m optimizer=adam,sgd optimizer.learning_rate=1e-3,1e-2
trainrun experiment=imbalanced_focal
trainrun debug=smoke                                 two steps of everything, for CI"""

FLAGS = """\
-m, --multirun            sweep over the comma-separated values
-c, --cfg job|hydra|all   print the config and stop; with --resolve, interpolations filled in
-cd, --config-dir DIR     add a directory of options
-cn, --config-name NAME   use another primary config
-i, --info [what]         show where the config comes from: searchpath, defaults, config …
-sc install=bash|zsh|fish shell completion: eval "$(trainrun -sc install=bash)"
--hydra-help              Hydra's own help
--version                 trainrun's version"""


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
        shown = (
            ", ".join(names)
            if len(names) <= 9
            else ", ".join(names[:9]) + f", … ({len(names)}: trainrun ls {group})"
        )
        lines.append(f"{group:<{width}}  {shown}")
    _part("Groups and their options (group=option; set an option's key by group.key=value)", "\n".join(lines))
    verbs = _verbs.meanings()
    width = max(map(len, verbs))
    _part("Verbs", "\n".join(f"{verb:<{width}}  {meaning}" for verb, meaning in verbs.items()))
    _part("Flags", FLAGS)
    return 0


def _part(title: str, text: str) -> None:
    console.say()
    console.say(title, style="bold")
    console.say("\n".join(f"  {line}" for line in text.splitlines()))
