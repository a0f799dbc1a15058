"""The quantile loss against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import mean_pinball_loss

import trainrun
from trainrun.errors import UserError

RNG = np.random.default_rng(2)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_equals_scikit_learn(quantile):
    y, p, weight = RNG.normal(size=(50, 2)), RNG.normal(size=(50, 2)), RNG.uniform(0, 2, 50)
    loss = trainrun.build("loss", "quantile", quantile=quantile)
    np.testing.assert_allclose(float(loss(y, p)), mean_pinball_loss(y, p, alpha=quantile), rtol=1e-5)
    expected = mean_pinball_loss(y, p, alpha=quantile, sample_weight=weight) * weight.mean()
    np.testing.assert_allclose(float(loss(y, p, weight)), expected, rtol=1e-5)
    with pytest.raises(UserError, match="between 0 and 1"):
        trainrun.build("loss", "quantile", quantile=1.0)
