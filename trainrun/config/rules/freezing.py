"""Rules of weights that are not trained: regular expressions that can be read, of a model that has something left to train."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.config import optimizer_map, phases
from trainrun.config.rules import trainer_steps
from trainrun.data.dataset import Description
from trainrun.errors import Problem, did_you_mean
from trainrun.model import source_file
from trainrun.registry import declaration_reader, hints, signatures
from trainrun.registry.construct import resolve
from trainrun.util import patterns
from trainrun.util.arguments import Count, NotNegative, Positive

# Settings of a group of weights in the optimizer -> type hint.
GROUP_SETTINGS: Mapping[str, Any] = {"scale": Positive | None, "weight_decay": NotNegative | None}

# Settings of adapters -> type hint.
ADAPTER_SETTINGS: Mapping[str, Any] = {
    "rank": Count | None,
    "layers": str | list[str] | None,
    "alpha": Positive | None,
    "weights": str | None,
}


def problems(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """`model.freeze` and `model.trainable` are regular expressions; whether they match is known once the model is built."""
    spec = config["model"]
    for key in ("freeze", "trainable"):
        for pattern in patterns.listed(spec.get(key)):
            if reason := patterns.fault(pattern):
                yield Problem(f"model.{key}", reason)
    if spec.get("trainable") is False:
        source = signatures.read(resolve("model", spec)[0])
        if source is not None and "trainable" not in source.parameters:
            yield Problem(
                "model.trainable",
                f"model={spec['name']} would have nothing to train. Name the weights to train, model.trainable='head/.*', or those "
                "that are not, by model.freeze.",
            )


def adapters(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """`model.lora` has a rank and regular expressions of layers; whether they match is known once the model is built."""
    key, node = "model.lora", config["model"].get("lora")
    if not isinstance(node, Mapping):  # its type is checked with the other arguments
        return
    for name in node:
        if name not in ADAPTER_SETTINGS:
            text = f"there is no such key.{did_you_mean(str(name), ADAPTER_SETTINGS)} It takes {', '.join(ADAPTER_SETTINGS)}."
            yield Problem(f"{key}.{name}", text)
    for name, hint in ADAPTER_SETTINGS.items():
        if name in ("rank", "layers") and node.get(name) is None:
            yield Problem(
                f"{key}.{name}", "expected a value. Write for example {rank: 8, layers: .*attention/.*}."
            )
        elif fault := hints.violation(hint, node.get(name), None):
            yield Problem(f"{key}.{name}", fault)
    for pattern in patterns.listed(node.get("layers")):
        if reason := patterns.fault(pattern):
            yield Problem(f"{key}.layers", reason)


def quantization(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """`model.quantization_aware` goes with steps on batches and with a precision in which its export computes."""
    key, mode = "model.quantization_aware", config["model"].get("quantization_aware")
    if mode is None:
        return
    if not declaration_reader.of("model", config["model"]["name"]).quantizes:
        text = f"model={config['model']['name']} has no layer that Keras quantizes (Dense, EinsumDense, Embedding). Leave it null."
        yield Problem(key, text)
    reason = (
        "searches where the gradient vanishes, and that at rounded weights is an estimate, which does not."
    )
    if text := trainer_steps.fault(config, reason):
        yield Problem(key, text)
    if config["model"].get("lora") is not None:
        text = "the export rounds kernels with the adapters of model.lora merged into them; in training they are apart. Leave one of the two out."
        yield Problem(key, text)
    precision = str(config["hardware"].get("precision"))
    if mode == "int8" and precision.endswith("float16") and "bfloat16" not in precision:
        text = f"Keras quantizes no layer that computes in float16 to int8; hardware.precision={precision}. Take mixed_bfloat16, float32 or int4."
        yield Problem(key, text)


def groups(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """`optimizer.groups` is a map of regular expressions to a scale and a weight decay."""
    key, node = "optimizer.groups", (config.get("optimizer") or {}).get("groups")
    for pattern, own in node.items() if isinstance(node, Mapping) else ():
        if not isinstance(pattern, str):
            text = f"expected a regular expression over the paths of weights, got {pattern!r}. Write {{hidden_1/.*: {{scale: 0.1}}}}."
            yield Problem(key, text)
        elif reason := patterns.fault(pattern):
            yield Problem(key, reason)
        if not isinstance(own, Mapping) or not own:
            yield Problem(
                key,
                f"expected scale and weight_decay for {pattern!r}, got {own!r}. Write {{{pattern}: {{scale: 0.1}}}}.",
            )
            continue
        for name, value in own.items():
            if name not in GROUP_SETTINGS:
                text = f"a group has no {name!r}.{did_you_mean(str(name), GROUP_SETTINGS)} It takes {', '.join(GROUP_SETTINGS)}."
                yield Problem(key, text)
            elif fault := hints.violation(GROUP_SETTINGS[name], value, None):
                way_out = " Weights that are not trained: model.freeze." if name == "scale" else ""
                yield Problem(key, f"{name} of {pattern!r}: {fault}{way_out}")


def treated_differently(config: Mapping[str, Any]) -> bool:
    """Return whether what becomes of each weight is known only once the model is built."""
    phases_name = any(names_weights(phase.config) for phase in phases.listed(config))
    from_files = any(config.get(key) is not None for key in (source_file.KEY, source_file.TEACHER))
    rounds = config["model"].get("quantization_aware") is not None
    return phases_name or from_files or rounds


def names_weights(config: Mapping[str, Any]) -> bool:
    """Return whether a config treats weights differently by their paths."""
    model = config["model"]
    named = any(patterns.listed(model.get(key)) for key in ("freeze", "trainable"))
    by_optimizer = optimizer_map.entries(config) or (config["optimizer"] or {}).get("groups")
    return named or bool(model.get("lora")) or bool(by_optimizer)
