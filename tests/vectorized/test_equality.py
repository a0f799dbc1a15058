"""Trials that are trained together come to what each comes to alone: its own steps, one after another, on its own model."""

from __future__ import annotations

import numpy as np
import pytest

from trainrun.hydra_bridge import compose_cache, preflight

EPOCHS = 2
DIGITS = ["data=digits", "trainer.limit=40", "trainer.batch_size=16"]
MODELS = {
    "mlp with dropout": [*DIGITS, "model=mlp", "model.units=[8]", "model.dropout={0.2,0.3,0.4}"],
    "cnn": [*DIGITS, "model=cnn", "model.filters=[4]", "model.dropout=0.2"],
    "embedding and pooling": ["data=synthetic", "data.kind=sequences", "data.examples=80", "trainer.batch_size=16", "model=layers",
                              "model.layers=[{name: Embedding, input_dim: 20, output_dim: 4}, {name: GlobalAveragePooling1D}]"],
    "batch norm": [*DIGITS, "model=mlp", "model.units=[8]", "model.batch_norm=true"],
    "layer norm and attention": [*DIGITS, "model=transformer_small", "model.width=8", "model.heads=2", "model.depth=1",
                                 "model.feed_forward=8", "model.activation=relu"],
    "penalties and add_loss": [*DIGITS, "model=sparse_mlp", "model.units=[8]", "model.l1={0.001,0.01,0.1}",
                               "model.regularizer={name: l2, l2: <0.01,0.02,0.03>}"],
}  # fmt: skip
OPTIMIZERS = {
    "sgd": "optimizer.momentum={0.0,0.0,0.0}",
    "nag": "optimizer.momentum={0.9,0.8,0.7}",
    "rmsprop": "optimizer.rho={0.9,0.8,0.7}",
    "adam": "optimizer.beta_1={0.9,0.8,0.7}",
    "adamw": "optimizer.weight_decay={0.01,0.1,0.2}",
    "nadam": "optimizer.beta_2={0.999,0.99,0.9}",
    "radam": "optimizer.beta_2={0.999,0.99,0.9}",
    "lookahead": "optimizer.slow_step_size={0.5,0.4,0.3} optimizer.sync_period=2",
}
# What is a random draw more, with one optimizer: that the draws are a trial's own does not depend on it.
MORE = {
    "noise": [*DIGITS, "model=layers", "model.layers=[{name: Flatten}, {name: GaussianNoise, stddev: <0.1,0.2,0.3>}, {name: Dense, units: 8}]"],
    "attention with dropout": [*MODELS["layer norm and attention"], "model.dropout={0.1,0.2,0.3}"],
}  # fmt: skip
# An optimizer gets one gradient a variable, whatever the model: as an array, or as rows of an embedding. So all of them with one model
# of each kind, and two with each of the others.
BOTH = ("mlp with dropout", "embedding and pooling")
PAIRS = [(m, o) for m in MODELS for o in (OPTIMIZERS if m in BOTH else ("sgd", "adam"))] + [
    ("noise", "lookahead"),
    ("attention with dropout", "adam"),
]


def settings(lines, at):
    """Return what a trial is given: of `{a,b,c}` and `<a,b,c>` its own."""
    import re

    return [
        re.sub(r"(?<==)\{([^:{}]*)\}|<([^<>]*)>", lambda m: (m[1] or m[2]).split(",")[at], t) for t in lines
    ]


@pytest.fixture(scope="module", autouse=True)
def configs_are_composed_once():
    with compose_cache.enabled():
        yield


@pytest.fixture
def precision():
    import keras

    yield
    keras.config.set_dtype_policy("float32")
    keras.config.set_floatx("float32")


def jobs(lines, precision="float64"):
    from trainrun.run import builders
    from trainrun.trainer.epoch_loop import build
    from trainrun.vectorized.pending import PendingValues

    PENDING.clear()
    made = []
    for i in range(3):
        overrides = [
            *settings(lines, i),
            f"seed={i + 1}",
            f"hardware.precision={precision}",
            "metric=accuracy",
        ]
        config, problems = preflight.overrides(overrides)
        assert not problems, problems
        strategy = builders.strategy(config)
        made.append(builders.job(config, builders.dataset(config), strategy))
        build(made[-1])
        PENDING[id(made[-1])] = PendingValues(made[-1].model)
    return made


PENDING = {}


def pending(job):
    return PENDING[id(job)]


def part(job, epoch):
    from trainrun.trainer.pipeline import order
    from trainrun.vectorized.program import Part

    return Part(pending(job), job.train, order(job.plan, len(job.train), epoch))


def whole(job):
    from trainrun.vectorized.program import Part

    return Part(pending(job), job.validation, np.arange(len(job.validation)))


def alone(job, measured=True):
    """Return the metrics of each epoch, and of the validation data after the last (if `measured`), step by step."""
    from trainrun.step.default import default
    from trainrun.vectorized import functional

    model, logs = job.model, []

    def batches(split, index):
        for at in range(0, len(index), job.plan.batch_size):
            few = split.take(index[at : at + job.plan.batch_size])
            yield few.x, few.y, few.weight

    for epoch in range(EPOCHS):
        model.reset_metrics()
        for x, y, weight in batches(job.train, part(job, epoch).order):
            loss, y_pred = default(model, x, y, weight, 1.0)
            functional.measure(model, x, y, weight, y_pred, loss)
        logs.append({k: float(v) for k, v in model.get_metrics_result().items()})
    if not measured:
        return logs, [v.numpy() for v in model.variables]
    model.run_eagerly = True  # Keras' own measuring; compiling it would take longer than all else here
    logs.append({k: float(v) for k, v in model.evaluate(
        job.validation.x, job.validation.y, batch_size=len(job.validation), verbose=0, return_dict=True).items()})  # fmt: skip
    return logs, [v.numpy() for v in model.variables]


