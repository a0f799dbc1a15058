"""Rules of settings that do not go together: loss, metrics, model and task; schedules and callbacks; sizes. One function a rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from trainrun.config import outputs
from trainrun.config.named_components import chosen, own_step
from trainrun.config.rules import (
    augmentation,
    averaging,
    columns,
    distillation,
    freezing,
    hardware,
    heads,
    hub,
    initial,
    layer_graph,
    optimizer,
    requirements,
    threshold,
    tuning,
)
from trainrun.data.dataset import Description
from trainrun.errors import Problem, did_you_mean
from trainrun.registry import declaration_reader, direction, lookup
from trainrun.util import class_ids

NEEDS = {
    "binary": "labels of two classes",
    "multiclass": "class labels",
    "multilabel": "several 0/1 labels an example",
    "real": "real numbers to predict",
    "none": "no labels at all",
    "named": "several named outputs",
}
IS = {
    "binary": "two-class classification",
    "multiclass": "classification with several classes",
    "multilabel": "multi-label classification",
    "real": "regression",
    "none": "minimisation without labels",
    "named": "of several outputs",
}
INSTEAD = {
    "loss": {
        "binary": "loss=binary_crossentropy",
        "multiclass": "loss=sparse_categorical_crossentropy",
        "multilabel": "loss=binary_crossentropy",
        "real": "loss=huber",
        "none": "loss=model_output",
    },
    "metric": {
        "binary": "metric=[accuracy,auc]",
        "multiclass": "metric=accuracy",
        "multilabel": "metric=binary_accuracy",
        "real": "metric=[rmse,mae]",
        "none": "metric=none",
    },
}


def problems(config: Mapping[str, Any], data: Description) -> list[Problem]:
    """Return every pair of settings that cannot work.

    Args:
        config: the resolved config.
        data: what is known of the data. A rule that needs more yields nothing; the builder calls the rules again
            with the loaded data.
    """
    rules = (
        targets, inputs, rate_set_twice, rate_to_start_from, optimizer.nesterov, optimizer.clipping, optimizer.multi, batch_size, classes, class_weights, resampling, monitored_directions,
        averaging.problems, accumulated_losses, compiled_losses, boundaries, heads.problems, columns.held_out_parts, columns.problems, initial.problems, hub.problems, distillation.problems, layer_graph.problems, freezing.problems, freezing.adapters, freezing.quantization, freezing.groups, requirements.problems, requirements.ordered_classes, hardware.problems, tuning.problems, augmentation.problems, threshold.problems,
    )  # fmt: skip
    problems = [*outputs.problems(config, data), *(p for rule in rules for p in rule(config, data))]
    for output, one in data.named.items():
        of_output = outputs.of(config, output)
        ordered = partial(requirements.ordered_classes, output=output)
        for rule in (partial(targets, of_output=True), classes, class_weights, heads.problems, ordered):
            problems += [outputs.of_output(p, output) for p in rule(of_output, one)]
    return problems


def targets(config: Mapping[str, Any], data: Description, of_output: bool = False) -> Iterator[Problem]:
    """The loss, each metric and the model fit the kind of target that the data has, or one output of several.

    A model that declares `named` alone takes outputs of every kind.
    """
    if data.target is None:
        return
    source = f"data={config['data']['name']}"
    for group in ("loss", "metric", "model") if data.target != "named" else ("model",):
        for key, name, spec in chosen(config, group):
            declared = declaration_reader.of(group, spec["name"])
            if getattr(declared, "labels", ()) == ("sequence",) and data.target != "none":
                text = f"{group}={name} needs a sequence of labels for each example; {source} has one label for each."
                yield Problem(key, text)
                continue
            fits = declared.targets
            if not fits or data.target in fits or (of_output and set(fits) == {"named"}):
                continue
            # A two-class problem is a case of several classes for a loss that reads class ids or one-hot labels.
            way_out = INSTEAD.get(group, {}).get(data.target)
            shown = f"{group}={name}"
            needs = " or ".join(dict.fromkeys(NEEDS[f] for f in fits))
            advice = f" Try {way_out}." if way_out else f" `trainrun ls {group}` says what each is for."
            yield Problem(key, f"{shown} needs {needs}; {source} is {IS[data.target]}.{advice}")


def inputs(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """The model takes the kinds of input that the data has."""
    for key, name, spec in chosen(config, "model"):
        takes = declaration_reader.of("model", spec["name"]).inputs
        refused = [kind for kind in data.inputs or () if takes and kind not in takes]
        if refused:
            yield Problem(
                key,
                f"model={name} takes {' or '.join(takes)} input; data={config['data']['name']} has {' and '.join(refused)}. "
                f"Try model={'mlp' if 'tokens' not in refused else 'recurrent'}.",
            )


def has_schedule(config: Mapping[str, Any]) -> bool:
    """Return whether a schedule sets the learning rate; with `schedule=constant` the optimizer does."""
    return (config.get("schedule") or {}).get("name") not in (None, "constant", "none")


def rate_set_twice(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """A schedule and a callback cannot both set the learning rate."""
    if not has_schedule(config):
        return
    for key, name, spec in chosen(config, "callback"):
        if declaration_reader.of("callback", spec["name"]).sets_learning_rate:
            yield Problem(
                key,
                f"callback={name} sets the learning rate, and so does schedule={config['schedule']['name']}. "
                f"Take one of them: schedule=constant, or leave the callback out.",
            )


def rate_to_start_from(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """A schedule needs a rate to start from, which an optimizer that wraps others may leave to them."""
    schedule, optimizer = config.get("schedule") or {}, config.get("optimizer") or {}
    if not has_schedule(config) or schedule.get("initial_learning_rate", 1) is not None:
        return
    yield Problem(
        "schedule.initial_learning_rate",
        f"a schedule needs a rate to start from, and optimizer={optimizer.get('name')} leaves it to the optimizers inside. "
        "Set optimizer.learning_rate, for example to 0.001.",
    )


def batch_size(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """A batch is not larger than the training data."""
    trainer = config.get("trainer") or {}
    size, limit = trainer.get("batch_size"), trainer.get("limit")
    if not isinstance(size, int) or data.examples is None:
        return
    examples = min(data.examples, limit) if isinstance(limit, int) else data.examples
    if size > examples:
        yield Problem(
            "trainer.batch_size",
            f"expected at most the number of training examples, {examples} in data={config['data']['name']}, got {size}. "
            f"Try trainer.batch_size={max(1, min(32, examples))}.",
        )


def classes(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """The number of classes of a loss, a metric or a last layer is that of the data."""
    if data.classes is None or data.target not in ("binary", "multiclass"):
        return
    source = f"data={config['data']['name']} has {data.classes} classes"
    for key, _, spec in [*chosen(config, "metric"), *chosen(config, "loss")]:
        count = spec.get("num_classes")
        if isinstance(count, int) and count != data.classes:
            yield Problem(
                f"{key}.num_classes",
                f"expected {data.classes} ({source}), got {count}. Leave it null and the data fills it in.",
            )
    for key, _, spec in chosen(config, "loss"):
        alpha = spec.get("alpha")
        if isinstance(alpha, list) and data.target == "multiclass" and len(alpha) != data.classes:
            yield Problem(f"{key}.alpha", f"expected {data.classes} weights ({source}), got {len(alpha)}.")
    model = config.get("model") or {}
    layers = model.get("layers")
    if (
        model.get("name") == "layers"
        and model.get("add_head") is False
        and isinstance(layers, list)
        and layers
    ):
        last = layers[-1] if isinstance(layers[-1], Mapping) else {}
        units = 1 if data.target == "binary" else data.classes
        if isinstance(last.get("units"), int) and last["units"] != units:
            yield Problem(
                f"model.layers[{len(layers) - 1}].units",
                f"expected {units} units in the last layer ({source}), got {last['units']}. Or set model.add_head=true, which adds the head.",
            )


def class_weights(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """Class weights name the data's classes."""
    weights = (config.get("trainer") or {}).get("class_weight")
    key = "trainer.class_weight"
    if weights is None or data.target == "named":  # of which each output is checked by itself
        return
    if weights != "balanced" and not isinstance(weights, Mapping):
        yield Problem(
            key,
            f"expected null, balanced, or a weight for each class such as {{0: 1.0, 1: 5.0}}, got {weights!r}.",
        )
        return
    if data.target in ("real", "none"):
        yield Problem(key, f"data={config['data']['name']} has no classes to weigh. Leave it null.")
    if not isinstance(weights, Mapping):
        return
    if data.target is None and not all(isinstance(w, int | float) for w in weights.values()):
        return  # of several outputs, if the data has them
    for label, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or weight < 0:
            yield Problem(key, f"expected a weight of at least 0 for class {label}, got {weight!r}.")
        # If the class names are known only after loading the data, the builder checks the keys.
        if (
            data.classes
            and class_ids.of(label, data.class_names or [str(i) for i in range(data.classes)]) is None
        ):
            near = did_you_mean(str(label), data.class_names)
            or_names = f" or names ({', '.join(data.class_names[:20])})" if data.class_names else ""
            yield Problem(
                key, f"expected class ids (0 to {data.classes - 1}){or_names} as keys, got {label!r}.{near}"
            )


