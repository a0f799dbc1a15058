"""Losses and metrics of several outputs: where a config names them, how they are typed, and the config of one output.

`loss={churn: focal, spend: huber}` is written out as Hydra has it: the options of a group, placed under the names of the outputs.

    loss:                          metric:
      name: auto                     auto: {name: auto}
      churn: {name: focal, …}        churn: {auc: {name: AUC, …}, ks: {name: ks, …}}
      spend: {name: Huber, …}        spend: {mae: {name: MeanAbsoluteError, …}}

An output that is not named has the default loss and metrics of its target.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from trainrun.data.dataset import Description
from trainrun.errors import Problem, did_you_mean
from trainrun.metric.auto import auto as auto_metrics
from trainrun.registry import log_columns, option_files

AUTO = "auto"
_TYPED = re.compile(r"(?P<add>\+{0,2})(?P<group>loss|metric)=\{(?P<pairs>.*)\}", re.DOTALL)
_PAIR = re.compile(
    r"\s*(?P<name>[A-Za-z]\w*)\s*:\s*(?P<options>\[[^\]{}]*\]|[A-Za-z][\w./-]*)\s*(?:,|$)", re.ASCII
)


def written_out(overrides: Sequence[str]) -> list[str]:
    """Return the overrides with ``loss={churn: focal}`` as the choices of options that Hydra knows; others are unchanged."""
    return [text for override in overrides for text in _written_out(override)]


def _written_out(override: str) -> list[str]:
    typed = _TYPED.fullmatch(override)
    if typed is None:
        return [override]
    pairs, at, text = [], 0, typed["pairs"].strip()
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None or pair["name"] == "name":  # that key of a group's node is its component
            return [override]  # Hydra or the check says what is wrong with it
        pairs.append(pair)
        at = pair.end()
    group = typed["group"]
    return [
        f"{group}={AUTO}",
        *(f"+{group}@{group}.{pair['name']}={''.join(pair['options'].split())}" for pair in pairs),
    ]


def in_yaml(key: str, option: Any) -> str:
    """Return how a YAML chooses the options of an output, as the end of a message.

    Args:
        key: of the output's node, ``loss.churn``.
        option: what stands there.
    """
    group, _, output = key.partition(".")
    chosen = (
        option
        if isinstance(option, str)
        else f"[{', '.join(map(str, option))}]"
        if isinstance(option, list)
        else "…"
    )
    return f" Of the output {output!r} of several, an option is chosen in the defaults of a YAML: `- /{group}@{key}: {chosen}`."


def losses(node: Any) -> dict[str, Any]:
    """Return output -> node of each loss in the config's `loss` node; empty where it is one loss."""
    if not isinstance(node, Mapping) or node.get("name") != AUTO:
        return {}
    return {name: spec for name, spec in node.items() if isinstance(spec, Mapping)}


def metrics(node: Any) -> dict[str, Mapping[str, Any]]:
    """Return output -> metrics in the config's `metric` node; empty where these are of one output."""
    if not isinstance(node, Mapping):
        return {}
    return {
        output: inside
        for output, inside in node.items()
        if isinstance(inside, Mapping)
        and "name" not in inside
        and all(isinstance(spec, Mapping) for spec in inside.values())
    }


def of(config: Mapping[str, Any], output: str) -> Mapping[str, Any]:
    """Return the config of one output: with its loss, its metrics and its class weights; that of a run with one target is the config itself.

    Args:
        config: resolved.
        output: its name; empty: the only one.
    """
    if not output:
        return config
    named, auto = metrics(config["metric"]), {"name": AUTO}
    default = {AUTO: auto} if AUTO in config["metric"] else {}
    trainer = config["trainer"]
    weights = trainer.get("class_weight")
    return {
        **config,
        "trainer": {**trainer, "class_weight": weights.get(output) if isinstance(weights, Mapping) else None},
        "loss": losses(config["loss"]).get(output, auto),
        "metric": named.get(output, default),
    }


