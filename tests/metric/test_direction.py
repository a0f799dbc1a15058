"""Which way each metric is better, held against its definition and against Keras' own metadata."""

from __future__ import annotations

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import trainrun
from trainrun.compat import keras_metric_private
from trainrun.errors import UserError
from trainrun.hydra_bridge import preflight
from trainrun.registry import direction, lookup, option_files

# Option -> what its definition says: an error, a divergence or a count of mistakes is to fall ("min"); a share of right
# answers, an overlap, an area, a correlation or a share of explained variance is to rise ("max"); a mean of predictions is
# neither.
DEFINED = {
    "accuracy": "max",
    "auc": "max",
    "auc_pr": "max",
    "binary_accuracy": "max",
    "binary_crossentropy": "min",
    "binary_iou": "max",
    "categorical_accuracy": "max",
    "categorical_crossentropy": "min",
    "categorical_hinge": "min",
    "cohen_kappa": "max",
    "concordance_correlation": "max",
    "cosine_similarity": "max",  # the metric: 1 is the same direction; the loss of that name is its negative
    "equality_accuracy": "max",
    "f1_score": "max",
    "false_negatives": "min",
    "false_positives": "min",
    "fbeta_score": "max",
    "hinge": "min",
    "iou": "max",
    "kl_divergence": "min",
    "ks": "max",
    "ks_batch": "max",
    "log_cosh_error": "min",
    "mean": None,
    "mean_absolute_error": "min",
    "mean_absolute_percentage_error": "min",
    "mean_iou": "max",
    "mean_pred": None,
    "mean_squared_error": "min",
    "mean_squared_logarithmic_error": "min",
    "one_hot_iou": "max",
    "one_hot_mean_iou": "max",
    "pearson_correlation": "max",
    "poisson": "min",
    "precision": "max",
    "precision_at_recall": "max",
    "r2_score": "max",
    "recall": "max",
    "recall_at_precision": "max",
    "root_mean_squared_error": "min",
    "sensitivity_at_specificity": "max",
    "sparse_categorical_accuracy": "max",
    "sparse_categorical_crossentropy": "min",
    "sparse_top_k_categorical_accuracy": "max",
    "specificity_at_sensitivity": "max",
    "squared_hinge": "min",
    "sum": None,
    "top_k_accuracy": "max",
    "top_k_categorical_accuracy": "max",
    "true_negatives": "max",
    "true_positives": "max",
}
OPTIONS = {
    n: o for n, o in option_files.options("metric").items() if o.arguments.get("name") not in (None, "auto")
}


@pytest.fixture(autouse=True)
def no_other_plugins():
    with lookup.isolated():
        yield


def test_the_table_has_every_option():
    assert set(DEFINED) == set(OPTIONS)


@pytest.mark.parametrize("name", DEFINED)
def test_direction_is_that_of_the_definition(name):
    assert direction.of(name) == DEFINED[name]
    assert direction.of(f"val_{name}") == direction.of(f"test_{name}") == DEFINED[name]


@pytest.mark.parametrize("name", [n for n, o in option_files.options("metric").items() if o.alias_of])
def test_an_alias_is_better_the_way_its_option_is(name):
    option = option_files.find("metric", name)
    assert direction.of(name) == DEFINED[option.name]


def _is_of_keras(name):
    return lookup.find("metric", OPTIONS[name].arguments["name"]).origin == "keras"


@pytest.mark.parametrize("name", filter(_is_of_keras, DEFINED))
def test_direction_agrees_with_keras_own_metadata(name):
    component = lookup.find("metric", OPTIONS[name].arguments["name"])
    arguments = {k: v for k, v in OPTIONS[name].arguments.items() if k != "name" and v is not None}
    if "num_classes" in OPTIONS[name].arguments:
        arguments["num_classes"] = 2
    theirs = keras_metric_private.direction(component.load()(**arguments))
    assert theirs in (DEFINED[name], None)


