"""Presets, aliases and several metrics at once, as Hydra composes them."""

from __future__ import annotations

import pytest

from trainrun.registry import option_files


@pytest.fixture(scope="module")
def compose():
    """Compose the group `metric` alone."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    GlobalHydra.instance().clear()
    with initialize_config_dir(str(option_files.package_conf()), version_base="1.3"):
        yield lambda *words: dict(compose(overrides=list(words)).get("metric", {}))


@pytest.mark.parametrize(
    "word, names",
    [
        ("acc", ["accuracy"]),
        ("[accuracy,auc,ks]", ["accuracy", "auc", "ks"]),
        ("[rmse,r2]", ["root_mean_squared_error", "r2_score"]),
        ("binary", ["accuracy", "auc", "auc_pr"]),
        ("regression", ["root_mean_squared_error", "mean_absolute_error", "r2_score"]),
        ("[segmentation,ks]", ["mean_iou", "accuracy", "ks"]),
        ("none", []),
        ("auto", ["auto"]),
    ],
)
def test_group_holds_the_metrics_named(compose, word, names):
    metrics = compose(f"+metric={word}")
    assert list(metrics) == names
    assert all(v.name for v in metrics.values())


def test_arguments_of_one_of_several_can_be_set(compose):
    metrics = compose("+metric=[auc,ks]", "metric.ks.bins=50")
    assert (metrics["ks"].bins, metrics["auc"].num_thresholds) == (50, 200)


@pytest.mark.parametrize("name", [n for n in option_files.options("metric") if n != "none"])
def test_every_option_composes_alone(compose, name):
    metrics = compose(f"+metric={name}")
    option = option_files.find("metric", name)
    if option.arguments:
        assert list(metrics) == [option.name], "the YAML nests under its own name"
    assert metrics
