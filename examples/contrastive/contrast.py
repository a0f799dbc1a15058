import keras
import numpy as np
from keras import layers, ops

import trainrun


@trainrun.register("data", "leaves")
def leaves():
    arrays = np.load("leaves.npz")
    return {part: (arrays[f"{part}_x"], arrays[f"{part}_y"]) for part in ("train", "validation", "test")}


@trainrun.register("model", "embedding", inputs="numeric", output="embedding")
def embedding(inputs, target, head, width: int = 16):
    """Vectors of length 1, near each other for outlines of one species: there is no unit for a species."""
    outline = keras.Input(inputs[0].shape)
    x = ops.concatenate([outline, outline[:, :8]], axis=1)[..., None]  # it is closed
    x = layers.Conv1D(32, 5, activation="gelu")(x)
    x = layers.Conv1D(32, 5, activation="gelu")(x)
    x = layers.Dense(width)(layers.GlobalAveragePooling1D()(x))
    return keras.Model(outline, layers.UnitNormalization()(x))


def pairs(y_true, y_pred):
    """Return the similarities of all pairs of a batch, those of one species, and the pairs of an example with itself."""
    kinds, itself = ops.reshape(y_true, (-1,)), ops.eye(ops.shape(y_pred)[0])
    alike = ops.cast(kinds[:, None] == kinds[None], "float32") - itself
    return ops.matmul(y_pred, ops.transpose(y_pred)), alike, itself


@trainrun.register("loss", "contrast", labels="ids", predictions="any", whole_batch=True)
def contrast(y_true, y_pred, temperature: float = 0.1):
    """Return how unlikely it is to pick a leaf of the same species by similarity."""
    similar, alike, itself = pairs(y_true, y_pred)
    picked = ops.log_softmax(similar / temperature - 1e9 * itself)
    return -ops.sum(alike * picked) / ops.maximum(ops.sum(alike), 1)


@trainrun.register("metric", "nearest", labels="ids", predictions="any", direction="max")
def nearest(y_true, y_pred):
    """Return 1 for each leaf whose nearest one in the batch is of its species, else 0."""
    similar, alike, itself = pairs(y_true, y_pred)
    found = ops.argmax(similar - 2 * itself, axis=1)
    return ops.take_along_axis(alike, found[:, None], axis=1)[:, 0]
