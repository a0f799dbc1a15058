import keras
from keras import layers

import trainrun


@trainrun.register("model", "net", targets="multiclass", inputs="image")
def net(inputs, target, head):
    """Two convolutions, which the next task takes over, and an output layer."""
    x = image = keras.Input(inputs[0].shape)
    for i, filters in enumerate([12, 24]):
        x = layers.Conv2D(filters, 5, use_bias=False, name=f"base_conv_{i}")(x)
        x = layers.BatchNormalization(momentum=0.8, name=f"base_norm_{i}")(x)
        x = layers.AveragePooling2D(2)(layers.Activation("silu")(x))
    x = layers.Flatten()(x)
    return keras.Model(image, layers.Dense(target.outputs, activation=head, name="head")(x))
