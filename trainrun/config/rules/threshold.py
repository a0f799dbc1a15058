"""`threshold`: a number, or the criterion by which the decision threshold is chosen on the validation part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.data.dataset import Description
from trainrun.errors import Problem, did_you_mean

KEY = "threshold"
NAMED = ("f1", "balanced_accuracy")
EXPECTED = (
    "expected a number between 0 and 1, f1, balanced_accuracy, {precision: 0.9} (the highest recall with that precision), "
    "{recall: 0.9} (the highest precision with that recall), {fp: 1, fn: 5} (the least cost), or null"
)


def words(criterion: Any) -> str:
    """Return a criterion in words."""
    if isinstance(criterion, str):
        return criterion.replace("_", " ")
    if "fp" in criterion:
        return f"cost of {criterion['fp']:g} a false positive and {criterion['fn']:g} a false negative"
    ((name, least),) = criterion.items()
    return f"{'recall' if name == 'precision' else 'precision'}, {name} of at least {least:g}"


def problems(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """The criterion is one of those, the target has two classes, and there is a validation part."""
    value = config.get(KEY)
    if value is None:
        return
    if not _is_known(value):
        near = did_you_mean(value, NAMED) if isinstance(value, str) else ""
        yield Problem(KEY, f"{EXPECTED}; got {value!r}.{near}")
        return
    of = [one.target for one in data.named.values()] if data.target == "named" else [data.target]
    if (data.target is not None and "binary" not in of and None not in of) or data.task == "segmentation":
        text = f"it decides between two classes of an example, which data={config['data']['name']} has not. Leave it null."
        yield Problem(KEY, text)
    settings = config.get("data") or {}
    if isinstance(value, int | float):
        return
    if settings.get("validation") == 0 and not settings.get("validation_path"):
        text = "it is chosen on the validation part, and data.validation is 0. Try data.validation=0.2, or a number."
        yield Problem(KEY, text)
    elif data.parts is not None and "validation" not in data.parts:
        text = f"it is chosen on the validation part, which data={settings.get('name')} has not. Write a number, or null."
        yield Problem(KEY, text)


def _is_known(value: Any) -> bool:
    """Return whether a value is a number or a criterion."""

    def number(value: Any, least: float, most: float) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most

    if not isinstance(value, Mapping):
        return value in NAMED if isinstance(value, str) else number(value, 0, 1)
    if set(value) == {"fp", "fn"}:
        return all(number(cost, 0, float("inf")) for cost in value.values()) and any(value.values())
    return set(value) in ({"precision"}, {"recall"}) and all(number(v, 0, 1) for v in value.values())
