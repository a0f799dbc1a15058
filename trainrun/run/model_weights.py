"""Which weights are the model of a run: what is saved, tested and logged (`artifacts.weights`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from trainrun.callback._average_epochs import AverageEpochs
from trainrun.checkpoint.best_weights import BestWeights
from trainrun.checkpoint.writer import Checkpoint
from trainrun.config import outputs
from trainrun.hardware.replicas import leaves
from trainrun.registry import declaration_reader, direction, log_columns
from trainrun.trainer.job import Job

BEST, LAST, AVERAGE, CALLBACK, EPOCHS = "best", "last", "average", "callback", "swa"


def best(config: Mapping[str, Any], job: Job) -> BestWeights:
    """Return the object that keeps the best epoch: by the sweep's objective where validation measures it, else by the loss.

    Args:
        config: resolved.
        job: a trainer that does not validate has no best epoch on validation.
    """
    if job.validation is None or not len(job.validation):
        return BestWeights("loss", keep=False)
    keep = config["artifacts"].get("weights") == BEST
    sweep = config.get("sweep") or {}
    name, way = (
        v if isinstance(v, str | None) else v[0] for v in (sweep.get("objective"), sweep.get("direction"))
    )
    data = job.dataset.description()
    columns = outputs.columns(config, data) or ()
    split = direction.split_of(name or "").replace("test_", "") or "val_"
    column = log_columns.canonical(f"{split}{direction.bare(name)}", columns) if name else "val_loss"
    if direction.bare(column) not in columns:
        return BestWeights("val_loss", keep=keep)
    maximize = direction.resolved(column, way, outputs.measured(config, data)) == "maximize"
    return BestWeights(column, maximize, keep)


def settle(job: Job, callbacks: Sequence[keras.callbacks.Callback]) -> dict[str, Any]:
    """Set a trained model's weights to those of the best epoch, if these are to be the model.

    Weights that a callback has restored stay, and so do averaged ones, which no epoch has measured.

    Args:
        job: with the trained model.
        callbacks: of the training.

    Returns:
        ``choice`` (best, last, average, swa or callback); of ``best`` and ``callback`` also ``epoch`` (counted from 1), ``monitor`` and
        ``value``; of ``swa`` the number of ``epochs`` in the average.
    """
    for callback in callbacks:
        if (
            getattr(callback, "restore_best_weights", False)
            and getattr(callback, "best_weights", None) is not None
        ):
            at = {
                "epoch": int(callback.best_epoch) + 1,
                "monitor": callback.monitor,
                "value": float(callback.best),
            }
            return {"choice": CALLBACK, **at}
    for callback in callbacks:
        if isinstance(callback, AverageEpochs):
            return {"choice": EPOCHS, "epochs": callback.count} if callback.count else {"choice": LAST}
    declared = (declaration_reader.of_object("callback", c).needs_averaged_weights for c in callbacks)
    averages = any(getattr(leaf, "use_ema", False) for leaf in leaves(job.model.optimizer))
    if averages or any(declared):
        return {"choice": AVERAGE}
    kept = next((c.best for c in callbacks if isinstance(c, Checkpoint)), None)
    if kept is None or not kept.restore(job.model):
        return {"choice": LAST}
    return {"choice": BEST, "epoch": kept.epoch, "monitor": kept.monitor, "value": kept.value}


def early_stops(callbacks: Sequence[keras.callbacks.Callback]) -> Iterator[str]:
    """Yield a sentence for each callback of Keras that has ended the training early."""
    for callback in callbacks:
        stopped = getattr(callback, "stopped_epoch", 0)  # counted from 0; 0 as long as it has not stopped
        monitor, best_epoch = getattr(callback, "monitor", None), getattr(callback, "best_epoch", None)
        if stopped and monitor and best_epoch is not None:
            delta = abs(getattr(callback, "min_delta", 0))
            least = f" by more than {delta:g}" if delta else ""
            yield f"stopped early after epoch {stopped + 1}: {monitor} has not improved{least} since epoch {best_epoch + 1}"
