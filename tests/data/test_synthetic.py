"""Made-up data: of the asked size, difficulty and shares; the same bytes everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from trainrun.data.synthetic import NOISE, describe
from trainrun.errors import UserError
from trainrun.registry.construct import construct


def make(**arguments):
    return construct("data", {"name": "synthetic", **arguments})


def whole(data):
    parts = [p for p in (data.train, data.validation, data.test) if p is not None]
    return np.concatenate([p.x for p in parts]), np.concatenate([p.y for p in parts])


@pytest.mark.parametrize("kind", NOISE)
def test_is_as_described(kind):
    data, description = make(kind=kind, examples=200), describe(kind=kind, examples=200)
    assert (description.task, description.target, description.examples) == (
        data.task,
        data.target.kind,
        len(data.train),
    )
    assert description.inputs == tuple(i.kind for i in data.inputs)
    assert data.train.x.shape == (120, *data.inputs[0].shape)
    assert data.train.y.shape == (120, *(data.target.shape or ((1,) if data.target.kind == "real" else ())))


# Written down once: another digest means that earlier runs cannot be repeated.
DIGESTS = {
    "imbalanced": "ead654fbf371",
    "blobs": "7e7a0d342592",
    "regression": "7de154a0a4ba",
    "segmentation": "12cda97990af",
    "sequences": "1e30b1cdcb28",
}


@pytest.mark.parametrize("kind", NOISE)
def test_bytes_are_the_same_everywhere(kind):
    assert make(kind=kind, examples=50, share=0.2, standardize=False).digest()[:12] == DIGESTS[kind]
    assert (
        make(kind=kind, examples=50, share=0.2, seed=1).digest()
        != make(kind=kind, examples=50, share=0.2, seed=2).digest()
    )


def test_noise_of_blobs_has_mean_0_deviation_1_and_no_skew():
    x, y = whole(make(kind="blobs", examples=20_000, noise=1.0, features=5, classes=2, standardize=False))
    noise = np.concatenate([x[y == c] - x[y == c].mean(0) for c in (0, 1)])
    assert abs(noise.std() - 1) < 0.01 and abs((noise**3).mean()) < 0.03
    corners = np.array([x[y == c].mean(0) for c in (0, 1)])
    np.testing.assert_allclose(np.abs(corners), 1.0, atol=0.05)


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_imbalanced_has_the_configured_share_and_is_not_linearly_separable(share):
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    data = make(kind="imbalanced", share=share, features=6, examples=1500)
    assert abs(whole(data)[1].mean() - share) < 1e-9
    scores = [
        roc_auc_score(data.test.y, m.fit(data.train.x, data.train.y).predict_proba(data.test.x)[:, 1])
        for m in (LogisticRegression(), RandomForestClassifier(30, random_state=0))
    ]
    assert scores[0] < 0.75 < 0.9 < scores[1]


def test_blobs_are_balanced_and_separable_when_quiet():
    from sklearn.neighbors import KNeighborsClassifier

    data = make(kind="blobs", classes=4, examples=403, features=5)
    counts = np.bincount(whole(data)[1])
    assert len(counts) == 4 and np.ptp(counts) <= 1
    quiet, loud = (make(kind="blobs", classes=4, examples=400, features=5, noise=n) for n in (0.2, 3.0))
    scores = [
        KNeighborsClassifier().fit(d.train.x, d.train.y).score(d.test.x, d.test.y) for d in (quiet, loud)
    ]
    assert scores[0] > 0.97 > 0.7 > scores[1]


def test_regression_is_friedmans_function():
    data = make(kind="regression", noise=0, standardize=False, examples=100, features=7)
    x, y = (a.astype("float64") for a in whole(data))
    # The formula of sklearn.datasets.make_friedman1.
    expected = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    np.testing.assert_allclose(y[:, 0], expected, rtol=1e-5)
    noisy = whole(make(kind="regression", noise=2.0, standardize=False, examples=2000))
    clean = whole(make(kind="regression", noise=0.0, standardize=False, examples=2000))
    assert abs((noisy[1] - clean[1]).std() - 2.0) < 0.1


def test_segmentation_is_bright_where_the_mask_is():
    x, y = whole(make(kind="segmentation", noise=0, examples=60, size=12))
    assert x.shape == (60, 12, 12, 1) and y.shape == (60, 12, 12)
    assert np.array_equal(x[..., 0] > 0, y == 1)
    assert 0.05 < y.mean() < 0.6 and (y.reshape(60, -1).sum(axis=1) > 0).mean() > 0.9


@pytest.mark.parametrize("classes", [2, 3])
def test_classes_of_sequences_differ_only_in_their_order(classes):
    x, y = whole(make(kind="sequences", classes=classes, examples=300, length=8))
    markers = np.arange(1, classes + 1)
    first = np.stack([(x == m).argmax(axis=1) for m in markers], axis=1)
    assert np.array_equal(first.argmin(axis=1), y)
    assert all(((x == m).sum(axis=1) == 1).all() for m in markers), (
        "a marker's count would give the class away"
    )
    assert x.min() >= 1 and x.max() < 20


def test_noise_of_sequences_is_the_share_of_random_labels():
    x, y = whole(make(kind="sequences", noise=0.5, examples=2000))
    truth = (x == 1).argmax(axis=1) > (x == 2).argmax(axis=1)
    assert abs((truth == y).mean() - 0.75) < 0.03


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"kind": "blob"}, "kind"),
        ({"examples": 0}, "examples"),
        ({"kind": "regression", "features": 3}, "features"),
        ({"kind": "blobs", "classes": 1}, "classes"),
        ({"share": 0.8}, "share"),
        ({"kind": "segmentation", "size": 4}, "size"),
        ({"kind": "sequences", "length": 1}, "length"),
        ({"kind": "sequences", "vocabulary": 3}, "vocabulary"),
        ({"kind": "sequences", "noise": 2.0}, "noise"),
    ],
)
def test_invalid_arguments_are_refused_by_describe_and_by_loading(arguments, key):
    assert [k for k, _ in describe(**arguments).problems] == [key]
    with pytest.raises(UserError, match=rf"data\.{key}: "):
        make(**arguments)


def test_misspelt_kind_gets_a_suggestion():
    assert "Did you mean blobs?" in describe(kind="blob").problems[0][1]
