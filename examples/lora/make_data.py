"""Write base.keras, a transformer that tells the mood of texts, and texts in which a third of the words mean the opposite."""

import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
meaning = rng.normal(0, 1, 30)
meaning -= meaning.mean()


def texts(n):
    words = rng.integers(0, 30, (n, 12)).astype("int32")
    return {"x": words, "y": (meaning[words].sum(axis=1) > 0).astype("int32")}


keras.utils.set_random_seed(0)
words = keras.Input((12,), dtype="int32", name="words")
x = layers.Embedding(30, 16, name="embedding")(words)
x = layers.Add()([x, layers.MultiHeadAttention(2, 8, name="attention")(x, x)])
x = layers.LayerNormalization()(x)
x = layers.Add()([x, layers.Dense(16, name="narrow")(layers.Dense(32, activation="gelu", name="widen")(x))])
x = layers.GlobalAveragePooling1D()(x)
base = keras.Model(words, layers.Dense(1, activation="sigmoid", name="head")(x))
base.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
old = texts(2000)
base.fit(old["x"], old["y"], epochs=5, verbose=0)
base.save("base.keras")

meaning[:10] *= -1
for part, n in {"train": 640, "validation": 96, "test": 96}.items():
    np.savez(f"{part}.npz", **texts(n))
