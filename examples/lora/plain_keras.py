"""The same by Keras alone: every number is the one that trainrun logs."""

import keras
import numpy as np

parts = {part: dict(np.load(f"{part}.npz")) for part in ("train", "validation", "test")}

keras.utils.set_random_seed(42)
model = keras.saving.load_model("base.keras")
attention = model.get_layer("attention")
projections = [attention.query_dense, attention.key_dense, attention.value_dense, attention.output_dense]
for layer in [model.get_layer("embedding"), *projections]:
    layer.enable_lora(4)
for variable in model.trainable_variables:
    variable.trainable = variable.name.startswith("lora_") or variable.path.startswith("head/")
model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
history = model.fit(
    parts["train"]["x"],
    parts["train"]["y"],
    batch_size=32,
    epochs=3,
    shuffle=False,
    validation_data=(parts["validation"]["x"], parts["validation"]["y"]),
)
print(model.evaluate(parts["test"]["x"], parts["test"]["y"], return_dict=True))
