"""The report of a search for a NaN as text: where it appeared first, and what to try."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trainrun.failure import nan_step
from trainrun.failure.classification import NonFinite

# The square or exponential of such a number overflows float32.
LARGE = 1e18


def message(failure: NonFinite, report: Mapping[str, Any], run_dir: Path | None) -> str:
    """Return the text of a report; with `run_dir` it names the command for a rollback."""
    lines = []
    if "unknown" in report:
        lines.append(f"{failure}. The first tensor that is not finite is not known: {report['unknown']}.")
        lines.append(
            "Try a lower optimizer.learning_rate, optimizer.clipnorm=1, or look for missing values in the data."
        )
    else:
        lines += _origin(failure, report)
    if run_dir is not None:
        lines.append(
            f"To continue from the last checkpoint at a lower learning rate: trainrun resume {run_dir} failure.non_finite=rollback"
        )
    return "\n".join(lines)


def _origin(failure: NonFinite, report: Mapping[str, Any]) -> Iterator[str]:
    first, largest = report["first"], report["largest"]
    kind, name = first["kind"], first["name"]
    subject = {
        nan_step.INPUT: f"the input {name}",
        nan_step.LABEL: "the label",
        nan_step.WEIGHT: "the sample weight",
        nan_step.VARIABLE: f"the weight {name}, already before the step,",
        nan_step.LAYER: f"the output of layer {name}",
        nan_step.LOSS: "the loss, computed from finite predictions,",
        nan_step.PENALTY: f"the penalty on {name}",
        nan_step.GRADIENT: f"the gradient of {name}",
        nan_step.UPDATE: f"the updated {name}",
        nan_step.STEP: "the loss that the step returns",
    }[kind]
    what = "loss" if failure.what == "loss" else "weights"
    at = f"{what} became {report['value']} in epoch {report['epoch']}, step {report['step']}"
    cause = report["cause"]
    if failure.what == "weights":
        at = f"weights became {report['value']} in epoch {cause['epoch']}, step {cause['step']}"
    elif (cause["epoch"], cause["step"]) != (report["epoch"], report["step"]):
        at += f", by the step before it (epoch {cause['epoch']}, step {cause['step']})"
    text = f"{at}: {subject} is the first that is not finite ({first['value']}"
    if kind != nan_step.LAYER and largest and largest["value"] > LARGE:
        text += f"; layer {largest['layer']} gave {largest['value']:.2g} at most"
    yield text + ")."
    yield _examples(report)
    yield _advice(kind, first, report)


def _examples(report: Mapping[str, Any]) -> str:
    """Return the sentence that names the examples."""
    chosen, batch = report["examples"], report["batch"]
    more = ", …" if chosen["count"] > len(chosen["first"]) else ""
    shown = ", ".join(map(str, chosen["first"])) + more
    if not report["of_examples"]:
        return f"The batch has {batch['count']} training examples: {shown}."
    count = f"Training example {shown}" if chosen["count"] == 1 else f"Training examples {shown}"
    return f"{count} ({chosen['count']} of the batch's {batch['count']})."


def _advice(kind: str, first: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    rate = report["learning_rate"]
    lower = "a lower optimizer.learning_rate" + (f" (it was {rate:g})" if rate else "")
    if kind in (nan_step.INPUT, nan_step.LABEL, nan_step.WEIGHT):
        return "Correct these examples in the data, or leave them out."
    if kind == nan_step.VARIABLE:
        return "Look at where the weights come from: model.weights, an initializer, a layer's own state."
    if kind == nan_step.LOSS:
        return (
            f"The loss takes a logarithm, a root or a quotient of the prediction: keep it away from zero, or "
            f"try {lower}."
        )
    if kind == nan_step.STEP:
        return "All tensors before it are finite: look at what else trainer.step computes, or at rounding."
    half = "float16" in first["dtype"] or "float16" in str(report["precision"])
    narrow = "hardware.precision=mixed_bfloat16 or float32, " if half else ""
    large = (report["largest"] or {}).get("value", 0.0) > LARGE
    if kind == nan_step.GRADIENT and first["value"] == "nan" and not large and not half:
        return (
            "A root, a quotient or a logarithm at zero has no gradient, even where its value is finite: keep its argument "
            f"away from zero, in the loss or in a layer. (Clipping does not remove a NaN.) Else try {lower}."
        )
    return f"Try {narrow}optimizer.clipnorm=1, {lower}."
