import keras
from keras import layers

import trainrun


@trainrun.register("model", "forecast", targets="real", inputs="numeric")
def forecast(inputs, target, head):
    """The same days of last week, and a correction by what the four weeks were like."""
    window, ahead = keras.Input(inputs[0].shape), target.outputs
    weeks = layers.GRU(24)(layers.Conv1D(24, 7, activation="relu")(window))
    return keras.Model(window, layers.Add()([window[:, -7 : ahead - 7, 0], layers.Dense(ahead)(weeks)]))
