"""Statistics of columns, against numpy, scipy and scikit-learn's own numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from trainrun.data.dataset import Dataset, InputSpec, Split, TargetSpec
from trainrun.data.profile import Values, bars, class_counts, of_columns, of_dataset, repeated
from trainrun.registry.construct import construct

CLASSES = TargetSpec("multiclass", ("a", "b", "c"), 3)
REAL = TargetSpec("real")


@pytest.fixture
def draw():
    return np.random.default_rng(0)


def one(values, labels, target):
    (record,) = of_columns([values], labels, target)
    return record


def bergsma(table):
    """Return the bias-corrected V of a table of counts, by the formulas of Bergsma (2013), section 3."""
    n, (r, k) = table.sum(), table.shape
    squared = stats.chi2_contingency(table, correction=False).statistic / n
    rows, columns = r - (r - 1) ** 2 / (n - 1), k - (k - 1) ** 2 / (n - 1)
    return np.sqrt(max(0, squared - (r - 1) * (k - 1) / (n - 1)) / (min(rows, columns) - 1))


def test_numbers_have_their_range_histogram_and_correlation(draw):
    numbers = draw.normal(size=200)
    y = numbers + draw.normal(size=200)
    numbers[::10] = np.nan
    known = ~np.isnan(numbers)
    record = one(Values("x", "numbers", numbers), y[:, None], REAL)
    assert (record["missing"], record["distinct"]) == (20, 180)
    assert [record[k] for k in ("least", "median", "largest")] == [
        f(numbers[known]) for f in (np.min, np.median, np.max)
    ]
    assert record["histogram"] == np.histogram(numbers[known], 12)[0].tolist()
    assert record["with_target"] == pytest.approx(stats.pearsonr(numbers[known], y[known])[0])


def test_categories_have_their_frequencies_and_cramers_v(draw):
    codes, labels = draw.integers(-1, 4, 300), draw.integers(0, 3, 300)
    codes[labels == 0] = 1
    texts = ["k", "l", "m", "n"]
    record = one(Values("c", "categories", None, codes, texts), labels, CLASSES)
    known = codes >= 0
    table = stats.contingency.crosstab(codes[known], labels[known]).count
    assert record["with_target"] == pytest.approx(bergsma(table))
    ids = Values("id", "categories", None, np.arange(300), [f"p{i}" for i in range(300)])
    assert one(ids, labels, CLASSES)["with_target"] == 0
    assert next(iter(record["frequent"].items())) == ("l", int((codes == 1).sum()))
    assert record["missing"] == int((~known).sum()) and record["distinct"] == 4


def test_a_number_and_classes_go_together_by_the_correlation_ratio(draw):
    labels = draw.integers(0, 3, 300)
    numbers = labels * 0.5 + draw.normal(size=300)
    f = stats.f_oneway(*(numbers[labels == i] for i in range(3))).statistic
    between = f * 2 / (f * 2 + 297)  # eta squared by F and its degrees of freedom
    expected = np.sqrt(1 - (1 - between) * 299 / 297)  # adjusted, as R squared is
    assert one(Values("x", "numbers", numbers), labels, CLASSES)["with_target"] == pytest.approx(expected)
    categories = Values("c", "categories", None, labels, ["k", "l", "m"])
    assert one(categories, numbers[:, None], REAL)["with_target"] == pytest.approx(expected)
    ids = Values("id", "categories", None, np.arange(300), [f"p{i}" for i in range(300)])
    assert one(ids, numbers[:, None], REAL)["with_target"] == 0


def test_constant_columns_go_with_nothing():
    labels = np.array([0, 1, 2, 0])
    assert one(Values("x", "numbers", np.ones(4)), labels, CLASSES)["with_target"] is None
    assert one(Values("x", "numbers", np.full(4, np.nan)), labels, CLASSES)["distinct"] == 0
    assert (
        one(Values("c", "categories", None, np.zeros(4, int), ["k"]), labels, CLASSES)["with_target"] is None
    )


def test_a_dataset_is_described_in_its_own_unit():
    from sklearn.datasets import load_diabetes

    data = construct("data", "diabetes")
    records = {r["name"]: r for r in of_dataset(data)}
    frame = load_diabetes(as_frame=True, scaled=False).frame
    assert (
        records["bmi"]["largest"] <= frame["bmi"].max() + 1e-4
        and records["bmi"]["least"] >= frame["bmi"].min() - 1e-4
    )
    assert records["bmi"]["with_target"] == pytest.approx(frame["bmi"].corr(frame["target"]), abs=0.08)
    digits = construct("data", "digits")
    assert sum(counts["test"] for counts in class_counts(digits).values()) == len(digits.test)
    assert [r["kind"] for r in of_dataset(digits)] == ["image [8, 8, 1]"]


def test_arrays_and_windows_are_told_in_the_unit_of_the_file(draw, tmp_path):
    age, images = draw.normal(40, 9, 50), draw.integers(0, 256, (50, 4, 4, 1), dtype="uint8")
    np.savez(tmp_path / "a.npz", age=age, image=images, y=np.arange(50) % 2)
    arrays = {
        "name": "npz",
        "path": str(tmp_path / "a.npz"),
        "x": ["age", "image"],
        "validation": 0,
        "test": 0,
    }
    records = {r["name"]: r for r in of_dataset(construct("data", arrays))}
    assert records["age"]["median"] == pytest.approx(np.median(age), abs=1e-5)
    sales = draw.normal(500, 20, 60).round(2)
    rows = "\n".join(f"{value},{i % 3}" for i, value in enumerate(sales))
    (tmp_path / "s.csv").write_text(f"sales,promo\n{rows}\n")
    series = {
        "name": "timeseries",
        "path": str(tmp_path / "s.csv"),
        "target": "sales",
        "window": 5,
        "horizon": 2,
    }
    records = {r["name"]: r for r in of_dataset(construct("data", {**series, "validation": 0, "test": 0}))}
    assert list(records) == ["sales", "promo"]
    assert records["sales"]["least"] == pytest.approx(sales[:-2].min(), abs=1e-3)
    assert records["promo"]["distinct"] == 3


@pytest.mark.parametrize("shape", [(3,), (9, 16, 1)])
def test_repeated_examples_are_those_of_the_same_bytes(draw, shape):
    kind = "numeric" if len(shape) == 1 else "image"
    x = draw.integers(0, 2, (300, *shape)).astype("float32")
    x[200:250] = x[:50]
    y = draw.integers(0, 2, 300)
    parts = [Split(x[a:b], y[a:b]) for a, b in ((0, 150), (150, 220), (220, 300))]
    data = Dataset(
        "d", "classification", (InputSpec(kind, kind, shape),), TargetSpec("binary", ("a", "b"), 1), *parts
    )
    whole = [a.tobytes() + b.tobytes() for a, b in zip(x, y, strict=True)]
    train = set(whole[:150])
    expected = {
        "validation": sum(row in train for row in whole[150:220]),
        "test": sum(row in train for row in whole[220:]),
    }
    assert repeated(data) == expected
    assert expected["test"] > 0


def test_bars():
    assert bars([0, 1, 8, 4]) == " ▁█▄" and bars([]) == ""
