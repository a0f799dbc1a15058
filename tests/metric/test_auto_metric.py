"""Which metrics `metric=auto` picks: those of the presets, and they fit."""

from __future__ import annotations

import pytest
import yaml

from trainrun.metric.auto import auto
from trainrun.registry import declaration_reader, option_files

PRESETS = {
    "binary": ("classification", "binary"),
    "multiclass": ("classification", "multiclass"),
    "multilabel": ("classification", "multilabel"),
    "regression": ("regression", "real"),
    "segmentation": ("segmentation", "multiclass"),
}


@pytest.mark.parametrize("preset", PRESETS)
def test_picks_what_the_preset_lists_and_it_fits_the_target(preset):
    task, target = PRESETS[preset]
    listed = yaml.safe_load(option_files.options("metric")[preset].text)["defaults"]
    assert auto(task, target) == listed
    for name in listed:
        assert (
            target
            in declaration_reader.of("metric", option_files.find("metric", name).arguments["name"]).targets
        )


def test_minimization_has_no_metrics():
    assert auto("minimization", "none") == []
    assert option_files.find("metric", "none").arguments == {}


def test_an_image_of_two_classes_is_segmented_too():
    assert auto("segmentation", "binary") == auto("segmentation", "multiclass")


def test_refuses_an_unknown_target():
    with pytest.raises(ValueError, match="binary, multiclass"):
        auto("classification", "ordinal")
