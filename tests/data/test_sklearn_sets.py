"""The datasets that ship with scikit-learn: its arrays, and what `describe` promised of them."""

from __future__ import annotations

import importlib
import subprocess
import sys

import numpy as np
import pytest

from trainrun.registry.construct import construct

SETS = ("digits", "breast_cancer", "iris", "wine", "diabetes")


def raw(name):
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")(**({"scaled": False} if name == "diabetes" else {}))
    return (bunch.images[..., None] / 16 if name == "digits" else bunch.data), bunch.target, bunch


def rows(x, y):
    """Return the examples as a sorted list, for a comparison without regard to order."""
    flat = np.column_stack([np.asarray(x, "float32").reshape(len(x), -1), np.asarray(y, "float32").ravel()])
    return flat[np.lexsort(flat.T)]


@pytest.mark.parametrize("name", SETS)
def test_holds_scikit_learns_examples(name):
    extra = {} if name == "digits" else {"standardize": False}
    data = construct("data", {"name": name, **extra})
    parts = [data.train, data.validation, data.test]
    x, y, _ = raw(name)
    np.testing.assert_array_equal(
        rows(np.concatenate([p.x for p in parts]), np.concatenate([p.y for p in parts])), rows(x, y)
    )


@pytest.mark.parametrize("name", SETS)
def test_is_as_described(name):
    data = construct("data", {"name": name})
    description = importlib.import_module(f"trainrun.data.{name}").describe()
    assert (description.task, description.target, description.examples) == (
        data.task,
        data.target.kind,
        len(data.train),
    )
    assert description.classes == (len(data.target.classes) or None)
    assert (description.class_names, description.outputs) == (data.target.classes, data.target.outputs)
    assert description.inputs == tuple(i.kind for i in data.inputs) and not description.problems
    assert data.train.x.shape[1:] == data.inputs[0].shape and data.train.x.dtype == np.float32
    assert data.train.y.dtype == (np.float64 if data.target.kind == "real" else np.int64)


@pytest.mark.parametrize("name", ["breast_cancer", "wine"])
def test_standardizes_by_the_training_part(name):
    from sklearn.preprocessing import StandardScaler

    plain, scaled = (construct("data", {"name": name, "standardize": s}) for s in (False, True))
    scaler = StandardScaler().fit(plain.train.x.astype("float64"))
    np.testing.assert_allclose(scaled.train.x, scaler.transform(plain.train.x), atol=2e-5)
    np.testing.assert_allclose(scaled.test.x, scaler.transform(plain.test.x), atol=2e-5)
    assert scaled.preprocessing["standardize"]["columns"] == list(raw(name)[2].feature_names)


def test_class_names_and_features_are_scikit_learns():
    for name in SETS:
        assert construct("data", name).target.classes == tuple(map(str, raw(name)[2].get("target_names", ())))
    data = construct("data", "iris")
    assert data.target.classes == ("setosa", "versicolor", "virginica")
    assert data.features[0] == "sepal length (cm)"
    assert data.target.outputs == 3 and construct("data", "breast_cancer").target.outputs == 1


def test_target_of_diabetes_stays_in_its_unit_and_its_deviation_is_recorded():
    data = construct("data", "diabetes")
    record = data.preprocessing["standardize_target"]
    np.testing.assert_allclose(record["mean"], data.train.y.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(record["std"], data.train.y.std(axis=0), rtol=1e-6)
    assert data.train.y.max() > 300
    plain = construct("data", {"name": "diabetes", "standardize_target": False})
    assert "standardize_target" not in plain.preprocessing and plain.digest() == data.digest()


def test_digest_is_stable_and_differs_between_splits():
    first = construct("data", "iris").digest()
    assert first == construct("data", "iris").digest()
    assert first != construct("data", {"name": "iris", "seed": 1}).digest()
    # Written down when the split was made: a change here breaks the repetition of every earlier run.
    assert construct("data", "digits").digest()[:16] == "898bcdacb918e3b7"


def test_zero_shares_leave_no_such_part():
    data = construct("data", {"name": "iris", "validation": 0.0, "test": 0.0})
    assert data.validation is None and data.test is None and len(data.train) == 150


@pytest.mark.parametrize("name", SETS)
def test_impossible_shares_are_refused_before_loading(name):
    description = importlib.import_module(f"trainrun.data.{name}").describe(validation=0.6, test=0.5)
    assert description.problems[0][0] == "test" and "below 1" in description.problems[0][1]


def test_modules_load_nothing_heavy(tmp_path):
    code = (
        "import sys, importlib, pathlib, trainrun.data as d\n"
        "for p in pathlib.Path(d.__path__[0]).glob('*.py'):\n"
        "    if p.stem != 'hub_tokens':  # a Keras layer\n"
        "        importlib.import_module('trainrun.data.' + p.stem)\n"
        "for name in ('digits', 'iris', 'synthetic', 'none'):\n"
        "    importlib.import_module('trainrun.data.' + name).describe()\n"
        "print([m for m in ('tensorflow', 'keras', 'sklearn', 'pandas', 'pyarrow') if m in sys.modules])\n"
        "text = 'a,c,y\\n' + ''.join(f'{i if i % 9 else \"NA\"},{\"uvw\"[i % 3]},{i % 2}\\n' for i in range(90))\n"
        "path = pathlib.Path(sys.argv[1], 't.csv'); path.write_text(text)\n"
        "import trainrun.data.csv as table\n"
        "assert not table.describe(path=path, target='y', missing='mean_or_mode').problems\n"
        "print([m for m in ('tensorflow', 'keras', 'sklearn', 'pandas') if m in sys.modules])\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "[]"]


def test_none_is_one_placeholder_without_labels():
    data = construct("data", "none")
    assert data.target.kind == "none" and data.task == "minimization" and len(data.train) == 1
    assert len(construct("data", {"name": "none", "examples": 7}).train) == 7
