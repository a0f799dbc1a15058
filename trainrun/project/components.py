"""Components of your own: functions and classes with @trainrun.register; YAML files in conf/ have their arguments."""

import keras
import numpy as np

import trainrun
from trainrun.data.dataset import Dataset, InputSpec, Split, TargetSpec


@trainrun.register("loss", "lopsided", targets="real", labels="real", predictions="real")
@keras.saving.register_keras_serializable("mine")
class Lopsided(keras.losses.Loss):
    """Squared error in which predictions above the target have `over` times the weight."""

    def __init__(
        self, over: float = 3.0, name: str = "lopsided", reduction: str = "sum_over_batch_size", dtype=None
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.over = over

    def call(self, y_true, y_pred):
        error = y_pred - keras.ops.cast(y_true, y_pred.dtype)
        weight = keras.ops.where(error > 0, self.over, 1.0)
        return keras.ops.mean(weight * keras.ops.square(error), axis=-1)

    def get_config(self):
        return {**super().get_config(), "over": self.over}


@trainrun.register("data", "waves")
def waves(examples: int = 600, noise: float = 0.1, seed: int = 0) -> Dataset:
    """A noisy sine wave; replace it by code that reads your own files."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3, 3, (examples, 1)).astype("float32")
    y = (np.sin(2 * x) + noise * rng.standard_normal(x.shape)).astype("float32")
    a, b = int(0.6 * examples), int(0.8 * examples)
    return Dataset(
        name="waves",
        task="regression",
        inputs=(InputSpec("x", "numeric", (1,)),),
        target=TargetSpec("real"),
        train=Split(x[:a], y[:a]),
        validation=Split(x[a:b], y[a:b]),
        test=Split(x[b:], y[b:]),
        features=("x",),
    )
