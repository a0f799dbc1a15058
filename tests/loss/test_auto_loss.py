"""Which loss `loss=auto` picks, and that the loss it picks fits the target."""

from __future__ import annotations

import pytest

from trainrun.loss.auto import auto
from trainrun.registry import declaration_reader, option_files

PICKS = {
    ("classification", "binary"): "binary_crossentropy",
    ("segmentation", "binary"): "binary_crossentropy",
    ("classification", "multiclass"): "sparse_categorical_crossentropy",
    ("classification", "multilabel"): "binary_crossentropy",
    ("regression", "real"): "mean_squared_error",
    ("minimization", "none"): "model_output",
}


@pytest.mark.parametrize("task, target", PICKS)
def test_picks_the_usual_loss_which_fits_the_target(task, target):
    name = auto(task, target)
    assert name == PICKS[task, target]
    assert target in declaration_reader.of("loss", option_files.find("loss", name).arguments["name"]).targets


def test_refuses_an_unknown_target():
    with pytest.raises(ValueError, match="binary, multiclass"):
        auto("classification", "ordinal")
