import keras
from keras import layers, ops

import trainrun


@trainrun.register("model", "factors", targets="real", inputs="categorical")
def factors(inputs, target, head, width: int = 8):
    """A vector and a bias of each reader and book; the rating is the vectors' product."""
    codes = keras.Input(inputs[0].shape, dtype="int32", name=inputs[0].name)
    columns = list(enumerate(inputs[0].cardinalities))
    vectors = [layers.Embedding(values, width)(codes[:, i]) for i, values in columns]
    biases = [layers.Embedding(values, 1)(codes[:, i]) for i, values in columns]
    return keras.Model(codes, ops.sum(ops.multiply(*vectors), -1, keepdims=True) + biases[0] + biases[1])
