import keras
from keras import layers

import trainrun


@trainrun.register("model", "unet", targets="binary", inputs="image")
def unet(inputs, target, head):
    """Two levels: what the lower one sees of the surroundings is put beside the details of the upper one."""

    def block(x, filters):
        return layers.Conv2D(filters, 3, padding="same", activation="elu")(x)

    image = keras.Input(inputs[0].shape)
    details = block(image, 8)
    lower = block(layers.MaxPooling2D(4)(details), 16)
    x = layers.Concatenate()([details, layers.UpSampling2D(4)(lower)])
    return keras.Model(image, layers.Conv2D(1, 1, activation=head)(block(x, 8)))
