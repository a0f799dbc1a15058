"""An augmentation that does not fit is refused before TensorFlow loads, with what does fit."""

from __future__ import annotations

import pytest

from trainrun.hydra_bridge import preflight

CASES = {
    ("data=iris", "augment=random_flip"): "changes image input; data=iris has numeric input. These fit: feature_dropout, gaussian_noise, mixup, swap_noise.",
    ("data=digits", "model=cnn", "augment=token_dropout"): "changes tokens input; data=digits has image input.",
    ("data=digits", "model=cnn", "augment=cutmix", "loss=sparse_categorical_crossentropy"): "reads class ids, which have no mixture. Take loss=auto",
    ("data=breast_cancer", "augment=mixup", "loss=hinge"): "reads labels of -1 and 1 only",
    ("experiment=segmentation_iou", "augment=cutmix"): "has one per pixel",
    ("data=digits", "model=cnn", "augment=random_rotation", "trainer.jit_compile=true"): "XLA draws other random numbers",
    ("experiment=quadratic", "trainer=minimize", "augment=gaussian_noise"): "trainer=minimize does not train on augmented batches",
}  # fmt: skip


@pytest.mark.parametrize("overrides", CASES)
def test_what_does_not_fit_is_refused_with_a_way_out(overrides):
    _, problems = preflight.overrides(["tracking=none", *overrides])
    assert any(CASES[overrides] in p.message and p.key.startswith("augment.") for p in problems), problems


@pytest.mark.parametrize(
    "overrides",
    [
        (
            "data=digits",
            "model=cnn",
            "augment=[random_flip,random_rotation,mixup,cutmix]",
            "augment.random_rotation.factor=0.1",
        ),
        ("data=digits", "model=cnn", "augment=random_rotation", "augment.random_rotation.factor=[-0.1,0.2]"),
        ("data=diabetes", "augment=[mixup,gaussian_noise]"),
        ("experiment=segmentation_iou", "augment=[random_flip,random_crop]"),
    ],
)
def test_what_fits_passes(overrides):
    assert preflight.overrides(["tracking=none", *overrides])[1] == []
