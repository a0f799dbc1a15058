"""The same by Keras alone: every number is the one that trainrun logs."""

import keras
import numpy as np
import pandas as pd
from keras import layers

table = pd.read_csv("customers.csv")
parts = {name: table[table.part == name] for name in ("train", "validation", "test")}
train = parts["train"]

# What is fitted on the training rows: medians, means and deviations, and the categories.
numbers, categories = ["age", "months", "price"], ["plan", "region"]
medians = train[numbers].median()
means, deviations = train[numbers].fillna(medians).mean(), train[numbers].fillna(medians).std(ddof=0)
known = {column: sorted(train[column].unique()) for column in categories}


def encoded(rows):
    """Return the model's inputs: scaled numbers with an indicator of gaps, and one-hot categories, 0 for an unknown one."""
    scaled = (rows[numbers].fillna(medians) - means) / deviations
    gaps = rows[["price"]].isna()
    codes = [rows[column].map({v: i + 1 for i, v in enumerate(known[column])}) for column in categories]
    one_hot = [
        keras.utils.to_categorical(c, len(known[n]) + 1) for c, n in zip(codes, categories, strict=True)
    ]
    return np.concatenate([scaled, gaps, *one_hot], axis=1).astype("float32")


def labels(rows):
    return (rows.cancels == "yes").to_numpy("float32")[:, None]


keras.utils.set_random_seed(42)
inputs = keras.Input((13,))
x = layers.Dense(64, activation="relu")(inputs)
x = layers.Dense(32, activation="relu")(x)
model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))
model.compile(
    keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy", keras.metrics.AUC(name="auc")]
)
history = model.fit(
    encoded(train),
    labels(train),
    batch_size=32,
    epochs=3,
    shuffle=False,
    validation_data=(encoded(parts["validation"]), labels(parts["validation"])),
)
print(model.evaluate(encoded(parts["test"]), labels(parts["test"]), return_dict=True))
