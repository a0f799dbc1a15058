"""Texts -> token ids, by `keras.layers.TextVectorization` fitted on the training part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainrun.data import _tensorflow
from trainrun.data._faults import raise_faults
from trainrun.util import machine
from trainrun.util.arguments import TextStandardize, TextTokens

if TYPE_CHECKING:
    import numpy as np

# Texts that are encoded at once.
CHUNK = 4096
# Without a length, that of this share of the training texts, and at most so many tokens.
SHARE, LONGEST = 0.95, 1000
# What the vocabulary has besides words: padding and the unknown token.
SPECIAL = 2


@dataclass(frozen=True)
class TextForm:
    """How texts become tokens; the names are those of `keras.layers.TextVectorization`, of `data=text` and of a column of `data.text`.

    Args:
        max_tokens: size of the vocabulary, padding (0) and unknown tokens (1) included.
        sequence_length: tokens of each text, the others cut off or padded; None: that of 95 % of the training texts.
        standardize, tokens: what is done to each text first, and what its tokens are (Keras' `split`).
        ngrams: also n-grams up to this length; None: single tokens.
    """

    max_tokens: int = 20000
    sequence_length: int | None = None
    standardize: TextStandardize = "lower_and_strip_punctuation"
    tokens: TextTokens = "whitespace"
    ngrams: int | None = None


def vectorized(
    texts: Sequence[str], train: np.ndarray, form: TextForm, of: str = ""
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the token ids of texts, int32 `[n, length]`, and the record of what was fitted.

    Args:
        texts: all of them.
        train: indices of the training part.
        form: how they become tokens.
        of: " of column note", for a message.

    Raises:
        UserError: the training part has no words.
    """
    import numpy as np

    tf = _tensorflow.imported()
    layer = layer_of({"max_tokens": form.max_tokens, **_settings(form)})
    with tf.device("cpu:0"):
        # One tensor: of a list, tf.data looks at the type of each text.
        to_fit = tf.data.Dataset.from_tensor_slices(tf.constant([texts[i] for i in train]))
        layer.adapt(to_fit.batch(CHUNK))
    del to_fit
    vocabulary = [str(word) for word in layer.get_vocabulary(include_special_tokens=False)]
    if not vocabulary:
        raise_faults([("text", f"the texts of the training part{of} have no words. Take other texts.")])
    chunks, length = _encoded(texts, layer), form.sequence_length
    if length is None:
        chunks = list(chunks)
        lengths = np.concatenate([np.count_nonzero(chunk, axis=1) for chunk in chunks])[train]
        length = int(min(max(np.quantile(lengths, SHARE, method="higher"), 1), LONGEST))
    record = {**_settings(form), "sequence_length": length, "vocabulary": vocabulary}
    return _joined(chunks, len(texts), length), record


def by_record(texts: Sequence[str], record: Mapping[str, Any]) -> np.ndarray:
    """Return the token ids of texts, int32 `[n, length]`, by what was fitted on others.

    Args:
        texts: all of them.
        record: as `vectorized` returns it.
    """
    _tensorflow.imported()
    return _joined(_encoded(texts, layer_of(record)), len(texts), record["sequence_length"])


def _encoded(texts: Sequence[str], layer: Any) -> Iterator[np.ndarray]:
    """Yield the token ids of texts, `CHUNK` of them at a time, each int32 `[n, length]`."""
    import tensorflow as tf

    def encode(start: int) -> np.ndarray:
        with tf.device("cpu:0"):
            return layer(tf.constant(texts[start : start + CHUNK])).numpy().astype("int32")

    with ThreadPoolExecutor(machine.cores()) as pool:  # most of the operations use one processor
        yield from pool.map(encode, range(0, len(texts), CHUNK))


def _joined(chunks: Iterable[np.ndarray], examples: int, length: int) -> np.ndarray:
    """Return chunks of token ids, cut off or padded to a length, as one array."""
    import numpy as np

    tokens = np.zeros((examples, length), "int32")
    for i, chunk in enumerate(chunks):
        cut = chunk[:, :length]
        tokens[i * CHUNK : i * CHUNK + len(cut), : cut.shape[1]] = cut
    machine.release_freed_memory()  # of TensorFlow's strings, a fifth of what is held
    return tokens


def layer_of(record: Mapping[str, Any], name: str | None = None) -> Any:
    """Return the `keras.layers.TextVectorization` of a record.

    Args:
        record: as `vectorized` returns it; without `vocabulary`, the layer is to be fitted.
        name: of the layer.
    """
    import keras

    return keras.layers.TextVectorization(
        max_tokens=record.get("max_tokens"),
        standardize=record["standardize"],
        split=record["split"],
        ngrams=record["ngrams"],
        output_sequence_length=record.get("sequence_length"),
        vocabulary=record.get("vocabulary"),
        name=name,
    )


def _settings(form: TextForm) -> dict[str, Any]:
    return {"standardize": form.standardize, "split": form.tokens, "ngrams": form.ngrams}
