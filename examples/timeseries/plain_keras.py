"""The same by Keras alone: every number is the one that trainrun logs."""

import keras
import numpy as np
import pandas as pd
from keras import layers
from numpy.lib.stride_tricks import sliding_window_view

seen, ahead = 28, 3
table = pd.read_csv("visitors.csv").sort_values(["museum", "day"])
days = np.sort(table.day.unique())
# The latest fifth of the days is for the test, the one before it for validation.
first_validation, first_test = (round(len(days) * share) for share in (0.6, 0.8))
rows = table[["visitors", "rain"]].to_numpy("float64")
past = rows[table.day < days[first_validation]]
series = rows.reshape(-1, len(days), 2)
starts = np.arange(len(days) - seen - ahead + 1)
windows = sliding_window_view(series, seen, axis=1)[:, starts].swapaxes(2, 3)
targets = sliding_window_view(series[:, seen:, 0], ahead, axis=1)
first, last = starts + seen, starts + seen + ahead - 1
parts = {
    "train": last < first_validation,
    "validation": (first >= first_validation) & (last < first_test),
    "test": first >= first_test,
}
mean, deviation = targets[:, parts["train"]].mean((0, 1)), targets[:, parts["train"]].std((0, 1))


def examples(part):
    """Return the windows of a part and the visitors after each, in deviations from the mean."""
    x = (windows[:, parts[part]] - past.mean(0)) / past.std(0)
    y = (targets[:, parts[part]] - mean) / deviation
    return x.reshape(-1, seen, 2).astype("float32"), y.reshape(-1, ahead).astype("float32")


keras.utils.set_random_seed(42)
window = keras.Input((seen, 2))
weeks = layers.GRU(24)(layers.Conv1D(24, 7, activation="relu")(window))
model = keras.Model(window, layers.Add()([window[:, -7 : ahead - 7, 0], layers.Dense(ahead)(weeks)]))
model.compile(keras.optimizers.Adam(0.01), keras.losses.Huber())
history = model.fit(
    *examples("train"), batch_size=16, epochs=3, shuffle=False, validation_data=examples("validation")
)
x, y = examples("test")
print("test mae", (abs(model.predict(x) - y) * deviation).mean())
