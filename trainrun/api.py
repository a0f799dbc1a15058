"""The Python API: `trainrun.build`, `compose`, `load`, `minimize`, `run`, `sweep`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.errors import Problem, UserError
from trainrun.run.result import RunResult
from trainrun.util import lengths

if TYPE_CHECKING:
    from trainrun.sweep.loop import SweepResult
    from trainrun.trainer.minimize import Minimum

# The override that names a run's directory.
RUN_DIR = "hydra.run.dir"


def compose(overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return the config of one run, resolved and checked, as plain dicts and lists.

    Args:
        overrides: as on the command line: ``["optimizer=adam", "trainer.epochs=3"]``.

    Raises:
        UserError: with every problem found; nothing was written.
    """
    from trainrun.hydra_bridge import preflight
    from trainrun.util import grants

    with grants.of_command_line(overrides) as (words, _):
        config, problems = preflight.overrides(words)
    if problems:
        raise UserError(problems)
    return config


def run(
    overrides: Sequence[str] | Mapping[str, Any] = (),
    run_dir: str | Path | None = None,
    data: Any = None,
) -> RunResult | SweepResult:
    """Train one run, as the command line does, and return its result with the trained model.

    Args:
        overrides: as on the command line; or a config as `compose` returns it, which may have been changed.
        run_dir: where to leave the record; by default `hydra.run.dir` of the overrides, else a new folder below `outputs/runs`.
        data: a DataFrame (of pandas, polars or pyarrow), read as by `data=feather`; or arrays by name, ``(x, y)`` or
            ``(x, y, weight)``, read as by `data=npz`. It is kept by its content in a file below `outputs/.data`, from which the run can
            be resumed and reproduced.

    Returns:
        The run; with ``seeds=3`` the sweep over the seeds, as on the command line.

    Raises:
        UserError: the input is wrong.
        TrainingError: training failed.
        Interrupted: SIGINT or SIGTERM, a `KeyboardInterrupt`; `trainrun.resume` goes on.

    Example:
        >>> result = trainrun.run(["data=iris", "trainer.epochs=30"])
        >>> result.metrics["val_accuracy"], result.model
        >>> result = trainrun.run(["data.target=price"], data=df)
    """
    from trainrun.config import plugins, saved
    from trainrun.data import _kept_data
    from trainrun.hydra_bridge import registration
    from trainrun.run import runner
    from trainrun.util import grants

    if isinstance(overrides, Mapping):
        if data is not None:
            raise UserError(
                Problem("data", "a config names its data already. Pass overrides with the argument data=.")
            )
        config, overrides = saved.checked(saved.complete(copy.deepcopy(dict(overrides)), "config"), []), []
    else:
        keep = nullcontext(list(overrides)) if data is None else _kept_data.kept(data, overrides)
        with keep as overrides:
            config = compose(overrides)
    if (config["seeds"] or 1) > 1:
        if run_dir is not None or not overrides:
            raise UserError(
                Problem("seeds", f'{config["seeds"]} seeds are a sweep: trainrun.sweep([…, "seeds=3"]).')
            )
        return sweep(overrides)
    plugins.load(config["plugins"])
    folder = Path(run_dir or _typed_folder(overrides) or Path("outputs", "runs", registration.run_name()))
    if folder.exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty; a run never writes into another's directory.")
    folder.mkdir(parents=True, exist_ok=True)
    with grants.of_command_line(overrides) as (words, _):
        return runner.run(config, folder.absolute(), overrides=words, command=["trainrun.run"])


def _typed_folder(overrides: Sequence[str]) -> str | None:
    """Return the run's directory that overrides name, or None."""
    from trainrun.config import override_text
    from trainrun.hydra_bridge import override_grammar

    typed = [word for word in overrides if override_text.key(word) == RUN_DIR]
    folder = str(override_grammar.parse(typed[-1]).value()) if typed else None
    if folder is not None and "${" in folder:
        raise UserError(Problem(RUN_DIR, f"{folder} is resolved on the command line only. Pass run_dir=."))
    return folder


def sweep(overrides: Sequence[str]) -> SweepResult:
    """Run a sweep, as ``trainrun -m`` does, and return its trials.

    Args:
        overrides: as on the command line behind ``-m``.

    Returns:
        `trials`, `frame` (a `pandas.DataFrame`, a row per trial), `best` (the best trial as a run), `sweep_dir`. A trial that
        fails does not raise; its `status` says so.

    Raises:
        UserError: the input is wrong; nothing was trained.
        Interrupted: SIGINT or SIGTERM, a `KeyboardInterrupt`; what was trained is in the sweep's directory.

    Example:
        >>> sweep = trainrun.sweep(["data=iris", "optimizer.learning_rate=1e-3,1e-2"])
        >>> sweep.frame, sweep.best.metrics["val_accuracy"]
    """
    from trainrun.hydra_bridge import main
    from trainrun.util import grants, interrupt

    with grants.of_command_line(overrides) as (words, _):
        result = main.sweep(words)
    if result.signal is not None:
        raise interrupt.Interrupted(result.signal)
    return result