def resampling(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """Resampling balances the classes of which each example has one, and nothing else does."""
    trainer, key = config.get("trainer") or {}, "trainer.resample"
    if trainer.get("resample") is None:
        return
    if data.target not in (None, "binary", "multiclass") or data.task == "segmentation":
        text = (
            f"it needs one class an example; data={config['data']['name']} has another target. Leave it null."
        )
        yield Problem(key, text)
    if trainer.get("class_weight") is not None:
        yield Problem(key, "trainer.class_weight balances the classes as well. Leave one of them null.")


def monitored_directions(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """A callback with `mode: auto` monitors a column whose direction is declared."""
    metrics = config.get("metric") or {}
    for key, _, spec in chosen(config, "callback"):
        monitor = spec.get("monitor")
        if (
            spec.get("mode") != "auto"
            or not isinstance(monitor, str)
            or lookup.is_plugin("callback", spec["name"])
        ):
            continue
        if direction.of(monitor, metrics) is None:
            yield Problem(f"{key}.mode", direction.unknown(monitor, f"{key}.mode=min or {key}.mode=max"))


def accumulated_losses(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """A batch that is taken in parts needs a loss that is a sum over examples."""
    loss, parts = config.get("loss"), (config.get("trainer") or {}).get("accumulate") or 1
    if not isinstance(loss, Mapping) or parts == 1 or loss.get("axis") is not None:
        return
    if declaration_reader.of("loss", loss.get("name")).whole_batch:
        text = f"{loss['name']} is one number for the whole batch, which trainer.accumulate takes in parts. Set it to 1, or take another loss."
        yield Problem("loss", text)


def compiled_losses(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """A callback that computes the compiled loss needs a step that trains by it."""
    name = own_step(config.get("trainer") or {})
    if name is None:
        return
    for key, _, spec in chosen(config, "callback"):
        if declaration_reader.of("callback", spec["name"]).reads_compiled_loss:
            text = f"it reads the compiled loss, and trainer.step={name} may train by another. Leave out one of them."
            yield Problem(key, text)


def boundaries(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """A piecewise schedule has one value more than boundaries."""
    schedule = config.get("schedule") or {}
    edges, values = schedule.get("boundaries"), schedule.get("values")
    if isinstance(edges, list) and isinstance(values, list) and len(values) != len(edges) + 1:
        yield Problem(
            "schedule.values",
            f"expected one more value than boundaries, {len(edges) + 1}, got {len(values)}.",
        )
