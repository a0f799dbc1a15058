"""Type hints of trainrun's own settings, by their full key; components declare their arguments themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from trainrun.registry import hints, option_files
from trainrun.util.arguments import Count, Duration, Index, NotNegative, Range, Sizes, TrainingLength

# Key -> type hint (`registry.hints`).
HINTS: Mapping[str, Any] = {
    "seed": Annotated[int, Range(0, 2**32 - 1)],
    "seeds": Count | None,
    "init_from": str | None,
    "init_skip": str | list[str] | None,
    "init_optimizer": bool,
    "teacher": str | None,
    "teacher_alpha": Annotated[float, Range(0, 1)] | None,
    "teacher_temperature": Annotated[float, Range(above=0)] | None,
    "profile": bool,
    "profile_steps": Sizes,
    "artifacts.model": bool | Literal["weights"],
    "artifacts.weights": Literal["best", "last", "ema", "swa"],
    "artifacts.swa_start": TrainingLength,
    "tune.batch_size": Literal["auto"] | None,
    "tune.learning_rate": Literal["auto"] | None,
    "tune.gain": NotNegative,
    "tune.memory": Count | None,
    "tune.steps": Annotated[int, Range(10)],
    "tune.rates": Annotated[float | list[float], Range(above=0)],
    "checkpoint.keep": Count,
    "failure.rollbacks": Index,
    "failure.retries": Index,
    "sweep.trials": Count | None,
    "sweep.max_failures": Count | None,
    "sweep.pruner.min_epochs": Count,
    "sweep.pruner.reduction_factor": Annotated[int, Range(2)],
    "sweep.pruner.min_early_stopping_rate": Index,
    "sweep.pruner.startup_trials": Index,
    "sweep.pruner.warmup_epochs": Index,
    "sweep.pruner.interval": Count,
    "sweep.pruner.patience": Index,
    "sweep.pruner.min_delta": float,
    "sweep.pruner.lower": float | None,
    "sweep.pruner.upper": float | None,
    "trainer.epochs": Count,
    "trainer.batch_size": Count,
    "trainer.steps_per_epoch": Count | None,
    "trainer.resample": Literal["oversample", "undersample"] | None,
    "trainer.limit": Count | None,
    "trainer.max_time": Duration | None,
    "trainer.shuffle": bool,
    "trainer.jit_compile": bool | Literal["auto"],
    "trainer.run_eagerly": bool,
    "hardware.scale_batch": Literal["global", "per_replica"],
    "hardware.scale_learning_rate": Literal[False, "linear"],
    "hardware.local_workers": Annotated[int, Range(2, 64)] | None,
    "alert.events": list[Literal["failed", "killed", "finished", "better"]],
    "tracking.uri": str | None,
    "tracking.experiment": str,
    "tracking.run_name": str | None,
    "tracking.every_steps": Count | None,
    "tracking.interval": NotNegative,
    "tracking.timeout": NotNegative,
    "tracking.system_interval": Annotated[float, Range(1)] | None,
}

# Settings of trainers that take steps on batches; one that takes the whole data in one call reads none of them.
OF_STEPS = (
    "epochs",
    "batch_size",
    "steps_per_epoch",
    "validation_freq",
    "shuffle",
    "jit_compile",
    "run_eagerly",
)


def unread(trainer: Any) -> list[str]:
    """Return the settings of steps that do nothing under a trainer; none for a plug-in's.

    Args:
        trainer: the config's node.
    """
    name = trainer.get("name") if isinstance(trainer, Mapping) else None
    ours = option_files.packaged("trainer").get(str(name))
    return (
        [] if ours is None or "epochs" in ours.arguments else [k for k in OF_STEPS if k not in ours.arguments]
    )


def whole_numbers(config: dict[str, Any]) -> None:
    """Replace whole floats by ints wherever a setting means an int: `trainer.epochs=1e1` is 10.

    Args:
        config: resolved, whole or in part; changed in place.
    """
    for key, hint in HINTS.items():
        *folders, last = key.split(".")
        node: Any = config
        for folder in folders:
            node = node.get(folder) if isinstance(node, dict) else None
        if isinstance(node, dict) and last in node:
            node[last] = hints.whole(hint, node[last])
