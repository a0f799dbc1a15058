"""What a value may be, by the name of its argument: the field's own ranges, told before TensorFlow loads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rule:
    """A set of allowed values.

    Args:
        kind: ``number``, ``int``, ``bool``, ``text`` or ``list``.
        low, high: the range, in it unless `above` or `below`.
        above, below: True leaves the end itself out.
        choices: the only values allowed, if not empty.
        null: whether null is allowed.
        words: texts allowed besides (`auto`).
        each: a list of such values is allowed too.
    """

    kind: str = "number"
    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False
    choices: tuple[Any, ...] = ()
    null: bool = False
    words: tuple[str, ...] = ()
    each: bool = False

    def expects(self) -> str:
        """Say what is allowed, as a phrase."""
        if self.choices:
            text = "one of " + ", ".join(
                str(c).lower() if isinstance(c, bool) else "null" if c is None else str(c)
                for c in self.choices
            )
        else:
            text = {
                "number": "a number",
                "int": "a whole number",
                "bool": "true or false",
                "text": "text",
                "list": "a list",
            }[self.kind]
            if self.low > -math.inf and self.high < math.inf:
                text += f" in {'(' if self.above else '['}{_number(self.low)}, {_number(self.high)}{')' if self.below else ']'}"
            elif self.low > -math.inf:
                text += f" above {_number(self.low)}" if self.above else f" of at least {_number(self.low)}"
            elif self.high < math.inf:
                text += f" below {_number(self.high)}" if self.below else f" of at most {_number(self.high)}"
        if self.each:
            text += ", or a list of such"
        others = [*self.words, *(["null"] if self.null else [])]
        return text + (f", or {' or '.join(others)}" if others else "")

    def allows(self, value: Any) -> bool:
        """Tell whether the value is one of the set."""
        if value is None:
            return self.null
        if isinstance(value, str) and value in self.words:
            return True
        if self.choices:
            return value in self.choices
        if self.each and isinstance(value, list):
            return all(self.allows(v) for v in value)
        if self.kind == "bool":
            return isinstance(value, bool)
        if self.kind == "text":
            return isinstance(value, str)
        if self.kind == "list":
            return isinstance(value, list)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if self.kind == "int" and not float(value).is_integer():
            return False
        if not math.isfinite(value):
            return False
        low = value > self.low if self.above else value >= self.low
        return low and (value < self.high if self.below else value <= self.high)


def _number(value: float) -> str:
    return f"{int(value)}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:g}"


POSITIVE = Rule(low=0, above=True)
POSITIVE_OR_NULL = Rule(low=0, above=True, null=True)
NOT_NEGATIVE = Rule(low=0)
NOT_NEGATIVE_OR_NULL = Rule(low=0, null=True)
SHARE = Rule(low=0, high=1)
DECAY = Rule(low=0, high=1, below=True)  # a momentum or beta: 1 would never forget
COUNT = Rule("int", low=1)
COUNT_OR_NULL = Rule("int", low=1, null=True)
INDEX = Rule("int", low=0)
FLAG = Rule("bool")
TEXT_OR_NULL = Rule("text", null=True)
SIZES = Rule("int", low=1, each=True)

# Arguments of callbacks that are paths of files in the run's directory.
RUN_PATHS = ("filepath", "filename", "log_dir", "backup_dir")

# By argument, or by group.argument where a name means something else in one group.
RULES: dict[str, Rule] = {
    # optimizers
    "learning_rate": POSITIVE,
    "lookahead.learning_rate": POSITIVE_OR_NULL,
    "initial_learning_rate": POSITIVE_OR_NULL,
    "max_learning_rate": POSITIVE_OR_NULL,
    "end_learning_rate": NOT_NEGATIVE,
    "momentum": DECAY,
    "layer.momentum": SHARE,
    "beta_1": DECAY,
    "beta_2": DECAY,
    "beta_1_decay": Rule(low=0, high=1),
    "rho": SHARE,
    "epsilon": POSITIVE_OR_NULL,
    "weight_decay": NOT_NEGATIVE_OR_NULL,
    "clipnorm": POSITIVE_OR_NULL,
    "clipvalue": POSITIVE_OR_NULL,
    "global_clipnorm": POSITIVE_OR_NULL,
    "use_ema": FLAG,
    "ema_momentum": SHARE,
    "ema_overwrite_frequency": COUNT_OR_NULL,
    "loss_scale_factor": POSITIVE_OR_NULL,
    "gradient_accumulation_steps": Rule("int", low=2, null=True),
    "sync_period": COUNT,
    "slow_step_size": Rule(low=0, high=1, above=True),
    "nesterov": FLAG,
    # losses and metrics
    "from_logits": Rule("bool", null=True),
    "label_smoothing": SHARE,
    "reduction": Rule(
        choices=("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)
    ),
    "delta": POSITIVE,
    "gamma": NOT_NEGATIVE,
    "loss.focal.alpha": Rule(low=0, high=1, null=True, each=True),
    "threshold": Rule(null=True),
    "num_thresholds": Rule("int", low=2),
    "num_classes": Rule("int", low=1, null=True),
    "k": COUNT,
    "metric.recall": SHARE,
    "metric.precision": SHARE,
    "specificity": SHARE,
    "sensitivity": SHARE,
    "bins": Rule("int", low=2),
    # regularizers and initializers
    "l1": NOT_NEGATIVE,
    "l2": NOT_NEGATIVE,
    "stddev": POSITIVE,
    "gain": POSITIVE,
    # models
    "units": SIZES,
    "filters": SIZES,
    "dropout": DECAY,
    "rate": DECAY,
    "layer.rate": DECAY,
    # schedules
    "decay_rate": POSITIVE,
    "schedule.boundaries": Rule("list"),
    "schedule.values": Rule("list"),
    "staircase": FLAG,
    "t_mul": POSITIVE,
    "m_mul": POSITIVE,
    # data
    "validation": DECAY,
    "test": DECAY,
    "standardize": FLAG,
    "data.path": TEXT_OR_NULL,
    "data.delimiter": Rule("text"),
    "data.kind": TEXT_OR_NULL,
    "data.npz.x": Rule("text"),
    "data.npz.y": Rule("text"),
    "data.npz.weight": TEXT_OR_NULL,
    "model.path": TEXT_OR_NULL,
    "noise": NOT_NEGATIVE,
    # callbacks
    "patience": INDEX,
    "cooldown": INDEX,
    "factor": Rule(low=0, high=1, above=True, below=True),
    "min_delta": NOT_NEGATIVE,
    "min_lr": NOT_NEGATIVE,
    "mode": Rule(choices=("auto", "min", "max")),
    "start_from_epoch": INDEX,
    "restore_best_weights": FLAG,
    # trainer
    "trainer.epochs": COUNT,
    "trainer.batch_size": COUNT,
    "trainer.steps_per_epoch": COUNT_OR_NULL,
    "trainer.validation_freq": COUNT,
    "trainer.limit": COUNT_OR_NULL,
    "trainer.shuffle": FLAG,
    "trainer.steps_per_execution": Rule("int", low=1, words=("auto",)),
    "trainer.jit_compile": Rule("bool", words=("auto",)),
    "trainer.run_eagerly": FLAG,
    "trainer.accumulate": COUNT,
    # hardware
    "hardware.precision": Rule(choices=("float32", "mixed_float16", "mixed_bfloat16", "bfloat16", "float64")),
    "hardware.deterministic": FLAG,
    "hardware.threads": COUNT_OR_NULL,
    "hardware.tf32": FLAG,
    "hardware.index": Rule("int", low=0, null=True),
    "hardware.gpu.index": INDEX,
    "hardware.devices": Rule("int", low=0, each=True, null=True),
    "hardware.virtual_devices": COUNT_OR_NULL,
    "hardware.memory_growth": FLAG,
    "hardware.memory_limit": COUNT_OR_NULL,
    "hardware.workers": Rule("list", null=True),
    "hardware.local_workers": Rule("int", low=2, high=64, null=True),
    "hardware.port": Rule("int", low=1, high=65535),
    "hardware.timeout": Rule("int", low=5),
    "hardware.silence": Rule("int", low=5),
    "hardware.communication": Rule(choices=("auto", "ring", "nccl")),
    "hardware.address": Rule("text", null=True),
    "hardware.scale_batch": Rule(choices=("global", "per_replica")),
    "hardware.scale_learning_rate": Rule(choices=(False, "linear")),
    # tracking
    "tracking.uri": TEXT_OR_NULL,
    "tracking.experiment": Rule("text"),
    "tracking.run_name": TEXT_OR_NULL,
    "tracking.every_steps": COUNT_OR_NULL,
    "tracking.interval": NOT_NEGATIVE,
    "tracking.timeout": NOT_NEGATIVE,
    # run
    "seed": Rule("int", low=0, high=2**32 - 1),
    "tune.batch_size": Rule(choices=("auto",), null=True),
    "tune.learning_rate": Rule(choices=("auto",), null=True),
    "tune.gain": NOT_NEGATIVE,
    "tune.memory": COUNT_OR_NULL,
    "tune.steps": Rule("int", low=10),
    "tune.rates": Rule(low=0, above=True, each=True),
    "profile": FLAG,
    "profile_steps": Rule("int", low=1, each=True),
}


def rule_for(group: str, component: str, argument: str, default: Any) -> Rule | None:
    """Return what an argument may be: by its name, else by the type of its default; None: anything."""
    for key in (
        f"{group}.{component}.{argument}",
        f"{component}.{argument}",
        f"{group}.{argument}",
        argument,
    ):
        if key in RULES:
            return RULES[key]
    if isinstance(default, bool):
        return FLAG
    if isinstance(default, int):
        return Rule("int")
    if isinstance(default, float):
        return Rule("number")
    return None


def violation(rule: Rule, value: Any, default: Any) -> str | None:
    """Return what is wrong with a value, or None. The option's own default is always right."""
    if value == default and type(value) is type(default):
        return None
    if rule.allows(value) or (default is None and value is None):
        return None
    return f"expected {rule.expects()}, got {shown(value)}."


def shown(value: Any) -> str:
    """Return a value as one types it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, str | list | Mapping) else f"{value}"
