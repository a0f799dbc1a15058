"""A backbone of Keras Hub from a preset, with an output layer for the data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
from keras import layers, ops

from trainrun.data.dataset import InputSpec, TargetSpec
from trainrun.errors import Problem, UserError, first_line
from trainrun.model import inspected_file, stored_weights
from trainrun.model._blocks import output_layer
from trainrun.model._inputs import input_tensors, single_input
from trainrun.model._weights import Weights
from trainrun.ui import console
from trainrun.util import hub_preset
from trainrun.util.arguments import Count, Decay
from trainrun.util.declarations import declare

KEY = "model.preset"
# Arguments of a task in Keras Hub that are set here, or belong to its own output layer.
SET_HERE = (
    "name",
    "trainable",
    "dtype",
    "head_dtype",
    "backbone",
    "preprocessor",
    "num_classes",
    "activation",
)


@declare(targets=("binary", "multiclass", "multilabel", "real", "named"), inputs=("image", "tokens"))
def keras_hub(
    inputs: tuple[InputSpec, ...],
    target: TargetSpec,
    head: str | None,
    *,
    preset: str | None = None,
    load_weights: bool = True,
    size: Count | None = None,
    trainable: bool = True,
    dropout: Decay | None = None,
) -> keras.Model:
    """Build the backbone, what Keras Hub's classifier of this backbone has behind it (pooling, dropout), and a new output layer.

    Images must have values in [0, 1]. They are resized, scaled and shifted as the preset's `image_converter.json` says; a single
    channel is repeated three times. Texts must be tokens by the preset's tokenizer, `data.preset`.

    Args:
        inputs, target: specs of the data; one image, or one text.
        head: activation of the output layer; None for logits, scores and real numbers.
        preset: a folder as `save_to_preset` writes it, or a name, which is downloaded.
        load_weights: False: the preset's architecture with random weights; default True.
        size: height and width to which images are resized, in pixels; default None: as the preset says, else unchanged.
        trainable: False trains all but the backbone; default True.
        dropout: fraction of the features before the output layer set to 0 during training, in [0, 1); default None: the preset's.

    Raises:
        UserError: there is no such preset, it is damaged, or does not fit the data.
    """
    tensors, pairs = input_tensors(inputs)
    kind = "image" if any(spec.kind == "image" for spec in inputs) else "tokens"
    spec, x = single_input(pairs, kind, "keras_hub", "model=mlp")
    if (wrong := hub_preset.fault(preset, kind, load_weights)) is not None:
        raise _error(wrong)
    folder = hub_preset.folder(preset, KEY)
    if (wrong := hub_preset.fault(str(folder), kind, load_weights)) is not None:
        raise _error(wrong)
    backbone = _backbone(folder)
    if load_weights:
        what = f"the backbone of {preset}"
        stored_weights.set_all(backbone, folder / hub_preset.WEIGHTS, KEY, what, "Save the preset anew.")
    backbone.trainable = trainable
    x = _pixels(x, spec, folder, backbone, size) if kind == "image" else _of_tokens(x, spec, folder, backbone)
    x = _features(folder, backbone, kind, dropout)(x)
    return keras.Model(tensors, output_layer(x, target, head, Weights()), name="keras_hub")


def _error(message: str) -> UserError:
    return UserError(Problem(KEY, message))


def _backbone(folder: Path) -> keras.Model:
    """Return the backbone of a preset with random weights, of the run's precision, under the name `backbone`."""
    import keras_hub

    configs = [hub_preset.read(folder, n) for n in hub_preset.CONFIGS if (folder / n).exists()]
    if unknown := inspected_file.unknown([n for config in configs for n in hub_preset.nodes(config)]):
        raise _error(
            f"{folder} names {', '.join(unknown)}, which is not imported. Update keras_hub, or take another preset."
        )
    try:
        return keras_hub.models.Backbone.from_preset(
            str(folder), load_weights=False, name="backbone", dtype=keras.config.dtype_policy()
        )
    except Exception as error:  # whatever Keras Hub says of a config
        raise _error(f"Keras Hub cannot build {folder}: {first_line(error)}") from error


