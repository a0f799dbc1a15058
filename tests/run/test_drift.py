"""Drift: the population stability index of each column that a model reads."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import trainrun
from trainrun.data.preprocessor import Preprocessor
from trainrun.run import drift


def test_a_date_is_compared_by_each_of_its_parts(tmp_path):
    days = pd.date_range("2023-01-02", periods=210)  # thirty whole weeks
    frame = pd.DataFrame({"sold": days.strftime("%Y-%m-%d"), "city": ["Oslo", "Rome"] * 105, "y": range(210)})
    frame.to_csv(tmp_path / "sales.csv", index=False)
    path = str(tmp_path / "sales.csv")
    data = trainrun.build("data", "csv", path=path, target="y", task="regression", validation=0.0, test=0.0)
    weekday = days[np.argsort(np.argsort(np.ravel(data.train.y)))].weekday
    mondays = data.train.part(np.flatnonzero(weekday == 0))
    same, shifted = (drift.of(data.train, new, Preprocessor.of(data)) for new in (data.train, mondays))
    assert set(same) == {"city", "sold year", "sold month", "sold day", "sold weekday"}
    assert not any(d.shifted or d.psi for d in same.values())
    old, new = np.full(7, 1 / 7), np.maximum(np.eye(7)[0], 1e-4)
    assert shifted["sold weekday"].psi == pytest.approx(((new - old) * np.log(new / old)).sum(), rel=1e-6)
    assert shifted["sold weekday"].shifted and not shifted["city"].shifted
