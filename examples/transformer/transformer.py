import keras
from keras import layers, ops

import trainrun


class Placed(layers.Layer):
    """A vector for each word, and one for its place."""

    def __init__(self, words, places, width, **kwargs):
        super().__init__(**kwargs)
        self.words, self.places = layers.Embedding(words, width), layers.Embedding(places, width)

    def call(self, words):
        return self.words(words) + self.places(ops.arange(words.shape[1]))


class Block(layers.Layer):
    """Attention among the words of a text, paddings left out, and two dense layers for each word."""

    def __init__(self, heads, width, **kwargs):
        super().__init__(**kwargs)
        self.attention = layers.MultiHeadAttention(heads, width // heads)
        self.wide, self.narrow = layers.Dense(2 * width, activation="gelu"), layers.Dense(width)
        self.norms = [layers.LayerNormalization() for _ in range(2)]

    def call(self, x, words):
        x = self.norms[0](x + self.attention(x, x, attention_mask=ops.not_equal(words, 0)[:, None, :]))
        return self.norms[1](x + self.narrow(self.wide(x)))


@trainrun.register("model", "transformer", targets="binary", inputs="tokens")
def transformer(inputs, target, head, width: int = 32):
    words = keras.Input(inputs[0].shape, dtype="int32")
    x = Block(2, width)(Placed(inputs[0].cardinalities[0], inputs[0].shape[0], width)(words), words)
    return keras.Model(words, layers.Dense(1, activation=head)(layers.GlobalMaxPooling1D()(x)))
