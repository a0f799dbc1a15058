"""Whole numbers beyond 2^53, of which float64 does not hold each one, against pandas' exact integers."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from trainrun.cli import main

BASE = 2**63


@pytest.fixture
def frame():
    draw = np.random.default_rng(0)
    signal = draw.normal(size=300)
    return pd.DataFrame(
        {
            "order": np.arange(300, dtype="uint64") + np.uint64(BASE),
            "shop": (np.arange(300) // 10).astype("uint64") + np.uint64(BASE),
            "energy": np.where(signal > 0, 3e20, 1e20),  # whole, and no integers
            "signal": signal,
            "y": (signal > 0).astype(int),
        }
    )


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_different_integers_are_counted_and_their_rounding_is_told(frame, kind, gaps, tmp_path, capsys):
    if gaps:
        frame["order"] = frame["order"].astype("UInt64").mask(np.arange(300) == 7)
    path = tmp_path / f"t.{kind}"
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path)
    data = [f"data={kind}", f"data.path={path}", "data.target=y"]
    assert main(["data", "--json", *data]) == 0
    content = json.loads(capsys.readouterr().out)
    for column in content["columns"]:
        assert column["distinct"] == frame[column["name"]].nunique(), column["name"]
        assert sum(column["histogram"]) == frame[column["name"]].count()
    (notice,) = [text for text in content["overview"]["notices"] if "rounds" in text]
    assert "order (" in notice and "shop (30 different ones become 1)" in notice and "energy" not in notice
    assert "data.exclude=[order,shop]" in notice and "data.categorical=[order,shop]" in notice
    assert not any("one value" in text for text in content["overview"]["notices"])
    assert main(["data", "--json", *data, "data.categorical=[shop]"]) == 0
    (shop,) = [c for c in json.loads(capsys.readouterr().out)["columns"] if c["name"] == "shop"]
    assert shop["distinct"] == 30 and shop["kind"] == "categories"


def test_a_table_of_such_ids_alone_is_refused(frame, tmp_path, capsys):
    frame[["shop", "y"]].to_csv(tmp_path / "t.csv", index=False)
    assert main(["check", "data=csv", f"data.path={tmp_path / 't.csv'}", "data.target=y"]) == 2
    assert "shop: one number after rounding to float64" in capsys.readouterr().err