@pytest.mark.parametrize("name", ["true_positives", "pearson_correlation", "ks", "false_negatives"])
def test_built_metric_carries_its_direction_for_keras_callbacks(name):
    """Keras' EarlyStopping with mode=auto raises for a metric without it, such as its own TruePositives."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="sigmoid")])
    metric = trainrun.build("metric", name)
    model.compile("sgd", "mse", metrics=[metric])
    model.evaluate(np.zeros((4, 2)), np.asarray([[1.0], [0.0], [1.0], [0.0]]), verbose=0)
    assert keras_metric_private.direction_of_monitored(model, f"val_{metric.name}") == DEFINED[name]


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("loss", "min"),
        ("val_loss", "min"),
        ("head_loss", "min"),
        ("penalty", "min"),
        ("val_data_loss", "min"),
        ("parameters", "min"),
        ("seconds.train", "min"),
        ("examples_per_second", "max"),
        ("learning_rate", None),
        ("epochs", None),
        ("val_acuracy", None),
    ],
)
def test_direction_of_what_is_no_metric(name, way):
    assert direction.of(name) == way


def test_a_metric_under_another_name_is_known_by_its_component():
    metrics = {"mine": {"name": "AUC"}, "loss": {"name": "Mean"}}
    assert direction.of("val_mine", metrics) == "max"
    assert direction.of("val_mine") is None


PLUGIN = '''
import trainrun

@trainrun.register("metric", "nll"{declared})
def nll(y_true, y_pred):
    """Negative log likelihood."""
    return -y_pred
'''


@pytest.mark.parametrize("name", ["nll", "brier"])
def test_an_objective_that_declares_nothing_is_refused_with_the_way_out(name, inside):
    (inside / "mine.py").write_text(PLUGIN.format(declared="").replace("nll", name))
    line = ["plugins=[./mine.py]", "data=diabetes", f"metric={name}", f"sweep.objective=val_{name}"]
    _, problems = preflight.overrides(line)
    assert [
        (p.key, "sweep.direction=minimize or sweep.direction=maximize" in p.message) for p in problems
    ] == [("sweep.direction", True)]
    assert preflight.overrides([*line, "sweep.direction=minimize"])[1] == []


def test_a_plugin_declares_which_way_its_metric_is_better(inside):
    (inside / "mine.py").write_text(PLUGIN.format(declared=', direction="min"'))
    config, problems = preflight.overrides(
        ["plugins=[./mine.py]", "data=diabetes", "metric=nll", "sweep.objective=val_nll"]
    )
    assert problems == []
    assert direction.of("val_nll", config["metric"]) == "min"
    assert direction.resolved("val_nll", "auto", config["metric"]) == "minimize"


def test_a_callback_that_would_have_to_guess_is_refused_before_training():
    _, problems = preflight.overrides(
        ["data=diabetes", "metric=mean_pred", "callback=stop_at", "callback.stop_at.monitor=val_mean_pred"]
    )
    assert [p.key for p in problems] == ["callback.stop_at.mode"]
    assert "callback.stop_at.mode=min" in problems[0].message


def test_a_metric_that_is_no_metric_is_a_problem_like_any_other():
    _, problems = preflight.overrides(["data=iris", "+metric.churn=3", "sweep.objective=val_churn_auc"])
    assert "metric.churn" in [p.key for p in problems]


def test_several_objectives_have_a_direction_each():
    assert direction.resolved(["val_auc", "parameters"], "auto") == ["maximize", "minimize"]
    assert direction.resolved(["val_auc", "nll"], ["auto", "minimize"]) == ["maximize", "minimize"]
    assert direction.resolved(None, "auto") == "minimize"
    with pytest.raises(UserError, match="val_nll"):
        direction.resolved(["loss", "val_nll"], "auto")


def test_the_summary_names_no_best_of_a_metric_without_direction(inside):
    result = trainrun.run(["data=diabetes", "metric=[mean_pred,poisson]", "loss=poisson", "trainer.epochs=2", "tracking=none",
                           "artifacts.plots=false", "artifacts.report=false", "artifacts.model=false"])  # fmt: skip
    best = json.loads((result.run_dir / "summary.json").read_text())["best"]
    assert best["val_poisson"]["value"] == min(result.history["val_poisson"])
    assert "val_mean_pred" not in best


def test_callback_asks_for_mode_when_the_metric_has_no_direction():
    callback = trainrun.build("callback", "stop_at", monitor="val_mine")
    callback.set_model(SimpleNamespace(stop_training=False, metrics=[]))
    with pytest.raises(ValueError, match=r"which way val_mine is better; set stop_at\.mode to min or max"):
        callback.on_epoch_end(0, {"val_mine": 1.0})
