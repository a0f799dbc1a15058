"""Token ids by the tokenizer of a Keras Hub preset, as a Keras layer: the data's texts and the saved model's raw rows go through it."""

from __future__ import annotations

import base64
import copy
import functools
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import keras_hub
import tensorflow as tf

from trainrun.errors import Problem, UserError, first_line


class Source:
    """The preprocessor of a record, which may have been received: no layer of its own, so that it is saved as JSON only.

    Args:
        record: as `record_of` returns it.
        sequence_length: of the tokens.

    Raises:
        ValueError: it is of another class, or its assets lie elsewhere.
    """

    def __init__(self, record: Mapping[str, Any], sequence_length: int):
        self.record = dict(record)
        config = copy.deepcopy(self.record["preprocessor"])  # Keras Hub puts objects into it
        self._made = keras.saving.deserialize_keras_object(config, safe_mode=True)
        if not isinstance(self._made, keras_hub.models.TextClassifierPreprocessor):
            raise ValueError(f"it holds a {type(self._made).__name__}, no preprocessor of texts")
        if strange := [name for name in record["assets"] if Path(name).name != name]:
            raise ValueError(f"{strange[0]!r} is no name of a file")
        self._made.sequence_length = sequence_length

    @functools.cached_property
    def preprocessor(self) -> Any:
        """The preprocessor with its vocabulary, which it takes from files only, and not while Keras loads a model in safe mode."""
        with tf.init_scope(), tempfile.TemporaryDirectory() as folder:
            for name, content in self.record["assets"].items():
                Path(folder, name).write_bytes(base64.b64decode(content))
            self._made.tokenizer.load_assets(folder)
        return self._made


@keras.saving.register_keras_serializable("trainrun")
class HubTokens(keras.layers.Layer):
    """Token ids of texts, with the start and end tokens of the preset, cut off or padded.

    Keras Hub's own preprocessor cannot be loaded as a part of a functional model: it has no vocabulary when the graph is made.

    Args:
        tokenizer: as `record_of` returns it.
        sequence_length: of the result.

    Call:
        The input is texts, `[batch]` or `[batch, 1]`, the output int32 `[batch, sequence_length]`.
    """

    def __init__(self, tokenizer: Mapping[str, Any], sequence_length: int, **kwargs: Any):
        super().__init__(**kwargs)
        self._convert_input_args = False
        self._allow_non_tensor_positional_args = True
        self.sequence_length, self.source = sequence_length, Source(tokenizer, sequence_length)
        # Keras Hub tokenizes by Python outside of a graph, and by TensorFlow within one; this is always the latter. A partial
        # function, because TensorFlow warns of functions of the same code that are traced anew in each layer.
        signature = [tf.TensorSpec([None], tf.string)]
        self._ids = tf.function(functools.partial(_ids, self.source), input_signature=signature)
        self.built = True

    def call(self, inputs: Any) -> Any:
        return tf.ensure_shape(self._ids(tf.reshape(inputs, [-1])), [None, self.sequence_length])

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        return keras.KerasTensor((inputs.shape[0], self.sequence_length), dtype="int32")

    def get_config(self) -> dict[str, Any]:
        own = {"tokenizer": self.source.record, "sequence_length": self.sequence_length}
        return {**super().get_config(), **own}


def _ids(source: Source, texts: Any) -> Any:
    return source.preprocessor(texts)["token_ids"]


def record_of(folder: Path, key: str) -> dict[str, Any]:
    """Return the tokenizer of a preset as plain JSON: `preprocessor`, its config; `assets`, its files in base64.

    Args:
        folder: of the preset, inspected.
        key: of the config, for messages.

    Raises:
        UserError: it has no tokenizer of texts to classify.
    """
    try:
        preprocessor = keras_hub.models.TextClassifierPreprocessor.from_preset(str(folder))
        with tempfile.TemporaryDirectory() as made:
            preprocessor.tokenizer.save_assets(made)
            assets = {p.name: base64.b64encode(p.read_bytes()).decode() for p in sorted(Path(made).iterdir())}
    except Exception as error:  # whatever Keras Hub says of a preset without a tokenizer, or of another task
        text = f"{folder} has no tokenizer to classify texts: {first_line(error)} Save it there, too: tokenizer.save_to_preset('preset')."
        raise UserError(Problem(key, text)) from error
    return {"preprocessor": keras.saving.serialize_keras_object(preprocessor), "assets": assets}


def vocabulary(layer: HubTokens) -> list[str]:
    """Return the tokens in the order of their ids; that of padding is empty."""
    tokenizer = layer.source.preprocessor.tokenizer
    tokens = [str(tokenizer.id_to_token(i)) for i in range(tokenizer.vocabulary_size())]
    tokens[padding(layer)] = ""
    return tokens


def padding(layer: HubTokens) -> int:
    """Return the id of padding."""
    return int(layer.source.preprocessor.tokenizer.pad_token_id)


def texts(layer: HubTokens, ids: Any) -> list[str]:
    """Return texts of token ids, `[n, sequence_length]`, without start, end and padding; spaces and unknown words are the tokenizer's."""
    tokenizer = layer.source.preprocessor.tokenizer
    outer = {tokenizer.start_token_id, tokenizer.end_token_id, tokenizer.pad_token_id}
    return [str(tokenizer.detokenize([i for i in row if i not in outer])) for row in ids.tolist()]
