"""Construction of components from their names and arguments; components that the arguments name are built first."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any

from trainrun.compat import keras_metric_private
from trainrun.errors import Problem, UserError, did_you_mean
from trainrun.registry import (
    common_keys,
    declaration_reader,
    followed_keys,
    function_parts,
    hints,
    lookup,
    old_arguments,
    option_files,
    signatures,
)
from trainrun.util import patterns


def construct(
    group: str,
    spec: str | Mapping[str, Any],
    form: str = "class",
    key: str = "",
    complete: bool = False,
    **runtime: Any,
) -> Any:
    """Build a component.

    Args:
        group: ``loss``, ``optimizer``, …
        spec: a name, or a mapping with `name` and arguments. The name is an option's (its YAML's arguments are
            then the defaults) or a registered component's.
        form: ``class`` gives the object (a model's or dataset's function is called); ``function`` gives the
            function with its arguments bound.
        key: its key in the config, for messages; by default the group.
        complete: the spec has all its arguments (a node of a composed config): no defaults of an option are added.
        runtime: values known at run time (`num_classes`, `total_steps`, `seed` …): passed to the component if it
            has such an argument and the config leaves it null.

    Raises:
        UserError: the name is not registered, or an argument is unknown, missing or refused.
    """
    key = key or group
    component, arguments = resolve(group, spec, key)
    if complete and isinstance(spec, Mapping):
        arguments = {k: v for k, v in arguments.items() if k in spec}
    target = component.load(form)
    known = parameters(target)
    source = signatures.read(component)
    hinted = source.parameters if source else {}
    arguments = {k: hints.whole(hinted[k].hint, v) if k in hinted else v for k, v in arguments.items()}
    arguments = common_keys.without(group, arguments, known)
    unread = {k for k, p in hinted.items() if p.unread}
    inside = signatures.references(component)
    arguments = {
        name: _nested(value, inside[name], f"{key}.{name}", hints.takes_keys(hinted[name].hint))
        if name in inside
        else value
        for name, value in arguments.items()
        # null means a default that is known only by running the file.
        if value is not None or name not in unread
    }
    if known is not None:
        if form == "function":
            # A function has no reduction, dtype and the like; only arguments that the user has set must exist.
            written = {} if isinstance(spec, str) else spec
            arguments = {k: v for k, v in arguments.items() if k in known or k in written}
        arguments |= {k: v for k, v in runtime.items() if k in known and arguments.get(k) is None}
        unknown = [k for k in arguments if k not in known]
        if unknown:
            raise UserError(
                [Problem(f"{key}.{k}", unknown_argument(group, k, component.name, known)) for k in unknown]
            )
    if form == "function":
        return functools.partial(target, **arguments) if arguments else target
    if (group, component.group) == ("metric", "loss") and isinstance(target, type):
        return _mean_of_loss(component, target, arguments)
    if group in ("loss", "metric") and known is not None and "y_true" in known:
        return _marked(group, component, _wrapped(group, component.name, target, arguments))
    if group == "step" and known is not None and "model" in known:
        # A plain function is the step itself: it is called for each batch.
        return functools.partial(target, **arguments) if arguments else target
    if component.origin.startswith("plug-in") and function_parts.is_part(group, target, arguments):
        arguments = {
            k: v for k, v in arguments.items() if v is not None or known[k].default is not known[k].empty
        }
        target = function_parts.as_class(group, target)
    try:
        built = target(**arguments)
        if group == "initializer" and component.origin.startswith("plug-in"):
            from trainrun.registry import tried_initializer  # few runs need it

            tried_initializer.check(key, component.name, built)
        return _marked(group, component, built)
    except (TypeError, ValueError) as error:
        from trainrun.util.places import place
        from trainrun.util.user_frames import user_frames

        # The traceback of arguments that the user's code does not take has no frame of that code.
        if isinstance(error, UserError) or user_frames(error):
            raise
        what = "refused its arguments" if arguments else f"raised {type(error).__name__}"
        where = f"{place(target)}: " if component.origin.startswith("plug-in") else ""
        raise UserError(Problem(key, f"{where}{component.name} {what}: {error}")) from error


def _marked(group: str, component: lookup.Component, built: Any) -> Any:
    """Return a loss or metric that carries those declarations that are read from the object alone."""
    declared = declaration_reader.of(group, component.name)
    if group == "loss" and declared.whole_batch:
        built.whole_batch = True
    if group == "optimizer":
        _refuse_several_rates(component.name, built)
    if group == "metric" and declared.direction:
        keras_metric_private.set_direction(built, declared.direction)
    return built


def _refuse_several_rates(name: str, optimizer: Any) -> None:
    """Refuse Keras' MultiOptimizer, which has no learning rate to read, and whose state Keras (3.15) does not load from a model's file."""
    import keras

    if isinstance(optimizer, keras.optimizers.MultiOptimizer):
        text = (
            f"{name} makes a keras.optimizers.MultiOptimizer, which has no learning rate for schedules, logs and callbacks. "
            "optimizer=multi optimizer.map={backbone/.*: sgd, .*: adam} is that optimizer with all three."
        )
        raise UserError(Problem("optimizer", text))


def _mean_of_loss(component: lookup.Component, loss: type, arguments: dict[str, Any]) -> Any:
    """Return the metric that a loss is: its values averaged over the examples, as Keras' own metrics of losses."""
    import keras

    shown, dtype = arguments.pop("name", None) or component.name, arguments.get("dtype")
    values = loss(**arguments)
    values.reduction = None
    return _marked("metric", component, keras.metrics.MeanMetricWrapper(values, name=shown, dtype=dtype))


