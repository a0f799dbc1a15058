"""Targets far from zero: learnt in deviations, measured and predicted in their unit, held against float64."""

from __future__ import annotations

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference
from sklearn.linear_model import LinearRegression

import trainrun
from trainrun.data.dataset import Dataset, InputSpec, Split, TargetSpec
from trainrun.errors import UserError
from trainrun.registry import declaration_reader
from trainrun.run import model_files
from trainrun.run.target_scaling import Unit, in_deviations, in_units

OFF = [
    "tracking=none",
    "artifacts.plots=false",
    "artifacts.report=false",
    "model=linear",
    "data.task=regression",
]
MEASURED = [
    "metric=[r2_score,mean_absolute_error,mean_squared_error,root_mean_squared_error,pearson_correlation]",
    "metric.pearson_correlation.axis=0",  # over a batch, the mean of the batches: here one holds all
]


@pytest.fixture
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(folder, offset, scale, noise=0.0, n=600):
    """Write x, y = offset + scale · (x + noise); return the two as the file has them."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=n)
    y = offset + scale * (x + noise * draw.normal(size=n))
    rows = [f"{a!r},{b!r}" for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    (folder / "own.csv").write_text("x,y\n" + "\n".join(rows) + "\n")
    return x, y


def test_metrics_of_a_target_of_5000_are_those_of_float64(inside):
    table(inside, 5000, 1, noise=0.5)
    result = trainrun.run([*OFF, "data=csv", "data.path=own.csv", "data.target=y", "trainer.epochs=150",
                           "trainer.batch_size=360", "optimizer.learning_rate=0.05", *MEASURED])  # fmt: skip
    data = trainrun.build("data", "csv", path="own.csv", target="y", task="regression", standardize=False)
    fitted = LinearRegression().fit(data.train.x, data.train.y).predict(data.test.x)
    truth, measured = data.test.y[:, 0], result.metrics
    # The fit itself is compared loosely, the measurement of its predictions closely.
    assert measured["test_r2_score"] == pytest.approx(reference.r2_score(truth, fitted), abs=0.02)
    standard = trainrun.build("data", "csv", path="own.csv", target="y", task="regression")
    predicted = result.model.predict(standard.test.x, verbose=0)[:, 0]
    assert measured["test_r2_score"] == pytest.approx(reference.r2_score(truth, predicted), rel=1e-5)
    assert measured["test_mean_absolute_error"] == pytest.approx(
        reference.mean_absolute_error(truth, predicted), rel=1e-5
    )
    mse = reference.mean_squared_error(truth, predicted)
    assert measured["test_mean_squared_error"] == pytest.approx(mse, rel=1e-5)
    assert measured["test_root_mean_squared_error"] == pytest.approx(mse**0.5, rel=1e-5)
    assert measured["test_pearson_correlation"] == pytest.approx(
        np.corrcoef(truth, predicted)[0, 1], rel=1e-5
    )


def test_errors_of_labels_near_the_end_of_float32_are_those_of_float64(inside):
    table(inside, 0, 3e37, noise=0.5)
    metrics = "mean_squared_error,root_mean_squared_error,mean_absolute_error,log_cosh_error,huber,mean_absolute_percentage_error"
    result = trainrun.run([*OFF, "data=csv", "data.path=own.csv", "data.target=y", "trainer.epochs=2", f"metric=[{metrics}]"])  # fmt: skip
    data = trainrun.build("data", "csv", path="own.csv", target="y", task="regression")
    error = np.abs(data.test.y - result.model.predict(data.test.x, verbose=0))
    expected = [(error**2).mean(), (error**2).mean() ** 0.5, error.mean(), error.mean(), error.mean()]
    expected.append(100 * np.abs(error / data.test.y).mean())
    for name, value in zip(metrics.split(","), expected, strict=True):
        assert result.metrics[f"test_{name}"] == pytest.approx(value, rel=1e-4), name


@pytest.mark.parametrize(
    ("offset", "scale"), [(1.6e9, 100.0), (1e12, 1.0), (-3e5, 0.01), (0.0, 1e37), (0.0, 1e-30)]
)
def test_a_target_of_any_size_is_learnt_as_well_as_one_around_zero(inside, offset, scale):
    table(inside, offset, scale)
    result = trainrun.run([*OFF, "data=csv", "data.path=own.csv", "data.target=y", "trainer.epochs=30",
                           "optimizer.learning_rate=0.05", "metric=r2_score"])  # fmt: skip
    assert result.metrics["test_loss"] < 1e-6
    assert result.metrics["test_r2_score"] == pytest.approx(1, abs=1e-5)


def test_the_saved_model_predicts_what_float32_could_not_hold(inside):
    table(inside, 1.6e9, 100)
    result = trainrun.run([*OFF, "data=csv", "data.path=own.csv", "data.target=y", "trainer.epochs=30",
                           "optimizer.learning_rate=0.05", "artifacts.verify=true"])  # fmt: skip
    data = trainrun.build("data", "csv", path="own.csv", target="y", task="regression")
    for model in (model_files.load_core(result.run_dir), result.model):
        predicted = model.predict(data.test.x, verbose=0)
        assert np.abs(predicted - data.test.y).max() < 0.1  # neighbours in float32 are 128 apart
    assert int(result.model.optimizer.iterations) == result.summary["steps"]


def test_a_saved_regression_goes_on_where_it_stopped_on_its_own_and_on_other_data(inside):
    table(inside, 5000, 2, noise=0.3)
    common = [*OFF[:3], "data=csv", "data.target=y", "data.task=regression", "artifacts.verify=true"]
    first = trainrun.run([*common, "data.path=own.csv", "model=linear", "trainer.epochs=30",
                          "optimizer.learning_rate=0.05"])  # fmt: skip
    (inside / "own.csv").rename(inside / "first.csv")
    table(inside, 5001, 4, noise=0.3)  # another mean, another deviation
    for name in ("first.csv", "own.csv"):
        again = trainrun.run([*common, f"data.path={name}", "model=file", f"model.path={first.run_dir}/model.keras",
                              "trainer.epochs=1", "optimizer=sgd", "optimizer.learning_rate=1e-9"])  # fmt: skip
        data = trainrun.build("data", "csv", path=name, target="y", task="regression")
        # Nothing was learnt: the model says what the first said, measured by the labels of this file.
        predicted = first.model.predict(data.test.x, verbose=0)
        assert np.allclose(again.model.predict(data.test.x, verbose=0), predicted, rtol=0, atol=2e-3)
        assert again.metrics["test_mean_absolute_error"] == pytest.approx(
            np.abs(predicted - data.test.y).mean(), rel=1e-3
        )


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
def test_a_model_trained_elsewhere_is_measured_in_its_own_unit(inside):
    data = trainrun.build("data", "diabetes")
    fitted = LinearRegression().fit(data.train.x, data.train.y)
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    model.layers[-1].set_weights([fitted.coef_.T, fitted.intercept_])
    model.save("own.keras")
    result = trainrun.run([*OFF[:3], "data=diabetes", "model=file", "model.path=own.keras", "model.trainable=false",
                           "trainer.epochs=1", "artifacts.verify=true"])  # fmt: skip
    expected = reference.r2_score(data.test.y, fitted.predict(data.test.x))
    assert result.metrics["test_r2_score"] == pytest.approx(expected, abs=1e-4)
    saved = keras.saving.load_model(result.run_dir / "model.keras")
    raw = trainrun.build("data", "diabetes", standardize=False)
    assert np.allclose(saved.predict(raw.test.x, verbose=0), fitted.predict(data.test.x), rtol=1e-5)


def test_saved_models_do_not_pile_up_layers_that_change_the_unit():
    x = keras.Input((1,), name="numeric")
    model = keras.Model(x, keras.layers.Dense(1)(x))
    spec, nothing = InputSpec("numeric", "numeric", (1,)), Split(np.zeros((1, 1)), np.zeros((1, 1)))
    one, other = (
        Dataset("d", "regression", (spec,), TargetSpec("real"), nothing,
                preprocessing={"standardize_target": {"mean": [mean], "std": [std]}})
        for mean, std in ((5000.0, 2.0), (-3.0, 0.5))
    )  # fmt: skip
    x = np.linspace(-1, 1, 7)[:, None]
    expected = 5000.0 + 2.0 * model.predict(x, verbose=0).astype("float64")
    for _ in range(3):
        again = in_units(in_deviations(in_units(model, one), other), other)
        assert np.allclose(again.predict(x, verbose=0), expected, rtol=1e-9)
        assert sum(isinstance(layer, keras.layers.Rescaling) for layer in again.layers) == 1
        model = in_deviations(again, one)
    assert np.allclose(model.predict(x, verbose=0), (expected - 5000.0) / 2.0, atol=1e-6)


@pytest.mark.parametrize("log", [0.0, 1.0])
@pytest.mark.parametrize("output", ["", "spend"])
def test_a_saved_model_of_a_logarithm_goes_on_with_other_data(log, output):
    x = keras.Input((1,), name="numeric")
    dense = keras.layers.Dense(1)
    model = keras.Model(x, {output: dense(x)} if output else dense(x))
    spec, y = InputSpec("numeric", "numeric", (1,)), np.zeros((1, 1))
    nothing = Split(np.zeros((1, 1)), {output: y} if output else y)

    def dataset(**fitted):
        record = {"standardize_target": fitted}
        target = TargetSpec("named", named={output: TargetSpec("real")}) if output else TargetSpec("real")
        return Dataset("d", "regression", (spec,), target, nothing,
                       preprocessing={"outputs": {output: record}} if output else record)  # fmt: skip

    prices, others = dataset(mean=[2.0], std=[0.5], log=log), dataset(mean=[40.0], std=[7.0])
    x = np.linspace(-1, 1, 7)[:, None]
    kernel, bias = (float(w.numpy().item()) for w in dense.weights)
    expected = np.exp(2.0 + 0.5 * (kernel * x + bias)) - log
    saved = in_units(model, prices)
    for _ in range(3):
        again = in_deviations(saved, others)
        predicted = again.predict(x, verbose=0)
        assert np.allclose(predicted[output] if output else predicted, (expected - 40.0) / 7.0, rtol=1e-5)
        saved = in_units(again, others)
        predicted = saved.predict(x, verbose=0)
        assert np.allclose(predicted[output] if output else predicted, expected, rtol=1e-5)


@pytest.mark.parametrize("text", ["1e200", "-4e38"])
def test_numbers_beyond_float32_are_named_by_column_and_line(inside, text):
    (inside / "own.csv").write_text(
        "x,y\n" + "".join(f"{i},{i * 0.5}\n" for i in range(50)) + f"{text},1.5\n"
    )
    with pytest.raises(
        trainrun.errors.UserError, match=f"line 52: column x: '{text}' is beyond what float32 holds"
    ):
        trainrun.run([*OFF, "data=csv", "data.path=own.csv", "data.target=y"])


@pytest.mark.parametrize(("log", "least"), [(0.0, 0.5), (1.0, 0.0)])
def test_a_logarithm_is_undone_in_predictions_metrics_and_the_model(log, least):
    draw = np.random.default_rng(0)
    y = least + draw.lognormal(8, 1, (200, 1))
    logs = np.log(y + log)
    unit = Unit(logs.mean(axis=0), logs.std(axis=0), log)
    standard = unit.standard(y)
    np.testing.assert_allclose([standard.mean(), standard.std()], [0, 1], atol=1e-5)
    np.testing.assert_allclose(unit.own(standard), y, rtol=1e-5)
    predicted = standard + 0.1 * draw.normal(size=y.shape)
    inputs = keras.Input((1,))
    model = keras.Model(inputs, unit.own_output(inputs, None, "in_its_unit"))
    np.testing.assert_allclose(model.predict(predicted, verbose=0), unit.own(predicted), rtol=1e-5)
    metric = unit.metric(keras.metrics.R2Score(dtype="float64"), declaration_reader.of("metric", "R2Score"))
    metric = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    metric.update_state(standard, predicted)
    expected = reference.r2_score(y, unit.own(predicted))
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("words", [["loss=msle"], ["loss=mse", "data.target_transform=log"]])
def test_prices_are_learnt_from_their_ratios(inside, words):
    draw = np.random.default_rng(0)
    x = draw.normal(size=600)
    prices = np.exp(12 + 0.5 * x + 0.1 * draw.normal(size=600))
    rows = [f"{a!r},{b:.0f}" for a, b in zip(x.tolist(), prices.tolist(), strict=True)]
    (inside / "own.csv").write_text("x,price\n" + "\n".join(rows) + "\n")
    result = trainrun.run([*OFF[:3], "model=mlp", "data=csv", "data.path=own.csv", "data.target=price", "trainer.epochs=30",
                           "optimizer.learning_rate=0.01", "metric=r2_score", *words])  # fmt: skip
    assert result.metrics["test_r2_score"] > 0.9


def test_one_target_of_several_is_learnt_as_its_logarithm(inside):
    draw = np.random.default_rng(0)
    x = draw.normal(size=400)
    price, size = np.exp(12 + 0.5 * x), 3 + 2 * x
    rows = [
        f"{a!r},{b!r},{c!r},{'yes' if a > 0 else 'no'}"
        for a, b, c in zip(*(v.tolist() for v in (x, price, size)), strict=True)
    ]
    (inside / "own.csv").write_text("x,price,size,large\n" + "\n".join(rows) + "\n")
    common = [*OFF[:4], "data=csv", "data.path=own.csv", "optimizer.learning_rate=0.05", "trainer.epochs=20"]  # fmt: skip
    measured = "metric={price: [mean_absolute_error], size: [mean_absolute_error]}"
    targets = ["data.target=[price,size]", "data.target_transform={price: log}"]
    result = trainrun.run([*common, *targets, measured, "data.exclude=[large]"])
    # The logarithm of the price, and the size itself, are linear in x.
    new = pd.DataFrame({"x": [-2.0, 0.0, 3.0]})
    predicted = result.predict(new)
    np.testing.assert_allclose(predicted["prediction_price"], np.exp(12 + 0.5 * new["x"]), rtol=0.02)
    np.testing.assert_allclose(predicted["prediction_size"], 3 + 2 * new["x"], atol=0.05)
    errors = {name: score.value for name, score in result.evaluate("own.csv").metrics.items()}
    of_rows = np.abs(result.predict(pd.DataFrame({"x": x}))["prediction_price"] - price)
    assert errors["price_mean_absolute_error"] == pytest.approx(of_rows.mean(), rel=1e-3)
    assert (
        errors["price_mean_absolute_error"] < 0.02 * price.mean()
        and errors["size_mean_absolute_error"] < 0.05
    )
    for transform, message in (
        ("{prize: log}", "no column 'prize'. Did you mean price"),
        ("{x: log}", "'x' is no target"),
        ("{price: lg}", "expected one of auto, none, log, log1p, got 'lg'.* Did you mean log"),
        ("{large: log}", "column large has classes"),
        ("{size: log}", "log needs values above 0; the least of column size"),
    ):
        with pytest.raises(UserError, match=message):
            trainrun.compose(
                [*common, "data.target=[price,size,large]", f"data.target_transform={transform}"]
            )
    alone = trainrun.compose([*common, "data.target=price", "data.target_transform={price: log}"])
    assert alone["data"]["target_transform"] == {"price": "log"}
