"""Rules of a run that begins from another's weights, or with its model: the file is there, and nothing else sets the weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.data.dataset import Description
from trainrun.errors import Problem
from trainrun.model import source_file
from trainrun.model.source_file import KEY, OPTIMIZER, SKIP
from trainrun.util import paths, patterns


def problems(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """`init_from` names a run or a file with weights, `model.path` one with a model; `init_skip` and `init_optimizer` go with it."""
    init_from = config.get(KEY)
    for key in (SKIP, OPTIMIZER):
        if config.get(key) and init_from is None:
            yield Problem(
                key,
                f"it goes with {KEY}, the run or file that the weights come from, which is null. Set {KEY}, or leave it out.",
            )
    for pattern in patterns.listed(config.get(SKIP)):
        if reason := patterns.fault(pattern):
            yield Problem(SKIP, reason)
    is_file, path = config["model"].get("name") == "file", config["model"].get("path")
    if is_file and isinstance(path, str | None) and (fault := source_file.fault(path, source_file.PATH)):
        yield Problem(source_file.PATH, fault)
    if not isinstance(init_from, str):
        return
    if is_file:
        yield Problem(
            KEY,
            f"model=file takes all weights of model.path. Leave {KEY} out, or choose the model that the weights are for.",
        )
    if (fault := source_file.fault(init_from)) is not None:
        yield Problem(KEY, fault)
    elif config.get(OPTIMIZER) and not (paths.expanded(init_from) / "checkpoints").is_dir():
        yield Problem(
            OPTIMIZER,
            f"the optimizer's state is in a run's checkpoints, and {init_from} has none. Name a run's directory, or leave it out.",
        )
