"""The same by Keras alone: every number is the one that trainrun logs."""

import keras
import pandas as pd
from keras import layers, ops

table = pd.read_csv("ratings.csv")
parts = {name: table[table.part == name] for name in ("train", "validation", "test")}
train = parts["train"]
known = {
    column: {v: i + 1 for i, v in enumerate(sorted(train[column].unique()))} for column in ("reader", "book")
}
mean, deviation = train.rating.mean(), train.rating.std(ddof=0)


def encoded(rows):
    """Return the codes of reader and book, 0 for an unknown one, and the ratings in deviations from their mean."""
    codes = [rows[column].map(numbers).fillna(0) for column, numbers in known.items()]
    return pd.concat(codes, axis=1).to_numpy("int32"), ((rows.rating - mean) / deviation).to_numpy("float32")[
        :, None
    ]


keras.utils.set_random_seed(42)
codes = keras.Input((2,), dtype="int32")
sizes = list(enumerate(len(numbers) + 1 for numbers in known.values()))
vectors = [layers.Embedding(size, 8)(codes[:, i]) for i, size in sizes]
biases = [layers.Embedding(size, 1)(codes[:, i]) for i, size in sizes]
model = keras.Model(codes, ops.sum(ops.multiply(*vectors), -1, keepdims=True) + biases[0] + biases[1])
model.compile(keras.optimizers.Adam(0.02), "mse")
history = model.fit(
    *encoded(train), batch_size=32, epochs=3, shuffle=False, validation_data=encoded(parts["validation"])
)
x, y = encoded(parts["test"])
print("test mae", abs(model.predict(x) - y).mean() * deviation)