def _pixels(x: Any, spec: InputSpec, folder: Path, backbone: keras.Model, size: int | None) -> Any:
    """Return images as the backbone takes them, by its preset's converter."""
    takes = tuple(backbone.input.shape[1:3])
    converter: dict[str, Any] = {}
    if (folder / hub_preset.CONVERTER).exists():
        converter = _converter(folder)
    else:
        console.note(
            f"{folder.name} has no {hub_preset.CONVERTER}: pixels are given to it as numbers from 0 to 1"
        )
    wanted = (
        (size, size)
        if size
        else takes
        if None not in takes
        else converter.get("image_size") or spec.shape[:2]
    )
    if None not in takes and wanted != takes:
        raise UserError(
            Problem(
                "model.size",
                f"{folder} takes images of {takes[0]} by {takes[1]} only, got {size}. Leave it out.",
            )
        )
    if spec.shape[2] == 1 and backbone.input.shape[-1] == 3:
        x = layers.Concatenate(name="three_channels")([x, x, x])
    x = layers.Rescaling(255.0, name="as_bytes")(x) if converter else x
    if tuple(wanted) != spec.shape[:2]:
        # `Resizing` would set training=True: see `array_front`.
        x = ops.image.resize(x, tuple(wanted), **converter.get("resizing", {}))
    if converter:
        x = layers.Rescaling(converter["scale"], converter["offset"], name="as_of_preset")(x)
    return x


def _converter(folder: Path) -> dict[str, Any]:
    """Return what a preset's image converter does: `image_size`, `resizing`, `scale`, `offset`."""
    import keras_hub

    try:
        made = keras_hub.layers.ImageConverter.from_preset(str(folder))
    except Exception as error:
        raise _error(f"Keras Hub cannot read {folder}/{hub_preset.CONVERTER}: {first_line(error)}") from error
    names = ("crop_to_aspect_ratio", "pad_to_aspect_ratio", "interpolation", "antialias")
    none = {"scale": 1.0, "offset": 0.0}
    return {
        "image_size": made.image_size,
        "resizing": {name: getattr(made, name) for name in names},
        **{k: v if getattr(made, k) is None else getattr(made, k) for k, v in none.items()},
    }


def _of_tokens(x: Any, spec: InputSpec, folder: Path, backbone: keras.Model) -> dict[str, Any]:
    """Return the inputs of a backbone of texts: the tokens, which of them are no padding, and one segment for all."""
    own = hub_preset.read(folder, hub_preset.CONFIG)["config"]
    for value, most, key, words in (
        (spec.cardinalities[0], own["vocabulary_size"], "data.preset", "a vocabulary of"),
        (spec.shape[0], own.get("max_sequence_length"), "data.sequence_length", "texts of at most"),
    ):
        if most is not None and value > most:
            raise UserError(
                Problem(
                    key,
                    f"{folder} takes {words} {most:,} tokens; the data has {value:,}. Take its own, data.preset={folder}.",
                )
            )
    padding = 0
    if (folder / hub_preset.TOKENIZER).exists():
        import keras_hub

        padding = int(keras_hub.models.Tokenizer.from_preset(str(folder)).pad_token_id)
    of = {
        "token_ids": lambda: x,
        "padding_mask": lambda: ops.cast(ops.not_equal(x, padding), "int32"),
        "segment_ids": lambda: ops.zeros_like(x),
    }
    if strange := [name for name in backbone.input if name not in of]:
        raise _error(
            f"the backbone of {folder} takes {', '.join(strange)}, which texts do not have. Take one of a text classifier."
        )
    return {name: of[name]() for name in backbone.input}


def _features(folder: Path, backbone: keras.Model, kind: str, dropout: float | None) -> Any:
    """Return the function from a backbone's inputs to the input of the output layer of Keras Hub's classifier."""
    import keras_hub

    base = keras_hub.models.ImageClassifier if kind == "image" else keras_hub.models.TextClassifier
    of_backbone = [c for c in _subclasses(base) if c.backbone_cls is type(backbone)]
    if not of_backbone and kind == "tokens":
        raise _error(
            f"Keras Hub has no text classifier for {type(backbone).__name__}. Take a BERT-like preset: BERT, RoBERTa, ALBERT, DeBERTa …"
        )
    arguments: dict[str, Any] = {}
    if (folder / hub_preset.TASK).exists():
        task = hub_preset.read(folder, hub_preset.TASK)
        if keras.saving.get_registered_object(task["registered_name"]) in of_backbone:
            arguments = {k: v for k, v in task["config"].items() if k not in SET_HERE}
    if dropout is not None:
        arguments["dropout"] = dropout
    try:
        made = (of_backbone or [base])[0](backbone=backbone, num_classes=1, preprocessor=None, **arguments)
    except Exception as error:  # a backbone whose output no classifier of Keras Hub takes
        raise _error(f"Keras Hub cannot make a classifier of {folder}: {first_line(error)}") from error
    # `call` runs the layers of the graph, so that the backbone stands in the model itself, and not in a model in it.
    return keras.Model(made.input, made.output_dense.input).call


def _subclasses(base: type) -> list[type]:
    return [c for own in base.__subclasses__() for c in (own, *_subclasses(own))]
