"""A metric of both classes over examples of one class: NaN as scikit-learn's, said once, and no reason to stop."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import average_precision_score, roc_auc_score

import trainrun
from trainrun.data.dataset import TargetSpec
from trainrun.run.metric_adapter import adapt

BINARY = TargetSpec("binary", ("no", "yes"))
P = np.array([0.1, 0.4, 0.8])


@pytest.mark.filterwarnings("ignore:No positive class found")
@pytest.mark.parametrize("y", [[0, 0, 0], [1, 1, 1], [0, 1, 1]], ids=str)
def test_areas_under_curves_are_scikit_learns(y):
    roc, pr = (
        adapt(keras.metrics.AUC(curve=curve), BINARY, ("binary", "binary"), ("probabilities", ()))
        for curve in ("ROC", "PR")
    )
    for metric in (roc, pr):
        metric.update_state(np.reshape(y, (-1, 1)), P.reshape(-1, 1))
    if len(set(y)) > 1:
        assert float(roc.result()) == pytest.approx(roc_auc_score(y, P), abs=1e-6)
        return
    with pytest.warns(UndefinedMetricWarning):
        assert np.isnan(roc_auc_score(y, P)) and np.isnan(float(roc.result()))
    # Precision over recall is defined there.
    assert float(pr.result()) == pytest.approx(average_precision_score(y, P), abs=1e-6)


def test_a_run_says_it_once_goes_on_and_calls_no_epoch_the_best(inside, capsys):
    y = np.arange(200) >= 100
    np.savez("own.npz", x=np.random.default_rng(1).normal(size=(200, 2)) + y[:, None], y=y.astype("int64"))
    callbacks = ["early_stopping", "reduce_lr_on_plateau", "stop_at", "model_checkpoint"]
    result = trainrun.run(
        [
            "data=npz", "data.path=own.npz", "data.stratify=false", "data.test=0.0", "data.validation=0.02", "seed=1",
            "trainer.epochs=4", "metric=[auc,ks,accuracy]", "tracking=none", "artifacts=none", f"callback=[{','.join(callbacks)}]",
            *(f"callback.{name}.monitor=val_auc" for name in callbacks), "callback.stop_at.value=0.1",
            "callback.early_stopping.patience=1", "callback.reduce_lr_on_plateau.patience=1",
            "callback.model_checkpoint.save_best_only=true",
        ]
    )  # fmt: skip
    assert np.isnan(result.metrics["val_auc"]) and np.isnan(result.metrics["val_ks"])
    assert 0.5 < result.metrics["auc"] <= 1
    assert len(result.history["loss"]) == 4 and len(set(result.history["learning_rate"])) == 1
    assert "val_auc" not in result.summary["best"] and "val_accuracy" in result.summary["best"]
    output = capsys.readouterr()
    assert (output.out + output.err).count("val_auc, val_ks is undefined") == 1
