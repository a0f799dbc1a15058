"""The recorded config of a run."""

from __future__ import annotations

import pytest
import yaml

from trainrun.config import saved
from trainrun.errors import UserError
from trainrun.hydra_bridge import preflight


def test_the_model_of_a_run_is_used_without_where_its_alerts_went(tmp_path, monkeypatch):
    monkeypatch.delenv("TRAINRUN_ALERT_WEBHOOK", raising=False)
    config, _ = preflight.overrides(["data=iris", "tracking=none"])
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**config, "alert": {"webhook": True}}))
    assert saved.load(tmp_path)["alert"]["webhook"] is True
    with pytest.raises(UserError, match=r"alert\.webhook.*goes nowhere"):
        saved.load(tmp_path, trains=True)
