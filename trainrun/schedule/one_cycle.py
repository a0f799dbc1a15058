"""The one-cycle learning-rate schedule."""

from __future__ import annotations

import math
from typing import Any, Literal

import keras
from keras import ops

from trainrun.util.arguments import Positive, TrainingLength


@keras.saving.register_keras_serializable("trainrun")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Increase the learning rate to a maximum, then decrease it far below the initial one, once.

    With `first = max_learning_rate / div_factor` and `last = first / final_div_factor`, the learning rate goes
    `first → max → last`: the maximum is at step `pct_start · total_steps − 1`, the end at `total_steps − 1`. With
    `three_phase` it goes `first → max → first → last`, where the second phase ends at `2 · pct_start · total_steps − 2`.
    Within a phase from `a` to `b`, at a fraction `p` of its length, the learning rate is `b + (a − b)/2 · (1 + cos πp)`, or
    `a + (b − a) p` with ``linear``. After the end it stays at `last`. These are the formulas of PyTorch's `OneCycleLR`,
    without its momentum cycle.

    Args:
        max_learning_rate: the maximum learning rate.
        total_steps: length of the cycle in steps, at least 2.
        pct_start: fraction of the cycle in which the rate increases, in (0, 1), with `three_phase` in (0, 0.5]; default
            0.3.
        anneal_strategy: ``cos`` or ``linear``; default ``cos``.
        div_factor: maximum divided by the initial learning rate, above 0; default 25.
        final_div_factor: initial divided by the final learning rate, above 0; default 1e4.
        three_phase: decrease to the initial rate symmetrically before the final phase; default False.

    Raises:
        ValueError: an argument is out of its range.

    Reference:
        Smith and Topin 2018, Super-Convergence, https://arxiv.org/abs/1708.07120;
        https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.OneCycleLR.html
    """

    def __init__(
        self,
        max_learning_rate: Positive | None,
        total_steps: TrainingLength | None,
        pct_start: float = 0.3,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ):
        if total_steps < 2:
            raise ValueError(f"total_steps must be at least 2; got {total_steps}.")
        if not 0 < pct_start < 1 or (three_phase and pct_start > 0.5):
            raise ValueError(f"pct_start must lie in (0, 1), with three_phase in (0, 0.5]; got {pct_start}.")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be cos or linear; got {anneal_strategy!r}.")
        if div_factor <= 0 or final_div_factor <= 0:
            raise ValueError(
                f"div_factor and final_div_factor must be above 0; got {div_factor}, {final_div_factor}."
            )
        self.max_learning_rate = max_learning_rate
        self.total_steps = total_steps
        self.pct_start = pct_start
        self.anneal_strategy = anneal_strategy
        self.div_factor = div_factor
        self.final_div_factor = final_div_factor
        self.three_phase = three_phase

    def _phases(self) -> list[tuple[float, float, float]]:
        """Return for each phase its last step, its initial and its final learning rate."""
        maximum = self.max_learning_rate
        first = maximum / self.div_factor
        last = first / self.final_div_factor
        peak = self.pct_start * self.total_steps - 1
        end = self.total_steps - 1
        if self.three_phase:
            return [(peak, first, maximum), (2 * peak, maximum, first), (end, first, last)]
        return [(peak, first, maximum), (end, maximum, last)]

    def __call__(self, step: Any) -> Any:
        step = ops.cast(ops.minimum(step, self.total_steps - 1), "float32")
        rate = None
        start = 0.0
        for end, before, after in self._phases():
            progress = ops.clip((step - start) / max(end - start, 1e-9), 0.0, 1.0)
            if self.anneal_strategy == "cos":
                phase_rate = after + (before - after) / 2 * (1 + ops.cos(math.pi * progress))
            else:
                phase_rate = before + (after - before) * progress
            rate = phase_rate if rate is None else ops.where(step <= start, rate, phase_rate)
            start = max(end, 0.0)
        return rate

    def get_config(self) -> dict[str, Any]:
        return {
            "max_learning_rate": self.max_learning_rate,
            "total_steps": self.total_steps,
            "pct_start": self.pct_start,
            "anneal_strategy": self.anneal_strategy,
            "div_factor": self.div_factor,
            "final_div_factor": self.final_div_factor,
            "three_phase": self.three_phase,
        }
