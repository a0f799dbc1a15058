"""Presets of Keras Hub: a folder as `save_to_preset` writes it, read as data; or a name, which is downloaded."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trainrun.errors import Problem, UserError, did_you_mean, first_line, listed
from trainrun.util import paths

EXTRA = "it needs the package keras_hub: pip install 'trainrun[hub]'."
CONFIG, TOKENIZER, CONVERTER, TASK = "config.json", "tokenizer.json", "image_converter.json", "task.json"
# The files of a preset that name classes.
CONFIGS = (CONFIG, TOKENIZER, CONVERTER, TASK, "preprocessor.json")
WEIGHTS = "model.weights.h5"
# Bytes of such a file; a model of thousands of layers takes less.
_MAX_CONFIG_BYTES = 50_000_000
_NAME = re.compile(r"[a-z0-9]\w*(\.\w+)*", re.IGNORECASE)
_SAVE = "Save one in Python: backbone.save_to_preset('preset')."
# Values that the configs of Keras write in the form of an object, without a module.
_VALUES = ("__tuple__", "__tensor__", "__numpy__", "__ellipsis__", "__slice__")


def is_installed() -> bool:
    """Return whether Keras Hub is there; it is not imported."""
    return importlib.util.find_spec("keras_hub") is not None


def is_name(preset: str) -> bool:
    """Return whether a preset is meant by its name, ``bert_tiny_en_uncased``, and not as a folder."""
    return _NAME.fullmatch(preset) is not None and not paths.expanded(preset).exists()


def fault(preset: Any, kind: str | None = None, weights: bool = False) -> str | None:
    """Return what is wrong with a preset, as far as its folder tells without Keras; else None.

    Args:
        preset: as typed: a folder or a name, of which nothing is known before the download.
        kind: ``image`` or ``tokens``, what it has to take; None: either.
        weights: whether it must have some.
    """
    if not isinstance(preset, str) or not preset:
        return f"expected the folder of a preset of Keras Hub, or its name, got {preset!r}. Write for example model.preset=bert_tiny_en_uncased."
    if "://" in preset:
        return f"expected a folder or a name, got {preset}. Download it, and name the folder."
    if not is_installed():
        return EXTRA
    folder = paths.expanded(preset)
    if is_name(preset):
        return None
    if not folder.is_dir():
        if folder.suffix == ".keras" and folder.exists():
            return f"{preset} is a file of Keras, not the folder of a preset. Take model=file model.path={preset}."
        return (
            f"there is no folder {preset}. {_SAVE}"
            if not folder.exists()
            else f"{preset} is no folder. {_SAVE}"
        )
    try:
        configs = {name: read(folder, name) for name in CONFIGS if name == CONFIG or (folder / name).exists()}
    except FileNotFoundError:
        return f"{preset} has no {CONFIG}, so it is no preset of Keras Hub. {_SAVE}"
    except (OSError, ValueError, RecursionError) as error:
        return f"{preset} is damaged: {first_line(error)}. Save or copy it anew."
    return _config_fault(preset, configs) or _use_fault(folder, preset, configs[CONFIG], kind, weights)


def _config_fault(preset: str, configs: dict[str, dict[str, Any]]) -> str | None:
    """Return which file of a preset is none of Keras Hub, or names a class of another library; else None."""
    if "registered_name" not in configs[CONFIG]:
        origin = "Hugging Face Transformers" if "model_type" in configs[CONFIG] else "another library"
        return f"{preset}/{CONFIG} is of {origin}. Load it by keras_hub.models.Backbone.from_preset, and save that: backbone.save_to_preset('preset')."
    foreign = {
        f"{node.get('module')}.{node['class_name']}"
        for c in configs.values()
        for node in nodes(c)
        if not _is_own(node)
    }
    if foreign:
        return f"{preset} names {listed(sorted(foreign))}, which is neither of Keras nor of Keras Hub, and is not imported. Take a preset of their classes."
    return None


def _use_fault(
    folder: Path, preset: str, config: dict[str, Any], kind: str | None, weights: bool
) -> str | None:
    """Return why a preset cannot be used for the data, or lacks its weights; else None."""
    if (takes := kind_of(config)) is None:
        return f"{preset} holds a {config['class_name']}, which takes neither one image nor one text. Take a backbone of images or of texts."
    if kind is not None and takes != kind:
        of = {"image": "images", "tokens": "texts"}
        return f"{preset} holds a {config['class_name']}, which takes {of[takes]}; the data has {of.get(kind, kind)}."
    if str((config["config"].get("dtype") or {}).get("class_name", "DTypePolicy")) not in (
        "DTypePolicy",
        "FloatDTypePolicy",
    ):
        return f"{preset} is quantized, and cannot be trained. Take the preset that it was made of."
    if weights and not (folder / WEIGHTS).is_file():
        return f"{preset} has no {WEIGHTS}. Copy it there, or begin with random weights: model.load_weights=false."
    return None


def read(folder: Path, name: str) -> dict[str, Any]:
    """Return a JSON file of a preset.

    Raises:
        OSError, ValueError: it cannot be read, or holds no object of Keras.
    """
    content = paths.content(folder / name)
    if len(content) > _MAX_CONFIG_BYTES:
        raise ValueError(f"{name} has more than {_MAX_CONFIG_BYTES:,} bytes")
    tree = json.loads(content)
    if not isinstance(tree, dict):
        raise ValueError(f"{name} holds no mapping")
    if "registered_name" in tree and not isinstance(tree.get("config"), dict):
        raise ValueError(f"{name} holds no object of Keras")
    return tree


def kind_of(config: dict[str, Any]) -> str | None:
    """Return what the backbone of a preset takes: ``image``, ``tokens``, or None for anything else or for several."""
    own = config["config"]
    seen, written = "image_shape" in own or "input_shape" in own, "vocabulary_size" in own
    return None if seen == written or "backbone" in own else "image" if seen else "tokens"


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every mapping with a `class_name` in a config."""
    if isinstance(tree, dict):
        if "class_name" in tree:
            yield tree
        for value in tree.values():
            yield from nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from nodes(value)


