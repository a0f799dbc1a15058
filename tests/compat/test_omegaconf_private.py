"""OmegaConf's private nodes are where `trainrun.compat.omegaconf_private` looks for them."""

from __future__ import annotations

import pytest
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from trainrun.compat import omegaconf_private as private


def test_a_child_is_a_node_and_interpolations_are_followed():
    config = OmegaConf.create({"a": {"b": 1}, "there": "${a}", "missing": "???", "nowhere": "${x.y}"})
    assert isinstance(private.child(config, "a"), DictConfig)
    assert private.child(config, "there") is private.child(config, "a")
    assert private.child(config, "missing")._is_missing()
    assert private.child(config, "none") is None
    with pytest.raises(OmegaConfBaseException):
        private.child(config, "nowhere")
