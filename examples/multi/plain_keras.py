"""The same by Keras alone: every number is the one that trainrun logs."""

import keras
import numpy as np
from keras import layers

parts = {part: dict(np.load(f"{part}.npz")) for part in ("train", "validation", "test")}
x = {p: {name: arrays[name] for name in ("picture", "visits", "profile")} for p, arrays in parts.items()}
y = {p: {"churn": arrays["churn"] == "yes", "spend": arrays["spend"]} for p, arrays in parts.items()}

keras.utils.set_random_seed(42)
inputs = {name: keras.Input(array.shape[1:], name=name) for name, array in x["train"].items()}
seen = layers.Conv2D(8, 3, activation="relu")(inputs["picture"])
seen = layers.GlobalAveragePooling2D()(seen)
recent = layers.GRU(16)(inputs["visits"])
hidden = layers.Concatenate()([seen, recent, inputs["profile"]])
hidden = layers.Dense(32, activation="relu")(hidden)
churn = layers.Dense(1, activation="sigmoid")(hidden)
spend = layers.Dense(1)(hidden)
model = keras.Model(inputs, {"churn": churn, "spend": spend})
model.compile(
    keras.optimizers.Adam(0.01),
    loss={
        "churn": keras.losses.BinaryFocalCrossentropy(apply_class_balancing=True, alpha=0.75),
        "spend": keras.losses.Huber(),
    },
    loss_weights={"churn": 1, "spend": 0.2},
    metrics={"churn": ["accuracy", keras.metrics.AUC(name="auc")], "spend": ["mean_absolute_error"]},
)

# Keras refuses class_weight for several outputs: the weights of the classes as weights of the examples.
labels = y["train"]["churn"].astype(int)
balanced = len(labels) / (2 * np.bincount(labels))
weights = {"churn": balanced[labels], "spend": np.ones(len(labels))}
history = model.fit(
    x["train"],
    y["train"],
    sample_weight=weights,
    batch_size=32,
    epochs=3,
    shuffle=False,
    validation_data=(x["validation"], y["validation"]),
)
print(model.evaluate(x["test"], y["test"], return_dict=True))
