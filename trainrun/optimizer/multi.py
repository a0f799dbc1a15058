"""Several optimizers, each of which trains the weights that a regular expression names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

import keras

from trainrun.compat import keras_optimizer_private
from trainrun.optimizer._shared import Wrapper
from trainrun.util.arguments import Count, Positive, Range, Reference, Share


@keras.saving.register_keras_serializable("trainrun")
class Multi(Wrapper):
    """Train each weight by the optimizer of the first regular expression that matches its whole path.

    The updates are those of `keras.optimizers.MultiOptimizer`. Each optimizer has a learning rate or a schedule, slots, weight decay
    and clipping of its own: its `global_clipnorm` is of its weights alone. The arguments of this class apply to the whole
    update: its `global_clipnorm` is of all gradients together, and comes first. Unlike Keras' (3.15), a model's file holds the state.

    `learning_rate` is that of the first optimizer, and setting it changes all by the same factor, so that callbacks scale them together.

    Args:
        map: regular expression over paths of weights -> optimizer: an object, a name that Keras knows, or a serialized config.
        learning_rate: learning rate of all of them, a float or a `LearningRateSchedule`; default None: each one's own.
        clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency, loss_scale_factor,
            gradient_accumulation_steps, name: as in `keras.optimizers.Optimizer`.

    Raises:
        ValueError: an optimizer wraps others, or has an argument that belongs to this class; in `build`, no expression
            matches a weight.
    """

    def __init__(
        self,
        map: Annotated[Mapping, Reference("optimizer")],
        learning_rate: Positive | None = None,
        clipnorm: Positive | None = None,
        clipvalue: Positive | None = None,
        global_clipnorm: Positive | None = None,
        use_ema: bool = False,
        ema_momentum: Share = 0.99,
        ema_overwrite_frequency: Count | None = None,
        loss_scale_factor: Positive | None = None,
        gradient_accumulation_steps: Annotated[int, Range(2)] | None = None,
        name: str | None = None,
    ):
        super().__init__(
            name=name,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            use_ema=use_ema,
            ema_momentum=ema_momentum,
            ema_overwrite_frequency=ema_overwrite_frequency,
            loss_scale_factor=loss_scale_factor,
            gradient_accumulation_steps=gradient_accumulation_steps,
        )
        self.patterns = list(map)
        self.optimizers = [self._wrap(value, f"the optimizer of {key!r}") for key, value in map.items()]
        for inner in self.optimizers:
            if hasattr(inner, "inners"):
                raise ValueError(
                    f"{type(inner).__name__} wraps other optimizers; {type(self).__name__} takes plain ones."
                )
            if learning_rate is not None:
                inner.learning_rate = learning_rate
        self.members: list[int] = []
        self.paths: dict[int, str] = {}

    @property
    def inners(self) -> tuple[keras.optimizers.Optimizer, ...]:
        return tuple(self.optimizers)

    @property
    def learning_rate(self) -> Any:
        """The current learning rate of the first optimizer. Setting it changes all rates by the same factor."""
        return self.optimizers[0].learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        if isinstance(learning_rate, keras.optimizers.schedules.LearningRateSchedule):
            raise TypeError(
                f"{type(self).__name__} takes no schedule for all at once; set each of `optimizers`."
            )
        factor = learning_rate / self.optimizers[0].learning_rate
        for inner in self.optimizers[1:]:
            inner.learning_rate = inner.learning_rate * factor
        self.optimizers[0].learning_rate = learning_rate

    def member(self, path: str) -> int | None:
        """Return the number of the optimizer that trains a weight; None: no expression matches its path."""
        return next((i for i, pattern in enumerate(self.patterns) if re.fullmatch(pattern, path)), None)

    def name_weights(self, variables: Mapping[str, Any]) -> None:
        """Set the paths that the expressions are matched with; without it they are the variables' own (`variable.path`).

        Args:
            variables: path -> weight.
        """
        self.paths = {id(variable): path for path, variable in variables.items()}

    def build(self, variables: list[Any]) -> None:
        if self.built:
            return
        variables = list(variables)
        if len(self.members) != len(variables):  # a model's file has them
            paths = [self.paths.get(id(v), v.path) for v in variables]
            members = [self.member(path) for path in paths]
            if None in members:
                missing = paths[members.index(None)]
                raise ValueError(
                    f"no expression matches the weight {missing}; they are {', '.join(self.patterns)}."
                )
            self.members = members
        super().build(variables)

    def _trained_by(self, inner: keras.optimizers.Optimizer, variables: list[Any]) -> list[Any]:
        number = next(i for i, one in enumerate(self.optimizers) if one is inner)
        return [v for v, member in zip(variables, self.members, strict=True) if member == number]

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        grads = list(grads)
        if not grads:
            return
        super().apply(grads, trainable_variables)
        for inner in self.optimizers:
            keras_optimizer_private.step_counter(inner).assign_add(1)

    def _backend_update_step(
        self, grads: list[Any], trainable_variables: list[Any], learning_rate: Any
    ) -> None:
        members = [self.members[self._get_variable_index(v)] for v in trainable_variables]
        for number, inner in enumerate(self.optimizers):
            own = [i for i, member in enumerate(members) if member == number]
            if own:
                self._step_with(inner, [grads[i] for i in own], [trainable_variables[i] for i in own])

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["weight_decay"]
        inners = map(keras.saving.serialize_keras_object, self.optimizers)
        return {**config, "map": dict(zip(self.patterns, inners, strict=True)), "members": list(self.members)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Multi:
        config = dict(config)
        members = config.pop("members", [])
        config["map"] = {
            pattern: keras.saving.deserialize_keras_object(inner, custom_objects=custom_objects)
            for pattern, inner in config["map"].items()
        }
        built = cls(**config)
        built.members = list(members)
        return built
