"""The same by Keras alone: every number is the one that trainrun logs."""

import keras
import numpy as np
import pandas as pd
from keras import layers
from PIL import Image


def read(path):
    """Return the pictures and class ids of each part of a table."""
    table, parts = pd.read_csv(path), {}
    labels = sorted(table.label.unique())
    for part, rows in table.groupby("part"):
        pictures = np.stack([np.asarray(Image.open(picture)) for picture in rows.picture])
        parts[part] = pictures[..., None].astype("float32") / 255, rows.label.map(labels.index).to_numpy()
    return parts


def net(classes):
    keras.utils.set_random_seed(42)
    x = image = keras.Input((16, 16, 1))
    for i, filters in enumerate([12, 24]):
        x = layers.Conv2D(filters, 5, use_bias=False, name=f"base_conv_{i}")(x)
        x = layers.BatchNormalization(momentum=0.8, name=f"base_norm_{i}")(x)
        x = layers.AveragePooling2D(2)(layers.Activation("silu")(x))
    x = layers.Flatten()(x)
    return keras.Model(image, layers.Dense(classes, activation="softmax", name="head")(x))


def train(model, parts, rate, epochs, **settings):
    """Train with a new optimizer; what is trainable counts when the model is compiled."""
    model.compile(
        keras.optimizers.SGD(rate, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(*parts["train"], epochs=epochs, shuffle=False, validation_data=parts["validation"], **settings)


base = net(6)
train(base, read("stripes.csv"), 0.05, 3)

model, cloths, history = net(3), read("cloths.csv"), keras.callbacks.History()
taken = [layer for layer in model.layers if layer.name.startswith("base_")]
for layer in taken:
    layer.set_weights(base.get_layer(layer.name).get_weights())
    layer.trainable = False
train(model, cloths, 0.05, 2, batch_size=8, callbacks=[history])
for layer in taken:
    layer.trainable = True
train(model, cloths, 0.01, 1, batch_size=8, callbacks=[history])
print(model.evaluate(*cloths["test"], return_dict=True))
