"""Declarations of components: the data that one demands, and its capabilities.

Components of trainrun declare by the decorator `declare`, a plug-in by arguments of `trainrun.register`, Keras' classes in
the tables of `trainrun/registry/keras/`. `registry.declaration_reader` reads them from the source, without importing anything,
so they are literals. One frozen dataclass a group; every default is the safe one, for components that declare nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

Thing = TypeVar("Thing", bound=Callable[..., Any])
# The name under which `declare` leaves the arguments on a class or function.
ATTRIBUTE = "declared"

TARGETS = ("binary", "multiclass", "multilabel", "real", "none", "named")
LABELS = ("ids", "one_hot", "binary", "real", "sequence", "any")
PREDICTIONS = ("probabilities", "logits", "scores", "ids", "real", "positive", "any")
INPUTS = ("numeric", "categorical", "image", "tokens")


def _words(known: tuple[str, ...], default: tuple[str, ...] = ()) -> Any:
    """Return a field that holds several of the known words."""
    return field(default=default, metadata={"words": known, "several": True})


def _word(known: tuple[str, ...] | None, default: str | None) -> Any:
    """Return a field that holds one of the known words; None: any word."""
    return field(default=default, metadata={"words": known, "several": False})


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """The declaration of a component of any group.

    Args:
        packages: modules that must be installed.
    """

    packages: tuple[str, ...] = field(default=(), metadata={"words": None, "several": True})


@dataclass(frozen=True, kw_only=True)
class LossDeclaration(Declaration):
    """The declaration of a loss.

    Args:
        targets: the kinds of target that it fits; empty: any.
        labels: the form of `y_true`, the preferred one first; the builder converts. ``ids`` (int, `[batch]`),
            ``one_hot`` (`[batch, classes]`), ``binary`` (0/1, `[batch, 1]`), ``real`` (`[batch, outputs]`), ``sequence``
            (several ids an example), ``any``; empty: as they are.
        predictions: what it reads: ``probabilities``, ``logits`` (it has `from_logits`), ``scores`` (raw margins, as
            hinge), ``ids`` (class ids), ``real``, ``positive`` (the head ends in softplus), ``any``.
        unit: ``own``: it reads a real target in its own unit, not in deviations from its mean (relative errors, counts).
        whole_batch: it is one number for the whole batch, no sum over examples, unless its argument `axis` is set.
        shift_invariance: as a metric's; it is read where the loss is a metric.
        reads_order: it reads the order of more than two classes, so that those must have one.
    """

    targets: tuple[str, ...] = _words(TARGETS)
    labels: tuple[str, ...] = _words(LABELS)
    predictions: tuple[str, ...] = _words(PREDICTIONS, ("any",))
    unit: str = _word(("deviations", "own"), "deviations")
    whole_batch: bool = False
    shift_invariance: str = _word(("each", "common", "none"), "none")
    reads_order: bool = False


@dataclass(frozen=True, kw_only=True)
class MetricDeclaration(Declaration):
    """The declaration of a metric.

    Args:
        targets, labels, predictions: as a loss's.
        direction: ``max`` if more is better, ``min`` if less is; None: neither.
        shift_invariance: of a metric on real targets: its value stays the same if a constant is added to targets and
            predictions alike, ``each`` output having one of its own, or one ``common`` to all; ``none``: it does not.
        scale_invariant: its value stays the same if all targets and predictions are multiplied by one number above 0.
        correlates_along_axis: it needs several values along its argument `axis`.
        needs_both_classes: it is undefined (NaN) where all examples are of one class, unless its argument `curve` is no ROC.
        reads_order: as a loss's, unless its argument `weights` is None.
    """

    targets: tuple[str, ...] = _words(TARGETS)
    labels: tuple[str, ...] = _words(LABELS)
    predictions: tuple[str, ...] = _words(PREDICTIONS, ("any",))
    direction: str | None = _word(("min", "max"), None)
    shift_invariance: str = _word(("each", "common", "none"), "none")
    scale_invariant: bool = False
    correlates_along_axis: bool = False
    needs_both_classes: bool = False
    reads_order: bool = False


def as_metric(loss: LossDeclaration) -> MetricDeclaration:
    """Return what a loss demands as a metric; less is better."""
    shared = ("packages", "targets", "labels", "predictions", "shift_invariance", "reads_order")
    return MetricDeclaration(direction="min", **{name: getattr(loss, name) for name in shared})


@dataclass(frozen=True, kw_only=True)
class ModelDeclaration(Declaration):
    """The declaration of a model.

    Args:
        targets: as a loss's.
        inputs: the kinds of input: ``numeric``, ``categorical``, ``image``, ``tokens``; empty: any.
        trained: its weights were trained before: a real target comes out in its own unit.
        output: what it predicts for classes: ``probabilities``, ``logits`` or ``scores``; ``embedding``: vectors that the loss compares,
            of any number of units; None: read from its graph, else from what it predicts.
        saves: the attribute that holds the part of the model that is saved, a Keras model: ``generator``; None: the whole.
        states_output: its argument `output` states it instead.
        dense_layers: it has dense layers only, so that one graph is known to train many of its trials faster.
        quantizes: it may have a layer that Keras quantizes (Dense, EinsumDense, Embedding).
    """

    targets: tuple[str, ...] = _words(TARGETS)
    inputs: tuple[str, ...] = _words(INPUTS)
    trained: bool = False
    output: str | None = _word(("probabilities", "logits", "scores", "embedding"), None)
    saves: str | None = _word(None, None)
    states_output: bool = False
    dense_layers: bool = False
    quantizes: bool = True


@dataclass(frozen=True, kw_only=True)
class CallbackDeclaration(Declaration):
    """The declaration of a callback.

    Args:
        reads_weights: it reads variables of the model besides the optimizer's counters and learning rate.
        changes_only_variables: it changes nothing of the model but values of variables, so trials may share a program.
        sets_learning_rate: it sets the optimizer's learning rate.
        needs_averaged_weights: it needs `optimizer.use_ema`.
        adds_columns: it logs columns of its own, beside the run's metrics.
        reads_compiled_loss: it needs the loss that the model is compiled with, which a custom step may not use.
        reads_clock: its effect depends on measured time, so that no two runs with it are equal.
    """

    reads_weights: bool = True
    changes_only_variables: bool = False
    sets_learning_rate: bool = False
    needs_averaged_weights: bool = False
    adds_columns: bool = False
    reads_compiled_loss: bool = False
    reads_clock: bool = False


@dataclass(frozen=True, kw_only=True)
class AugmentDeclaration(Declaration):
    """The declaration of an augmentation.

    Args:
        inputs: the kinds of input that it changes; one that mixes labels changes all inputs of an example.
        mixes_labels: it takes inputs, labels and weights together, and mixes the labels of several examples.
        moves_pixels: it moves the pixels of images, so that images of labels are moved with them.
    """

    inputs: tuple[str, ...] = _words(INPUTS)
    mixes_labels: bool = False
    moves_pixels: bool = False


@dataclass(frozen=True, kw_only=True)
class TrainerDeclaration(Declaration):
    """The declaration of a trainer.

    Args:
        takes_steps: it takes steps on batches, one by one; else the whole data in one compiled call.
        calls_train_step: it calls the model's own `train_step`.
        augments: it trains on the job's augmented batches.
        accumulates: it takes a batch in parts by its argument `accumulate`.
        divides_batches: it divides a batch among the replicas of a strategy.
        multi_worker: it runs under `MultiWorkerMirroredStrategy`.
        keras_fit: it is Keras' own loop, with that loop's limits on several devices.
        shares_program: trials may share the program that it compiles.
        vectorizes: its trials may be trained together in one graph.
        input: how it reads batches, for `profile`: ``python`` (one by one), ``gathered`` (in the compiled loop, from arrays
            that the device holds) or ``pipeline`` (`tf.data`).
    """

    takes_steps: bool = False
    calls_train_step: bool = False
    augments: bool = False
    accumulates: bool = False
    divides_batches: bool = False
    multi_worker: bool = False
    keras_fit: bool = False
    shares_program: bool = False
    vectorizes: bool = False
    input: str = _word(("python", "gathered", "pipeline"), "pipeline")


@dataclass(frozen=True, kw_only=True)
class HardwareDeclaration(Declaration):
    """The declaration of a choice of devices.

    Args:
        several_devices: a batch may be divided; `trainrun.config.rules.hardware.count` may still find that it is not.
        several_processes: it is one of several processes that train together.
        compiles_steps: XLA compiles a step that its devices share.
        shares_program: trials on it may share a compiled program.
        vectorizes: trials on it may be trained together in one graph.
    """

    several_devices: bool = False
    several_processes: bool = False
    compiles_steps: bool = True
    shares_program: bool = False
    vectorizes: bool = False


# Group -> what its components may declare; a group that is not here has nothing but `packages`.
KINDS: Mapping[str, type[Declaration]] = {
    "loss": LossDeclaration,
    "metric": MetricDeclaration,
    "model": ModelDeclaration,
    "callback": CallbackDeclaration,
    "augment": AugmentDeclaration,
    "trainer": TrainerDeclaration,
    "hardware": HardwareDeclaration,
}


def kind(group: str) -> type[Declaration]:
    """Return the dataclass of a group's declarations."""
    return KINDS.get(group, Declaration)