def of_output(problem: Problem, output: str) -> Problem:
    """Return the problem of one output's config (`of`) under its key in the whole config."""
    if problem.key == "trainer.class_weight":
        return replace(problem, key=f"{problem.key}.{output}")
    group, dot, rest = problem.key.partition(".")
    return replace(problem, key=f"{group}.{output}{dot}{rest}") if group in ("loss", "metric") else problem


def problems(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """Yield what does not fit the number of outputs and their names; of data that is not known yet, nothing."""
    if data.target is None:
        return
    source, known = f"data={config['data']['name']}", list(data.named)
    named = {"loss": losses(config.get("loss")), "metric": metrics(config.get("metric"))}
    if not known:
        for group, nodes in named.items():
            for output in nodes:
                text = f"{source} has one target, and {group}.{output} is of one output of several. Write {group}=<option>."
                yield Problem(f"{group}.{output}", text)
        if config.get("loss_weights") is not None:
            text = f"{source} has one target, whose loss is the whole. Leave it null."
            yield Problem("loss_weights", text)
        return
    listed = ", ".join(known)

    def unknown(key: str, output: str) -> Problem:
        near = did_you_mean(str(output), known)
        return Problem(f"{key}.{output}", f"{source} has no output {output!r}.{near} It has {listed}.")

    for group, nodes in named.items():
        yield from (unknown(group, output) for output in nodes if output not in known)
    example = {"loss": f"{{{known[0]}: …}}", "metric": f"{{{known[0]}: […]}}"}
    if (name := (config.get("loss") or {}).get("name")) != AUTO:
        text = f"{source} has the outputs {listed}, each with a loss of its own; got {name}. Write 'loss={example['loss']}', or loss=auto."
        yield Problem("loss", text)
    for name in (config.get("metric") or {}).keys() - named["metric"].keys() - {AUTO}:
        text = f"{source} has the outputs {listed}, each with metrics of its own. Write 'metric={example['metric']}', or metric=auto."
        yield Problem(f"metric.{name}", text)
    weights = config.get("loss_weights")
    if weights is not None and not isinstance(weights, Mapping):
        yield Problem(
            "loss_weights", f"expected a weight for each output, {{{known[0]}: 1}}, or null, got {weights!r}."
        )
        weights = None
    for output, weight in (weights or {}).items():
        if output not in known:
            yield unknown("loss_weights", output)
        elif isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
            yield Problem(f"loss_weights.{output}", f"expected a number of at least 0, got {weight!r}.")
    yield from _refused(config, known)


def _refused(config: Mapping[str, Any], known: Sequence[str]) -> Iterator[Problem]:
    """Yield the settings that are of one target."""
    trainer = config.get("trainer") or {}
    several = f"the data has several outputs ({', '.join(known)})"
    weights = trainer.get("class_weight")
    if weights is not None and (not isinstance(weights, Mapping) or weights.keys() - {*known}):
        text = f"{several}; expected class weights by output, {{{known[0]}: balanced}}, or null, got {weights!r}."
        yield Problem("trainer.class_weight", text)
    if trainer.get("name") not in ("fit", "train_on_batch", "custom"):
        text = f"{several}; trainer={trainer.get('name')} trains one. Take trainer=fit, train_on_batch or custom."
        yield Problem("trainer", text)


def measured(config: Mapping[str, Any], data: Description) -> Mapping[str, Any]:
    """Return the config's `metric` node; of several outputs, with the default metrics of those that it does not name."""
    if not data.named:
        return config["metric"]
    nodes: dict[str, dict[str, Any]] = {}
    for output, one in data.named.items():
        specs = nodes[output] = dict(of(config, output)["metric"])
        if specs.pop(AUTO, None) is not None:
            chosen = [option_files.find("metric", name) for name in auto_metrics(one.task, one.target)]
            specs |= {option.name: option.arguments for option in chosen}
    return nodes


def columns(config: Mapping[str, Any], data: Description) -> tuple[str, ...] | None:
    """Return the logged columns of the config's metrics and of each output's loss, or None if they depend on data that is not known."""
    if not data.named:
        return log_columns.of_metrics(config.get("metric") or {}, data.task, data.target)
    nodes = measured(config, data)
    return tuple(f"{output}_{name}" for output, specs in nodes.items() for name in ("loss", *specs))
