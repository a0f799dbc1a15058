"""Type hints of trainrun's own settings, by their full key; components declare their arguments themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from trainrun.util.arguments import Count, Duration, NotNegative, Range, Sizes

# Key -> type hint (`registry.hints`).
HINTS: Mapping[str, Any] = {
    "seed": Annotated[int, Range(0, 2**32 - 1)],
    "profile": bool,
    "profile_steps": Sizes,
    "tune.batch_size": Literal["auto"] | None,
    "tune.learning_rate": Literal["auto"] | None,
    "tune.gain": NotNegative,
    "tune.memory": Count | None,
    "tune.steps": Annotated[int, Range(10)],
    "tune.rates": Annotated[float | list[float], Range(above=0)],
    "trainer.epochs": Count,
    "trainer.batch_size": Count,
    "trainer.steps_per_epoch": Count | None,
    "trainer.limit": Count | None,
    "trainer.max_time": Duration | None,
    "trainer.shuffle": bool,
    "trainer.jit_compile": bool | Literal["auto"],
    "trainer.run_eagerly": bool,
    "hardware.scale_batch": Literal["global", "per_replica"],
    "hardware.scale_learning_rate": Literal[False, "linear"],
    "hardware.local_workers": Annotated[int, Range(2, 64)] | None,
    "tracking.uri": str | None,
    "tracking.experiment": str,
    "tracking.run_name": str | None,
    "tracking.every_steps": Count | None,
    "tracking.interval": NotNegative,
    "tracking.timeout": NotNegative,
}