def declare(**arguments: Any) -> Callable[[Thing], Thing]:
    """Declare demands and capabilities of the decorated class or function; see the dataclass of its group.

    Args:
        arguments: literals; they are read from the source as well, without importing it.

    Example:
        >>> @declare(targets=("binary",), labels="binary", direction="max")
        ... class KS(keras.metrics.Metric): ...
    """

    def keep(thing: Thing) -> Thing:
        setattr(thing, ATTRIBUTE, arguments)
        return thing

    return keep


def faults(group: str, arguments: Mapping[str, Any]) -> list[str]:
    """Return the problems of a declaration's arguments, a sentence each."""
    known = {f.name: f for f in dataclasses.fields(kind(group))}
    problems = []
    for name, value in arguments.items():
        if name not in known:
            problems.append(f"a {group} declares {', '.join(known)}; there is no {name}.")
            continue
        field_of = known[name].metadata
        words, is_flag = field_of.get("words"), not field_of
        if field_of.get("several"):
            values = (value,) if isinstance(value, str) else value
            fits = isinstance(values, list | tuple) and all(isinstance(v, str) for v in values)
        else:
            values, fits = (value,), isinstance(value, bool if is_flag else str)
        if not fits or (words is not None and not set(values) <= set(words)):
            expected = "true or false" if is_flag else " or ".join(words or ("names",))
            problems.append(f"{name}: expected {expected}, got {value!r}.")
    return problems


def made(group: str, arguments: Mapping[str, Any]) -> Declaration:
    """Return the declaration that the arguments make.

    Raises:
        ValueError: one of them is no argument of the group, or no value that it may have.
    """
    if wrong := faults(group, arguments):
        raise ValueError(" ".join(wrong))
    several = {f.name for f in dataclasses.fields(kind(group)) if f.metadata.get("several")}
    return kind(group)(
        **{k: ((v,) if isinstance(v, str) else tuple(v)) if k in several else v for k, v in arguments.items()}
    )