def _wrapped(group: str, name: str, function: Any, arguments: dict[str, Any]) -> Any:
    """Return the Keras object of a plain function `(y_true, y_pred, …)`, its other arguments bound."""
    import keras

    shown = arguments.pop("name", None) or name
    bound = functools.update_wrapper(functools.partial(function, **arguments), function)
    bound.__name__ = shown
    return keras.metrics.MeanMetricWrapper(bound, name=shown) if group == "metric" else bound


def resolve(
    group: str, spec: str | Mapping[str, Any], key: str = ""
) -> tuple[lookup.Component, dict[str, Any]]:
    """Return the component that a spec names and its arguments over its option's defaults; nothing is imported."""
    key = key or group
    if isinstance(spec, str):
        spec = {"name": spec}
    if not isinstance(spec, Mapping) or not isinstance(spec.get("name"), str):
        raise UserError(
            Problem(
                key,
                f"expected a name or a mapping with a name, got {spec!r}. For example {{name: l2, l2: 0.01}}.",
            )
        )
    arguments = {k: v for k, v in spec.items() if k != "name"}
    if followed := followed_keys.followed(arguments, key):
        raise UserError(followed)
    option = option_files.find(group, spec["name"])
    if option is None:
        return lookup.find(group, spec["name"]), arguments
    defaults = {k: v for k, v in option.arguments.items() if not (isinstance(v, str) and "${" in v)}
    name = defaults.pop("name", option.name)
    return lookup.find(group, name), {**defaults, **arguments}


@functools.cache  # reading a signature takes a millisecond
def parameters(target: Any) -> Mapping[str, inspect.Parameter] | None:
    """Return the named parameters of a component, or None if it takes any."""
    named = inspect.signature(target).parameters
    if isinstance(target, type):
        # A Keras class may take `**kwargs` on top of what its own __init__ names: its base class' arguments.
        for base in target.__mro__[1:]:
            if base.__name__ in ("Layer", "Operation", "object") or not any(
                p.kind is p.VAR_KEYWORD for p in named.values()
            ):
                break
            named = {**inspect.signature(base.__init__).parameters, **named}
        if "kwargs" in named and any(base.__name__ == "Layer" for base in target.__mro__):
            named = {**named, **dict.fromkeys(("dtype", "trainable", "activity_regularizer", "autocast"))}
        return {k: p for k, p in named.items() if k not in ("self", "kwargs", "args")}
    return None if any(p.kind is p.VAR_KEYWORD for p in named.values()) else dict(named)


def unknown_argument(group: str, argument: str, owner: str, known: Mapping[str, Any]) -> str:
    """Return the message on an argument that does not exist: what it is called today, else what was probably meant."""
    if (today := old_arguments.today(group, argument)) is not None:
        return f"{owner} has no argument {argument}. {today}"
    return f"{owner} has no argument {argument}.{did_you_mean(argument, known)} It takes {', '.join(known)}."


def _nested(value: Any, group: str, key: str, by_name: bool = False) -> Any:
    """Return the component that a value names, or those in a list or, `by_name`, under keys."""
    if value is None or not isinstance(value, str | Mapping | list | tuple):
        return value
    if isinstance(value, list | tuple):
        return [_nested(v, group, f"{key}[{i}]") for i, v in enumerate(value)]
    if by_name and isinstance(value, Mapping):
        return {k: _nested(v, group, f"{key}[{k!r}]") for k, v in value.items()}
    built = construct(group, value, key=key)
    if group == "layer" and isinstance(value, Mapping):
        built.layer_name = value.get("layer_name")
        built.name = built.layer_name or built.name
        built.takes = tuple(patterns.listed(value.get("inputs")))
    return built
