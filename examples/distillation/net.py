import keras
from keras import layers

import trainrun


@trainrun.register("model", "net", targets="multiclass", inputs="numeric")
def net(inputs, target, head, units: int = 256):
    """Two hidden layers of a width that can be set."""
    x = numbers = keras.Input(inputs[0].shape)
    for _ in range(2):
        x = layers.Dense(units, activation="relu")(x)
    return keras.Model(numbers, layers.Dense(target.outputs, activation=head)(x))
