"""Parts of a Keras model that its public API does not give: all layers, the graph, the compiled loss and metrics.

Checked with Keras 3.15.1. Without one of these names the caller raises AttributeError, except where a function says
otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def all_layers(model: keras.Model, include_self: bool = True) -> list[keras.Layer]:
    """Return a model's layers, those inside other layers included, each after the layer that holds it.

    For: looking at each layer's output, comparing two models layer by layer, finding layers that adapt to data.
    Public API: `model.layers` leaves out layers inside other layers.
    Checked: Keras 3.15.1. Missing: AttributeError.

    Args:
        model: any Keras model.
        include_self: list the model first.
    """
    return model._flatten_layers(include_self=include_self)


def direct_layers(layer: keras.Layer) -> list[keras.Layer]:
    """Return the layers that a layer or model holds itself, not those inside them.

    For: paths of weights, which name the layers around each.
    Public API: `model.layers` of a model; a layer has none.
    Checked: Keras 3.15.1. Missing: AttributeError.

    Args:
        layer: any Keras layer or model.
    """
    return list(layer._flatten_layers(include_self=False, recursive=False))


def own_variables(layer: keras.Layer) -> list[keras.Variable]:
    """Return the weights that a layer holds itself, not those of layers inside it, frozen ones included.

    For: paths of the weights of a layer with adapters.
    Public API: `layer.weights` has those of layers inside it; `save_own_variables` merges adapters into the kernel.
    Checked: Keras 3.15.1. Missing: AttributeError.
    """
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def graph_nodes(model: Any) -> Iterator[Any]:
    """Yield the nodes of a functional or sequential model's graph: one for each call of a layer.

    For: input and output shapes of each call, from which FLOPs and activations are estimated.
    Public API: `model.summary` prints one line a layer, not a call; `layer.output` refuses layers called twice.
    Checked: Keras 3.15.1. Missing: nothing is yielded, and the estimate falls back to the number of parameters.
    """
    graph = getattr(model, "_functional", None) or model  # of a Sequential
    for nodes in (getattr(graph, "_nodes_by_depth", None) or {}).values():
        yield from nodes


def count_loss(model: keras.Model, loss: Any, examples: Any) -> None:
    """Add a step's loss to the mean that Keras reports as `loss`.

    For: steps that compute the loss themselves, in `custom`, with accumulation, and over replicas.
    Public API: `compute_metrics` leaves the loss out; `train_step` and `test_step` do everything or nothing.
    Checked: Keras 3.15.1. Missing: AttributeError at the first step.

    Args:
        model: compiled.
        loss: a scalar, the mean over the examples.
        examples: how many it is the mean of.
    """
    model._loss_tracker.update_state(loss, sample_weight=examples)


def compiled_parts(model: keras.Model) -> tuple[Any, Any]:
    """Return the containers of the compiled metrics and of the compiled loss, None where there are none.

    For: creating the variables of both without the three graphs that Keras traces for it.
    Public API: `model.metrics` is empty before the containers are built.
    Checked: Keras 3.15.1. Missing: AttributeError when training begins.
    """
    return model._compile_metrics, model._compile_loss


def weigh_terms_by_examples(
    model: keras.Model, loss: Any, loss_weights: Any, examples_of_replica: Callable[[], Any]
) -> None:
    """Have the losses of several outputs, logged beside their sum, be means over examples.

    For: Keras takes the mean over the batches wherever the size of a batch is not known when a step is traced, so that a smaller last
    batch counts as much as the others, and the terms do not add up to `loss`.
    Public API: none; the container of the losses is made by `compile`.
    Checked: Keras 3.15.1. Missing: ImportError or AttributeError before training.

    Args:
        model: compiled with these; changed in place.
        loss, loss_weights: output -> loss, output -> its weight in the sum or None.
        examples_of_replica: returns the number of examples that count in the step being traced, or None for the whole batch.
    """
    import keras
    from keras.src.trainers.compile_utils import CompileLoss

    class Terms(CompileLoss):
        def call(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
            if not self.built:
                self.build(y_true, y_pred)
            total = []
            for (path, loss_of_output, weight, _), mean in zip(self._flat_losses, self.metrics, strict=True):
                output = path[0]
                of_output = sample_weight[output] if isinstance(sample_weight, dict) else sample_weight
                value = loss_of_output(y_true[output], y_pred[output], of_output)
                value = keras.ops.cast(value, self.dtype)
                # Of a part of the replica's examples, those of the part; of an example that fills an empty replica, none.
                examples, limit = keras.ops.shape(y_pred[output])[0], examples_of_replica()
                if limit is not None:
                    examples = keras.ops.minimum(examples, limit)
                mean.update_state(
                    value * model.distribute_strategy.num_replicas_in_sync, sample_weight=examples
                )
                total.append(value if weight is None else keras.ops.multiply(value, weight))
            return sum(total)

    model._compile_loss = Terms(loss, loss_weights, output_names=model.output_names)


def loss_terms(model: keras.Model, y: Any, y_pred: Any, weight: Any) -> dict[str, Any]:
    """Return the loss of each output of a model with several, times its weight in the sum.

    For: gradients of the terms. Public API: `compute_loss` returns their sum.
    Checked: Keras 3.15.1. Missing: AttributeError.

    Args:
        model: compiled, with a dict of outputs, whose loss was called before.
        y, y_pred: output -> labels, predictions.
        weight: output -> sample weights, or those of all outputs, or None.
    """
    terms = {}
    for (output, *_), loss, factor, _ in model._compile_loss._flat_losses:
        value = loss(y[output], y_pred[output], weight[output] if isinstance(weight, dict) else weight)
        terms[output] = value if factor is None else value * factor
    return terms


def wrap_loss(model: keras.Model, around: Callable[[Callable, Any, Any, Any], Any]) -> None:
    """Have a model compute another loss around its compiled one, to which penalties are added as before.

    For: a term whose share in the sum is not that of the penalties, which `compute_loss` has added already.
    Public API: none; the container of the losses is made by `compile`.
    Checked: Keras 3.15.1. Missing: AttributeError before training.

    Args:
        model: compiled; changed in place.
        around: takes the function that computes the compiled loss, labels, predictions and sample weights.
    """
    container = model._compile_loss
    compiled = container.call

    def call(y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        return around(compiled, y_true, y_pred, sample_weight)

    container.call = call


def loss_weights(model: keras.Model) -> Any:
    """Return the argument `loss_weights` of `compile`, whose numbers are constants of a compiled step.

    For: comparing the compiled programs of two jobs.
    Public API: `model.get_compile_config` serializes it with custom objects, which need not support that.
    Checked: Keras 3.15.1. Missing: AttributeError.
    """
    return model._compile_loss._user_loss_weights


def metric_arguments(model: keras.Model) -> tuple[Any, Any]:
    """Return the arguments `metrics` and `weighted_metrics` of `compile`.

    For: comparing the compiled programs of two jobs.
    Public API: `model.get_compile_config` serializes them, which custom objects need not support.
    Checked: Keras 3.15.1. Missing: AttributeError, or (None, None) if only the attributes of the container are gone.
    """
    container = model._compile_metrics
    return (
        getattr(container, "_user_metrics", None),
        getattr(container, "_user_weighted_metrics", None),
    )


def build_for(model: keras.Model, batch: tuple[Any, Any, Any]) -> None:
    """Create all variables of model, metrics and optimizer, as `fit` does before its first step.

    For: variables must exist before a function that uses them is compiled, or a checkpoint is put into them.
    Public API: `model.build` leaves out metrics and optimizer.
    Checked: Keras 3.15.1. Missing: AttributeError when training begins.

    Args:
        model: compiled.
        batch: x, y and sample weights (or None) of at least one example.
    """
    model._symbolic_build(data_batch=batch)


def never_build_by_batches(model: keras.Model) -> None:
    """Keep `fit` from building the model by a batch of each replica.

    For: replicas whose shares of a batch differ in size, of which Keras would take the mean. The model must be built.
    Public API: none. Checked: Keras 3.15.1. Missing: `fit` builds, and fails on batches that cannot be divided evenly.
    """
    model._maybe_symbolic_build = lambda **_: None


def log_what_steps_return(model: keras.Model) -> None:
    """Have `fit` log what the model's own steps return, also if these names are those of the model's metrics.

    For: Keras logs its own mean of the loss, which a step that returns ``{"loss": loss}`` has not updated: 0.
    Public API: none. Checked: Keras 3.15.1. Missing: such a loss is logged as 0 by `fit`.
    """
    model._get_metrics_result_or_logs = lambda logs: logs


def initial_epoch(model: keras.Model) -> int:
    """Return the epoch at which training begins, as a callback (`BackupAndRestore`) has set it; else 0.

    For: our own loops must begin where `fit` would.
    Public API: none reads it. Checked: Keras 3.15.1. Missing: 0, training begins at the first epoch.
    """
    return getattr(model, "_initial_epoch", None) or 0


def set_initial_epoch(model: keras.Model, epoch: int | None) -> None:
    """Have `fit` begin at an epoch, from inside `on_train_begin`.

    For: a resumed run, whose state is put back after the callbacks have begun.
    Public API: `fit(initial_epoch=…)` is decided before; `fit` prefers this attribute.
    Checked: Keras 3.15.1. Missing: `fit` begins at the epoch that it was called with.

    Args:
        model: in training.
        epoch: counted from 0; None: as `fit` was called.
    """
    model._initial_epoch = epoch


def made_by(tensor: Any) -> tuple[Any, int, list[Any]] | None:
    """Return the operation that made a symbolic tensor, which of its outputs it is, and the operation's inputs.

    For: finding out whether a model ends in probabilities.
    Public API: none; a functional model's last entry in `model.layers` need not be what made its output.
    Checked: Keras 3.15.1. Missing: None, and the output is judged by its values.

    Args:
        tensor: a `KerasTensor`.
    """
    history = getattr(tensor, "_keras_history", None)
    nodes = getattr(getattr(history, "operation", None), "_inbound_nodes", None)
    if not nodes:
        return None
    return history.operation, history.tensor_index, list(nodes[history.node_index].input_tensors)


def logits_behind(output: Any) -> Any:
    """Return the logits of which Keras' softmax or sigmoid has just made an output, or None.

    For: a loss that does not lose digits to the exponential and the logarithm; Keras' cross-entropies read the same attribute.
    Public API: none. Checked: Keras 3.15.1. Missing: None, and the logits are taken from the probabilities.
    """
    return getattr(output, "_keras_logits", None)


@contextmanager
def unlocked(model: keras.Model) -> Iterator[None]:
    """Let a model take metrics, layers and variables as attributes, also if it is built and Keras has locked it.

    For: a model's own `compile`, which Keras' guides have before the model is built; the columns `penalty` and `data_loss`.
    Public API: attributes, but only before a subclassed model is built.
    Checked: Keras 3.15.1. Missing: AttributeError before training.
    """
    tracker = model._tracker
    locked = tracker.locked
    tracker.unlock()
    try:
        yield
    finally:
        if locked:
            tracker.lock()
