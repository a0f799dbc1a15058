"""Words, vocabulary and token ids of texts, against `keras.layers.TextVectorization` fitted by `adapt`."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from trainrun.data import _text_words, _vectorized_text

ODD = [
    "",
    " ",
    "\t\n\r\x0b\x0c",
    "...",
    "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'",
    "  Leading, and trailing.  ",
    "[UNK] [unk] UNK unk [MASK]",
    "don't well-known snake_case e-mail@example.com 3,141.59 50%",
    "ÄÖÜ ÉCOLE école İstanbul ſtraße ΑΒΓ αβγ ПРИВЕТ",
    "no\u00a0break thin\u2009space ideo\u3000graphic line\u2028sep next\u0085line \x1c \x1f",
    "“quotes” – dash … «guillemets» ¿qué? 。、",
    "😀 😀😀 👩‍👩‍👧 e\u0301 \ufeffbom \u200bzero",
    "nul\x00inside a\x7fb",
    "A a A a B b \r\n C\rc",
    "\U0001f600 \uffff \ue000 zz z Z",
    "word " * 30,
]
RNG = np.random.default_rng(0)
ALPHABET = list("aAbBzZ01.,'_[]- \t\nÄä\u00a0é😀")
RANDOM = ["".join(RNG.choice(ALPHABET, size=i % 40)) for i in range(9000)]  # more than two chunks
TEXTS = [*ODD, *RANDOM, *ODD]
TRAIN = RNG.permutation(len(TEXTS))[:6000]


@pytest.mark.parametrize("standardize", ["lower_and_strip_punctuation", "lower", "strip_punctuation", None])
@pytest.mark.parametrize(("most", "length"), [(20000, 50), (40, 3)])
def test_vocabulary_and_ids_are_those_of_keras(standardize, most, length):
    layer = keras.layers.TextVectorization(most, standardize, output_sequence_length=length)
    layer.adapt([TEXTS[i] for i in TRAIN])
    words = _text_words.split(TEXTS, standardize)
    vocabulary = words.vocabulary(TRAIN, most - 2)
    assert vocabulary == [str(word) for word in layer.get_vocabulary(include_special_tokens=False)]
    np.testing.assert_array_equal(words.ids(vocabulary, length), layer(TEXTS).numpy())


def test_a_saved_vocabulary_makes_the_same_ids_also_of_words_that_end_in_nul():
    texts = ["b\0 b a", "\0 a", "c"]
    ids, record = _vectorized_text.vectorized(texts, np.arange(2), _vectorized_text.TextForm())
    assert record["vocabulary"] == ["a", "b"]
    np.testing.assert_array_equal(ids, [[1, 3, 2], [1, 2, 0], [1, 0, 0]])
    np.testing.assert_array_equal(_vectorized_text.layer_of(record)(texts).numpy(), ids)


def test_equally_frequent_words_are_in_the_order_of_keras():
    texts = ["b a c", "a c b", "é z \uffff \U0001f600", "d"]
    layer = keras.layers.TextVectorization()
    layer.adapt(texts)
    words = _text_words.split(texts, "lower_and_strip_punctuation")
    assert words.vocabulary(np.arange(4), 100) == layer.get_vocabulary()[2:]
