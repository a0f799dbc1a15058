"""Rules of presets of Keras Hub: the preset fits the data, and its tokens are those of its own tokenizer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainrun.data.dataset import Description
from trainrun.errors import Problem
from trainrun.util import paths


def problems(config: Mapping[str, Any], data: Description) -> Iterator[Problem]:
    """`model.preset` is a preset that takes the data's images or texts; `data.preset` or `data.text` names it for texts, too."""
    model = config["model"]
    if model.get("name") != "keras_hub":
        return
    from trainrun.util import hub_preset  # few configs need it

    preset, load = model.get("preset"), model.get("load_weights") is not False
    kind = data.inputs[0] if data.inputs and len(set(data.inputs)) == 1 else None
    known = kind if kind in ("image", "tokens") else None  # others are refused by what the model declares
    if wrong := hub_preset.fault(preset, known, load):
        yield Problem("model.preset", wrong)
    elif load and kind == "tokens":
        yield from _tokenizer(config["data"], preset)


def _tokenizer(data: Mapping[str, Any], preset: str) -> Iterator[Problem]:
    """The ids of a text mean nothing to a backbone that was trained on those of another tokenizer."""
    text, name = data.get("text"), data["name"]
    key = "data.preset" if "preset" in data else "data.text"
    own = data.get("preset")
    if isinstance(text, Mapping):
        own = next((form.get("preset") for form in text.values() if isinstance(form, Mapping)), None)
    if own is None:
        way_out = f"data.preset={preset}" if name == "text" else f"data.text={{COLUMN: {{preset: {preset}}}}}"
        if "text" not in data:
            way_out = "data=text with the texts themselves, or random weights, model.load_weights=false"
        text = f"model.preset={preset} has weights for the tokens of its own tokenizer; data={name} makes other ones. Add {way_out}."
        yield Problem(key if "text" in data else "data", text)
    elif not _same(own, preset):
        text = f"it is the tokenizer of {own}, and the model that of {preset}. Name the same preset."
        yield Problem(key, text)


def _same(one: str, other: str) -> bool:
    return one == other or paths.expanded(one).resolve() == paths.expanded(other).resolve()
