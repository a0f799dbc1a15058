"""The verbs of the command line, each with its line of help."""

from __future__ import annotations

VERBS = {
    "ls": "what can be named: the groups, or one group's options",
    "show": "one option: its YAML, docstring and arguments",
    "resume": "go on with a run that was stopped, to the same bits",
    "best": "the command line that trains the winner of a sweep",
    "verify-resume": "prove it for a config: killed and resumed, the same bits",
    "reproduce": "run a run again, and tell to how many digits it agrees",
    "check": "validate a config or a sweep without training",
    "runs": "the runs there are: status, epochs, best value, what is not sent yet",
    "sync": "deliver to MLflow what it does not have yet",
    "doctor": "what this machine offers, and what stands in the way",
    "init": "begin a project of your own: conf/, a plug-in, a dataset",
}
