"""The same by Keras alone: every number is the one that trainrun logs."""

import keras
import pandas as pd
from keras import layers, ops

table = pd.read_csv("messages.csv")
parts = {name: table[table.part == name] for name in ("train", "validation", "test")}
vectorize = layers.TextVectorization(20000, output_sequence_length=12)
vectorize.adapt(parts["train"].message)


def examples(part):
    """Return the words of each message by number, and 1 for a pleased one."""
    return vectorize(parts[part].message), (parts[part].mood == "pleased").to_numpy("float32")


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


keras.utils.set_random_seed(42)
words = keras.Input((12,), dtype="int32")
x = Block(2, 32)(Placed(vectorize.vocabulary_size(), 12, 32)(words), words)
model = keras.Model(words, layers.Dense(1, activation="sigmoid")(layers.GlobalMaxPooling1D()(x)))
model.compile(keras.optimizers.Adam(0.003), "binary_crossentropy", metrics=["accuracy"])
history = model.fit(
    *examples("train"), batch_size=8, epochs=3, shuffle=False, validation_data=examples("validation")
)
print(model.evaluate(*examples("test"), return_dict=True))
