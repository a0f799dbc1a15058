import keras
from keras import layers, ops

import trainrun


@trainrun.register("model", "net", targets="binary", inputs=("numeric", "categorical"))
def net(inputs, target, head):
    """Two hidden layers over scaled numbers and one-hot categories."""
    numeric, categorical = (keras.Input(spec.shape, dtype=spec.dtype, name=spec.name) for spec in inputs)
    one_hot = [ops.one_hot(categorical[:, i], n) for i, n in enumerate(inputs[1].cardinalities)]
    x = layers.Dense(64, activation="relu")(layers.Concatenate()([numeric, *one_hot]))
    x = layers.Dense(32, activation="relu")(x)
    return keras.Model({"numeric": numeric, "categorical": categorical}, layers.Dense(1, activation=head)(x))
