"""Texts -> token ids, as `keras.layers.TextVectorization` fitted on the training part makes them, or by the tokenizer of a Keras Hub preset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainrun.data import _tensorflow, _text_words
from trainrun.data._faults import raise_faults
from trainrun.errors import listed
from trainrun.util import hub_preset, machine
from trainrun.util.arguments import TextStandardize, TextTokens

if TYPE_CHECKING:
    import numpy as np

# About as many texts are looked at for unknown tokens.
SAMPLE = 10_000
# Texts that are encoded at once.
CHUNK = 4096
# Without a length, that of this share of the training texts, and at most so many tokens.
SHARE, LONGEST = 0.95, 1000
# What the vocabulary has besides words: padding and the unknown token.
SPECIAL, UNKNOWN = 2, 1
# Settings of a vocabulary that is fitted here.
FITTED = ("max_tokens", "standardize", "tokens", "ngrams")


@dataclass(frozen=True)
class TextForm:
    """How texts become tokens; the names are those of `keras.layers.TextVectorization`, of `data=text` and of a column of `data.text`.

    Args:
        max_tokens: size of the vocabulary, padding (0) and unknown tokens (1) included.
        sequence_length: tokens of each text, the others cut off or padded; None: that of 95 % of the training texts.
        standardize, tokens: what is done to each text first, and what its tokens are (Keras' `split`).
        ngrams: also n-grams up to this length; None: single tokens.
        preset: of Keras Hub, a folder or a name, whose tokenizer makes the tokens in place of all but `sequence_length`; None: none.
    """

    max_tokens: int = 20000
    sequence_length: int | None = None
    standardize: TextStandardize = "lower_and_strip_punctuation"
    tokens: TextTokens = "whitespace"
    ngrams: int | None = None
    preset: str | None = None

    def fault(self) -> str | None:
        """Return what is wrong with the preset, else None."""
        if self.preset is None:
            return None
        own = [name for name in FITTED if getattr(self, name) != getattr(type(self), name)]
        if own:
            return f"its tokenizer is fitted already; {listed(own)} would not be used. Leave {'it' if len(own) == 1 else 'them'} out."
        return hub_preset.fault(self.preset, "tokens")


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
    if form.preset is not None:
        return _by_preset(texts, train, form)
    if form.tokens == "whitespace" and form.ngrams is None:
        ids, vocabulary = _by_words(texts, train, form)
    else:
        ids, vocabulary = _by_layer(texts, train, form)
    if not vocabulary:
        raise_faults([("text", f"the texts of the training part{of} have no words. Take other texts.")])
    return ids, {**_settings(form), "sequence_length": ids.shape[1], "vocabulary": vocabulary}


def unknown_notice(ids: np.ndarray, train: np.ndarray, record: Mapping[str, Any], way_out: str) -> str | None:
    """Return a notice if most tokens of the held-out texts are unknown, or None.

    Args:
        ids, record: as `vectorized` returns them.
        train: indices of the training part.
        way_out: the setting of characters as tokens, `data.tokens=character`.
    """
    import numpy as np

    held_out = np.ones(len(ids), bool)
    held_out[train] = False
    sample = ids[np.flatnonzero(held_out)[:: max(1, len(ids) // SAMPLE)]]
    tokens, unknown = np.count_nonzero(sample), np.count_nonzero(sample == UNKNOWN)
    if "tokenizer" in record or 2 * unknown <= tokens:
        return None
    return (
        f"{unknown / tokens:.0%} of the tokens of held-out texts are unknown, as the vocabulary of the training texts lacks them. Of a language "
        f"without blanks between words take {way_out}; else more texts or a larger vocabulary."
    )


def _by_words(texts: Sequence[str], train: np.ndarray, form: TextForm) -> tuple[np.ndarray, list[str]]:
    """Return the token ids of words, and the vocabulary; as `vectorized`."""
    import numpy as np

    words = _text_words.split(texts, form.standardize)
    vocabulary = words.vocabulary(train, form.max_tokens - SPECIAL)
    length = form.sequence_length or _usual(np.concatenate(words.lengths)[train])
    machine.release_freed_memory()
    return words.ids(vocabulary, length), vocabulary


def _by_layer(texts: Sequence[str], train: np.ndarray, form: TextForm) -> tuple[np.ndarray, list[str]]:
    """Return the token ids of what Keras' layer makes of texts, and its vocabulary; as `vectorized`."""
    import numpy as np

    tf = _tensorflow.imported()
    layer = layer_of({"max_tokens": form.max_tokens, **_settings(form)})
    with tf.device("cpu:0"):
        # One tensor: of a list, tf.data looks at the type of each text.
        to_fit = tf.data.Dataset.from_tensor_slices(tf.constant([texts[i] for i in train]))
        layer.adapt(to_fit.batch(CHUNK))
    del to_fit
    vocabulary = [str(word) for word in layer.get_vocabulary(include_special_tokens=False)]
    if not vocabulary:  # without which the layer makes no ids
        return np.zeros((len(texts), 0), "int32"), vocabulary
    chunks, length = _encoded(texts, layer), form.sequence_length
    if length is None:
        chunks = list(chunks)
        length = _usual(np.concatenate([np.count_nonzero(chunk, axis=1) for chunk in chunks])[train])
    return _joined(chunks, len(texts), length), vocabulary


def _by_preset(texts: Sequence[str], train: np.ndarray, form: TextForm) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the token ids of texts by the tokenizer of a preset, and the record; as `vectorized`."""
    import numpy as np

    _tensorflow.imported()
    from trainrun.data import hub_tokens

    folder = hub_preset.folder(form.preset, "data.preset")
    if (wrong := hub_preset.fault(str(folder), "tokens")) is not None:
        raise_faults([("preset", wrong)])
    most = hub_preset.read(folder, hub_preset.CONFIG)["config"].get("max_sequence_length") or LONGEST
    if form.sequence_length is not None and form.sequence_length > most:
        raise_faults(
            [("sequence_length", f"{form.preset} takes at most {most}, got {form.sequence_length}.")]
        )
    tokenizer = hub_tokens.record_of(folder, "data.preset")
    record: dict[str, Any] = {
        "tokenizer": tokenizer,
        "sequence_length": form.sequence_length or min(most, LONGEST),
    }
    layer = layer_of(record)
    chunks, padding = list(_encoded(texts, layer)), hub_tokens.padding(layer)
    if form.sequence_length is None:
        length = _usual(np.concatenate([np.count_nonzero(c != padding, axis=1) for c in chunks])[train])
        # Once more: what is cut off ends in the end token.
        record["sequence_length"] = length
        chunks = _encoded(texts, layer_of(record))
    record |= {"padding": padding, "vocabulary": hub_tokens.vocabulary(layer)}
    return _joined(chunks, len(texts), record["sequence_length"]), record


def _usual(lengths: np.ndarray) -> int:
    """Return the length at which most texts are not cut off."""
    import numpy as np

    return int(min(max(np.quantile(lengths, SHARE, method="higher"), 1), LONGEST))


def tokens_of(record: Mapping[str, Any], unknown: str) -> list[str]:
    """Return the tokens in the order of their ids; that of padding is empty.

    Args:
        record: as `vectorized` returns it.
        unknown: what stands for a token that a fitted vocabulary does not have.
    """
    return [*([] if "tokenizer" in record else ["", unknown]), *record["vocabulary"]]


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
    """Return the layer of a record: `keras.layers.TextVectorization`, or one with the tokenizer of a preset.

    Args:
        record: as `vectorized` returns it; without `vocabulary`, the layer is to be fitted.
        name: of the layer.
    """
    if "tokenizer" in record:
        from trainrun.data.hub_tokens import HubTokens

        return HubTokens(record["tokenizer"], record["sequence_length"], name=name)
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