def _is_own(node: dict[str, Any]) -> bool:
    """Return whether a node names a class of Keras or Keras Hub, or a value."""
    module, registered = node.get("module"), node.get("registered_name")
    if node["class_name"] in _VALUES and "module" not in node:
        return True
    own = isinstance(module, str) and module.split(".")[0] in ("keras", "keras_hub", "builtins")
    return own and (
        registered is None or str(registered).startswith("keras_hub>") or registered == node["class_name"]
    )


def folder(preset: str, key: str) -> Path:
    """Return the folder of a preset that `fault` has nothing against; one that is named is downloaded, or taken from its cache.

    Args:
        preset: a folder or a name.
        key: of the config, for messages.

    Raises:
        UserError: there is no preset of that name, or it cannot be downloaded.
    """
    if not is_name(preset):
        return paths.expanded(preset)
    import kagglehub
    import keras_hub

    known = keras_hub.models.Backbone.presets
    if preset not in known:
        text = f"Keras Hub has no preset {preset!r}, and there is no such folder.{did_you_mean(preset, known)} {_SAVE}"
        raise UserError(Problem(key, text))
    try:
        handle = known[preset]["kaggle_handle"].removeprefix("kaggle://")
        # The whole folder at once: its files are looked at before any of them is used.
        return Path(kagglehub.model_download(handle))
    except Exception as error:
        # `requests`, which Kaggle Hub downloads by, has a ConnectionError of its own, whose text is of its insides.
        offline = type(error).__name__ in ("ConnectionError", "ConnectTimeout", "ProxyError")
        why = "Kaggle cannot be reached" if offline else first_line(error)[:200]
        text = (
            f"the preset {preset} could not be downloaded: {why}. Without a network, save it elsewhere, "
            f"keras_hub.models.Backbone.from_preset({preset!r}).save_to_preset('preset'), copy the folder here and name it: {key}=preset. "
            "A preset of texts needs its tokenizer, too: keras_hub.models.Tokenizer.from_preset(…).save_to_preset('preset')."
        )
        raise UserError(Problem(key, text)) from error