def load(run: str | Path = "last", outputs: str | Path = "outputs") -> RunResult:
    """Return a recorded run; its model and data are loaded when they are asked for.

    Args:
        run: a run's directory or id, ``SWEEP/TRIAL``, a tracker's run id, ``last``, or ``best`` (of the last sweep).
        outputs: where runs are.

    Raises:
        UserError: there is no such run.

    Example:
        >>> run = trainrun.load("last")
        >>> run.metrics, run.history["val_loss"], run.config["optimizer"], run.model, run.data()
    """
    from trainrun.sweep import named_run

    return RunResult.read(named_run.run(run, outputs))


def build(group: str, option: str | None = None, /, form: str = "class", **arguments: Any) -> Any:
    """Return a bare Keras object, for use on its own in a notebook.

    Args:
        group: ``loss``, ``metric``, ``optimizer``, ``schedule``, ``callback``, ``layer``, ``model``, ``data`` …
        option: an option (``huber``, ``mse``), or a registered component's name (``Huber``).
        form: ``function`` gives the function instead of the object, its arguments bound.
        arguments: over the defaults of the option's YAML; `name` is the object's own name. Without `option`, `name` names
            the option: ``build("metric", **node)`` takes a config's node.

    Example:
        >>> trainrun.build("loss", "huber", delta=2.0)
        <Huber(reduction="sum_over_batch_size", delta=2.0)>

    Raises:
        UserError: there is no such option or argument, or a length is a share of a run, which has no steps here.
    """
    from trainrun.registry import option_files, signatures
    from trainrun.registry.construct import construct, resolve

    option = arguments.pop("name") if option is None else option
    if option_files.find(group, option) is None and option_files.find(group, option.lower()) is not None:
        option = option.lower()  # Keras' MSE, KLD …
    component, complete = resolve(
        group, {"name": option} | {k: v for k, v in arguments.items() if k != "name"}
    )
    known = signatures.read(component)
    if known is None or known.open or arguments.keys() <= {"name", *known.parameters}:
        # An argument that does not exist is told first, by `construct`.
        arguments |= _in_steps(
            group, {k: complete[k] for k in signatures.lengths(component) if k in complete}
        )
    named = {"name": arguments.pop("name")} if "name" in arguments else {}
    return construct(group, {"name": option, **arguments}, form=form, **named)


def minimize(
    function: Callable[..., Any],
    variables: Sequence[Any],
    optimizer: Any = "sgd",
    steps: int = 200,
    **arguments: Any,
) -> Minimum:
    """Minimize a Python function of variables by a Keras optimizer, as `trainer=minimize` minimizes a loss.

    Args:
        function: takes the variables in their order, or nothing; returns a scalar, computed by `keras.ops` or TensorFlow.
        variables: `keras.Variable` or `tf.Variable`, changed in place; of a function that takes them also arrays or numbers.
        optimizer: an option (``adam``), a mapping with `name`, or a Keras optimizer.
        steps: how many.
        arguments: of the option: ``learning_rate=0.1``.

    Returns:
        `values` of the variables, `history` of the function's values, and `value`, the last of them.

    Raises:
        UserError: there is no such optimizer, or the function and the variables do not fit.

    Example:
        >>> trainrun.minimize(lambda x: (x - 3) ** 2, [0.0], optimizer="adam", steps=500, learning_rate=0.1).values
        [array(3., dtype=float32)]
    """
    from trainrun.trainer.minimize import minimized

    if isinstance(optimizer, str | Mapping):
        spec = {"name": optimizer} if isinstance(optimizer, str) else dict(optimizer)
        optimizer = build("optimizer", **{**spec, **arguments})
    elif arguments:
        raise UserError(f"{', '.join(arguments)}: an optimizer's arguments are set where it is made.")
    return minimized(function, variables, optimizer, steps)


def _in_steps(group: str, written: Mapping[str, Any]) -> dict[str, Any]:
    """Return those lengths of training that are written as text, in steps."""
    in_steps = {}
    for name, value in written.items():
        texts = value if isinstance(value, list) else [value]
        if not any(isinstance(text, str) for text in texts):
            continue
        try:
            parsed = [lengths.parse(text) for text in texts]
        except ValueError as error:
            raise UserError(Problem(f"{group}.{name}", str(error))) from error
        if shares := [str(length) for length in parsed if length.unit != "steps"]:
            raise UserError(
                Problem(
                    f"{group}.{name}",
                    f"{shares[0]} is a part of a run, which has no steps here. Give a number of steps: {name}=1000.",
                )
            )
        steps = [int(length.amount) for length in parsed]
        in_steps[name] = steps if isinstance(value, list) else steps[0]
    return in_steps
