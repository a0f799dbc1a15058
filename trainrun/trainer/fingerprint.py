"""What a job's compiled program depends on besides values of variables, in a form that can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainrun.compat import keras_model_private, keras_optimizer_private

if TYPE_CHECKING:
    import keras

    from trainrun.trainer.job import Job

# Keys of configs whose values are in variables, or determine only the shapes of variables.
IGNORED_KEYS = ("seed", "learning_rate", "build_config")


def has_variable_rates(model: keras.Model) -> bool:
    """Return whether each learning rate of a model is a variable, or a schedule with a config, as `Fingerprint` supposes."""
    from trainrun.hardware.replicas import leaves

    rates = [
        keras_optimizer_private.rate(leaf)
        for leaf in leaves(model.optimizer)
        if not hasattr(leaf, "inners")  # a wrapper of optimizers with rates of their own
    ]
    return all(rate is None or hasattr(rate, "assign") or hasattr(rate, "get_config") for rate in rates)


class Fingerprint:
    """Everything that determines a job's program, except for values of variables; fingerprints can be compared.

    Args:
        job: built and compiled.
    """

    def __init__(self, job: Job):
        from trainrun.model import quantization_aware

        model = job.model
        layers = keras_model_private.all_layers(model)
        self._layers = {layer.name: f"layer {i}" for i, layer in enumerate(layers)}
        self.content = (
            type(model),
            job.plan.batch_size,
            job.train.weight is not None,
            job.probabilities,
            repr(job.augment),
            repr(job.teacher),
            [*map(quantization_aware.mode_of, layers)],
            self._plain(model.get_config()),
            [(tuple(v.shape), str(v.dtype), v.trainable) for v in model.variables],
            self._part(model.optimizer),
            self._part(model.loss),
            self._part(keras_model_private.loss_weights(model)),
            [self._part(metrics) for metrics in keras_model_private.metric_arguments(model)],
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fingerprint) and self.content == other.content

    def __hash__(self) -> int:
        return hash(self.content[:4])

    def _part(self, part: Any) -> Any:
        """Return a loss, metric or optimizer, or those in a list or a dict, as plain data."""
        if isinstance(part, Mapping):
            return {k: self._part(v) for k, v in part.items()}
        if isinstance(part, list | tuple):
            return [self._part(v) for v in part]
        if not hasattr(part, "get_config"):
            return repr(part)
        config = part.get_config()
        attributes = {k: v for k, v in vars(part).items() if _is_number(v)}
        return (
            type(part).__qualname__,
            self._plain(config),
            self._plain(attributes),
        )

    def _plain(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {
                str(k): self._layers.get(v) if k == "name" else self._plain(v)
                for k, v in value.items()
                if k not in IGNORED_KEYS
                or (k == "learning_rate" and isinstance(v, Mapping))  # a schedule is a constant
            }
        if isinstance(value, list | tuple):
            if len(value) == 3 and isinstance(value[0], str) and value[0] in self._layers:
                return [self._layers[value[0]], *value[1:]]  # a connection of a functional model
            return [self._plain(v) for v in value]
        if hasattr(value, "tobytes"):
            return value.tobytes()
        return self._part(value) if hasattr(value, "get_config") else repr(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_number, value))
    return isinstance(value, int | float) or hasattr(value, "tobytes")
