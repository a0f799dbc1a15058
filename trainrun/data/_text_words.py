"""Words of texts as `keras.layers.TextVectorization` splits them at whitespace, and their counts: by Arrow, several times faster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainrun.data._arrow_arrays import as_numpy, strings
from trainrun.util import threads
from trainrun.util.arguments import TextStandardize

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

# Texts that one thread splits at once.
CHUNK = 4096
# Keras' pattern; also `_`, unlike \W. Only ASCII letters become lower case, as by `tf.strings.lower`.
PUNCTUATION = r'[!"#$%&()\*\+,-\./:;<=>?@\[\\\]^_`{|}~\']'
# Ids of what no vocabulary holds: padding, which stands for no word, and the unknown word, also where the text has it.
RESERVED = {"": 0, "[UNK]": 1}


@dataclass(frozen=True)
class SplitTexts:
    """Texts as codes of their words.

    Args:
        codes: of each chunk of texts: int32, one for each word; a text without words has one, of the empty word.
        lengths: of each chunk: the number of codes of each text.
        words: of the codes.
    """

    codes: list[np.ndarray]
    lengths: list[np.ndarray]
    words: list[str]

    @property
    def _texts(self) -> int:
        return sum(map(len, self.lengths))

    def vocabulary(self, train: np.ndarray, most: int) -> list[str]:
        """Return the most frequent words of some texts in the order of Keras' `adapt`: of equally frequent ones, the last in the alphabet first.

        Args:
            train: indices of the texts.
            most: limit of the words.
        """
        import numpy as np

        counts, is_train = np.zeros(len(self.words), "int64"), np.zeros(self._texts, "bool")
        is_train[train] = True
        for i, (codes, lengths) in enumerate(zip(self.codes, self.lengths, strict=True)):
            counted = np.repeat(is_train[i * CHUNK :][: len(lengths)], lengths)
            counts += np.bincount(codes[counted], minlength=len(counts))
        counted_words = zip(counts.tolist(), self.words, strict=True)
        # Keras' vocabulary, an array of numpy, loses a NUL at a word's end.
        seen = [(n, word) for n, word in counted_words if n and word not in RESERVED and word[-1] != "\0"]
        return [word for _, word in sorted(seen, reverse=True)[:most]]

    def ids(self, vocabulary: Sequence[str], length: int) -> np.ndarray:
        """Return the token ids of the texts, int32 `[n, length]`, those of words beyond the length cut off.

        Args:
            vocabulary: as `vocabulary` returns it.
            length: of each text.
        """
        import numpy as np

        known = {word: i for i, word in enumerate(vocabulary, len(RESERVED))} | RESERVED
        id_of = np.array([known.get(word, 1) for word in self.words], "int32")
        tokens = np.zeros((self._texts, length), "int32")
        for i, (codes, lengths) in enumerate(zip(self.codes, self.lengths, strict=True)):
            first = np.cumsum(lengths) - lengths
            kept = np.arange(len(codes)) - np.repeat(first, lengths) < length
            rows = tokens[i * CHUNK :][: len(lengths)]
            rows[np.arange(length) < lengths[:, None]] = id_of[codes[kept]]
        return tokens


def split(texts: Sequence[str], standardize: TextStandardize) -> SplitTexts:
    """Return texts split into words at ASCII whitespace.

    Args:
        texts: all of them.
        standardize: what is done to each first.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    def encoded(start: int) -> tuple[pa.DictionaryArray, np.ndarray]:
        some = strings(texts[start : start + CHUNK], large=True)
        if standardize in ("lower", "lower_and_strip_punctuation"):
            some = pc.ascii_lower(some)
        if standardize in ("strip_punctuation", "lower_and_strip_punctuation"):
            some = pc.replace_substring_regex(some, PUNCTUATION, "")
        lists = pc.ascii_split_whitespace(pc.ascii_trim_whitespace(some))
        return lists.flatten().dictionary_encode(), np.diff(as_numpy(lists.offsets, 0))

    chunks = threads.each(encoded, range(0, len(texts), CHUNK))
    unified = pa.chunked_array([words for words, _ in chunks]).unify_dictionaries()
    codes = [as_numpy(chunk.indices, 0) for chunk in unified.chunks]
    lengths, words = [lengths for _, lengths in chunks], unified.chunk(0).dictionary.to_pylist()
    del chunks, unified
    pa.default_memory_pool().release_unused()  # which Arrow keeps unless asked to
    return SplitTexts(codes, lengths, words)