def together(made, measured=True):
    """Return the same of trials that are trained in one graph; their models are as before afterwards."""
    from trainrun.vectorized import program

    before = [[v.numpy() for v in program.variables(j.model)] for j in made]
    graph = program.Program([part(j, 0) for j in made], made[0].plan.batch_size)
    graph.probe([part(j, 0) for j in made])
    for job, values in zip(made, before, strict=True):
        for variable, value in zip(program.variables(job.model), values, strict=True):
            np.testing.assert_array_equal(variable.numpy(), value, "the probe leaves everything as it was")
    logs = [graph.train([part(j, e) for j in made]) for e in range(EPOCHS)]
    if measured:
        logs.append(graph.measure([whole(j) for j in made]))
    for job in made:
        pending(job).write()
    results = [([log[k] for log in logs], [v.numpy() for v in j.model.variables]) for k, j in enumerate(made)]
    for job, values in zip(made, before, strict=True):
        for variable, value in zip(program.variables(job.model), values, strict=True):
            variable.assign(value)
    return results, graph


@pytest.mark.parametrize(("model", "optimizer"), PAIRS)
def test_each_trial_equals_its_run_alone(model, optimizer, precision):
    rates = "optimizer.learning_rate={0.01,0.003,0.001}"
    made = jobs([*{**MODELS, **MORE}[model], f"optimizer={optimizer}", *OPTIMIZERS[optimizer].split(), rates])
    # The optimizer has no part in measuring the validation data: once for each model.
    measured = optimizer == "sgd" or model in MORE
    results, _ = together(made, measured)
    for job, (logs, weights) in zip(made, results, strict=True):
        expected, values = alone(job, measured)
        for got, reference in zip(logs, expected, strict=True):
            assert got.keys() == reference.keys()
            for name in reference:
                assert got[name] == pytest.approx(reference[name], rel=1e-4, abs=1e-6), name
        for got, reference in zip(weights, values, strict=True):
            if np.issubdtype(reference.dtype, np.floating):
                np.testing.assert_allclose(got, reference, rtol=1e-4, atol=1e-5)
            else:
                np.testing.assert_array_equal(got, reference, "the state of a generator")
    losses = [logs[-1]["loss"] for logs, _ in results]
    assert len(set(losses)) == len(losses), "they are different trials"


def test_sgd_in_single_precision_too(precision):
    made = jobs(
        [*MODELS["mlp with dropout"], "optimizer=sgd", "optimizer.learning_rate={0.1,0.03,0.01}"], "float32"
    )
    results, _ = together(made)
    for job, (logs, _) in zip(made, results, strict=True):
        for got, reference in zip(logs, alone(job)[0], strict=True):
            assert got["loss"] == pytest.approx(reference["loss"], rel=1e-4)


def test_lifted_hyperparameters_are_located_in_the_objects(precision):
    made = jobs([*MODELS["penalties and add_loss"], "optimizer=adam", OPTIMIZERS["adam"]])
    _, graph = together(made)
    names = {p[-1][1] for p in graph.paths}
    assert {"beta_1", "l1", "l2"} <= names


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["model=mlp", "model.units=<[8],[9],[10]>"], "shape"),
        (["model=mlp", "model.dropout={0.0,0.1,0.2}"], "built differently|0 in some"),
        (["model=mlp", "model.activation={relu,tanh,relu}"], "relu|tanh|differ"),
    ],
)
def test_trial_of_another_shape_is_refused(lines, reason, precision):
    from trainrun.vectorized import program

    made = jobs([*DIGITS, *lines, "optimizer=sgd"])
    if reason == "shape":
        assert program.differences(made[0].model, made[1].model) is None
        return
    with pytest.raises(program.Unfit, match=reason):
        program.Program([part(j, 0) for j in made], 16)


@pytest.mark.parametrize(
    "lines",
    [
        ["optimizer=rmsprop", "optimizer.momentum=0.9"],
        ["optimizer=rmsprop", "optimizer.centered=true"],
        ["optimizer=rmsprop", "optimizer.clipvalue=0.001"],
        ["optimizer=adadelta"],
        ["optimizer=adafactor"],
    ],
    ids=" ".join,
)
def test_rows_are_divided_and_squared_one_by_one(lines, precision):
    """Keras divides and squares each row of an embedding's gradient before it adds up those of one token."""
    from trainrun.vectorized import program

    rates = "optimizer.learning_rate={0.01,0.02,0.03}"
    made = jobs([*MODELS["embedding and pooling"], *lines, rates])
    tokens = made[0].train.x[part(made[0], 0).order[:16]]
    assert len(np.unique(tokens)) < tokens.size, "tokens come twice"
    graph = program.Program([part(j, 0) for j in made], 16)
    graph.probe([part(j, 0) for j in made])
    assert not graph.dense, "held to a separate step as they are, not summed before"


def test_step_that_differs_from_the_single_run_is_refused(precision, monkeypatch):
    """A graph that computes something else, by however little, is refused before anything is trained by it."""
    from trainrun.vectorized import functional, program

    made = jobs([*MODELS["batch norm"], "optimizer=sgd", "optimizer.learning_rate={0.1,0.2,0.3}"])
    true = functional.training

    def false(model, variables, values, x, y, weight, dense):
        after = true(model, variables, values, x, y, weight)
        return [a if i else a * 1.01 for i, a in enumerate(after)]

    monkeypatch.setattr(functional, "training", false)
    graph = program.Program([part(j, 0) for j in made], 16)
    with pytest.raises(program.Unfit, match="differs after one step"):
        graph.probe([part(j, 0) for j in made])
