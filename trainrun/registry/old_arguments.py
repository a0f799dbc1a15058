"""Arguments from tutorials for earlier versions of Keras, and for Hydra's own Optuna sweeper, and their replacements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from trainrun.errors import did_you_mean, nearest

MOST_HINTS = 3  # keys that a message suggests
CLOSE = 0.85  # similarity of a mistyped key to one inside a group
_DATA = "The data decides it; leave it out."
_PIPELINE = "Batches are made without it; leave it out."
_LAYER = {
    "W_constraint": "kernel_constraint",
    "W_regularizer": "kernel_regularizer",
    "b_constraint": "bias_constraint",
    "b_regularizer": "bias_regularizer",
    "bias": "use_bias",
    "border_mode": "padding",
    "dim_ordering": "data_format",
    "init": "kernel_initializer",
    "inner_init": "recurrent_initializer",
    "nb_filter": "filters",
    "output_dim": "units",
    "p": "rate",
    "subsample": "strides",
}
# Group -> old argument -> the argument of today, or a sentence that ends in a full stop.
OLD: Mapping[str, Mapping[str, str]] = {
    "callback": {
        "batch_size": "The run's is trainer.batch_size; leave it out.",
        "epsilon": "min_delta",
        "period": "save_freq",
        "write_grads": "callback=weight_logger writes norms of weights; leave it out.",
    },
    "data": {
        "resample": "The trainer balances the classes: trainer.resample=oversample.",
        "threshold": "It is a setting of the run: threshold=f1.",
        "validation_split": "validation",
    },
    "hydra.sweeper": {
        "direction": "It is sweep.direction=maximize.",
        "n_jobs": "It is hydra.launcher.n_jobs=4.",
        "n_trials": "It is sweep.trials=20.",
    },
    "layer": {
        **_LAYER,
        "batch_input_shape": _DATA,
        "input_dim": _DATA,
        "input_length": _DATA,
        "input_shape": _DATA,
        "time_major": "Batches come first; leave it out.",
        "weights": "Weights come from a file with model=file; leave it out.",
    },
    "loss": {"from_logit": "from_logits"},
    "model": {
        "bias_init": "initializer",
        "init": "initializer",
        "kernel_constraint": "constraint",
        "kernel_initializer": "initializer",
        "kernel_regularizer": "regularizer",
    },
    "optimizer": {
        "decay": "A rate that decays is a schedule: schedule=inverse_time_decay schedule.decay_steps=1 schedule.decay_rate=….",
        "lr": "learning_rate",
        "schedule_decay": "Nadam's schedule of momentum is fixed; leave it out.",
    },
    "schedule": {"initial_lr": "initial_learning_rate", "lr": "initial_learning_rate"},
    "sweep": {"seeds": "It is seeds=5."},
    "trainer": {
        "generator": "The data is data=…, of a plug-in where it is your own (docs/plugins.md).",
        "initial_epoch": "`trainrun resume RUN` goes on where a run stopped.",
        "max_q_size": _PIPELINE,
        "max_queue_size": _PIPELINE,
        "nb_epoch": "epochs",
        "nb_worker": _PIPELINE,
        "pickle_safe": _PIPELINE,
        "sample_weight": "Weights of examples are data: data.weight=COLUMN.",
        "samples_per_epoch": "steps_per_epoch",
        "show_accuracy": "Metrics are metric=[accuracy].",
        "use_multiprocessing": _PIPELINE,
        "validation_data": "data.validation is the share of it.",
        "validation_split": "It is data.validation=0.2.",
        "verbose": "`trainrun … >file` writes lines and no bar; leave it out.",
        "workers": _PIPELINE,
    },
}


def today(group: str, argument: str) -> str | None:
    """Return a sentence with the replacement of an old argument, or None if it is none.

    Args:
        group: of the component or settings, a dotted path.
        argument: as typed.
    """
    of_group = OLD.get(group) or OLD.get(group.partition(".")[0], {})
    new = of_group.get(argument)
    if new is None:
        return None
    return new if " " in new else f"It is called {new}."


def unknown_key(word: str, config: Mapping[str, Any], known: Iterable[str]) -> str:
    """Return the message for a top-level key that does not exist: `epochs=3`, `lr=0.1`, `optimizr=adam`.

    Args:
        word: the key as typed.
        config: the config, whose groups may have the key, or know it under an older name.
        known: the top-level keys and groups.
    """
    # Of several keys those in use: not one that is null or false, or that follows another (${optimizer.learning_rate}).
    keys: dict[str, dict[str, bool]] = {}
    for group, node in config.items():
        if isinstance(node, Mapping) and group != "hydra":
            older = {old: new for old, new in OLD.get(group, {}).items() if new in node and old not in node}
            for leaf, name in {**{k: k for k in node if k != "name"}, **older}.items():
                keys.setdefault(leaf, {})[f"{group}.{name}"] = not str(node[name] or "$").startswith("$")
    exact = keys.get(word, {})
    exact = [key for key, used in exact.items() if used] or [*exact]
    hint = f" Did you mean {' or '.join(exact[:MOST_HINTS])}?" if exact else did_you_mean(word, known)
    if not hint and (near := nearest(word, keys, CLOSE)):
        hint = f" Did you mean {next(iter(keys[near]))}?"
    return f"there is no such key or group.{hint} `trainrun --help` lists the groups."
