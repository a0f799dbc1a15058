"""`trainrun check` of a model of another run: it says what the run would say."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import numpy as np
import pytest

import trainrun
from trainrun.commands import check
from trainrun.errors import UserError

FAST = ["model=mlp", "model.units=[4]", "trainer.epochs=1", "tracking=none", "artifacts.plots=false"]
CSV = ["data=csv", "data.target=kind"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with tables and arrays, and the models of a run of each."""
    path = tmp_path_factory.mktemp("check")
    random = np.random.default_rng(0)
    x, kind = random.normal(size=(90, 2)), np.array(["red", "green", "blue"] * 30)

    def table(name, kinds):
        rows = [f"{a},{b},{k}" for (a, b), k in zip(x, kinds, strict=True)]
        (path / name).write_text("\n".join(["a,b,kind", *rows]) + "\n")

    table("table.csv", kind)
    table("fewer.csv", ["red", "blue"] * 45)
    table("others.csv", ["red", "pink"] * 45)
    np.savez(path / "arrays.npz", x=x, y=kind)
    np.savez(path / "wider.npz", x=np.hstack([x, x]), y=kind)
    np.savez(path / "real.npz", x=x, y=x[:, 0])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        trainrun.run([*FAST, *CSV, "data.path=table.csv"], run_dir="outputs/runs/table")
        trainrun.run([*FAST, "data=npz", "data.path=arrays.npz"], run_dir="outputs/runs/arrays")
    whole, bare = path / "outputs/runs/arrays/model.keras", path / "bare.keras"
    with zipfile.ZipFile(whole) as archive, zipfile.ZipFile(bare, "w") as copy:
        for name in archive.namelist():
            if name != "preprocessing.json":
                copy.writestr(name, archive.read(name))
    return path


@pytest.mark.parametrize(
    ("source", "data", "message"),
    [
        ("model=file model.path=table", "data=csv data.target=kind data.path=others.csv", "classes .* also has 'pink'"),
        ("model=file model.path=table", "data=npz data.path=arrays.npz", "trained on the columns of a table .*arrays"),
        ("model=file model.path=arrays", "data=npz data.path=wider.npz", "trained on 2 numbers .* are 4"),
        ("model=file model.path=arrays", "data=npz data.path=real.npz", r"gives \[3\] .* needs \[1\]"),
        ("model=file model.path=bare.keras", "data=npz data.path=wider.npz", r"of shape \[2\]; the data has numeric \[4\]"),
        ("teacher=arrays", "data=npz data.path=wider.npz", "trained on 2 numbers .* are 4"),
    ],
)  # fmt: skip
def test_data_that_a_stored_model_does_not_fit_is_refused_as_by_the_run(
    folder, monkeypatch, source, data, message
):
    monkeypatch.chdir(folder)
    overrides = [*source.split(), *data.split(), "tracking=none"]
    with pytest.raises(UserError, match=message) as checked:
        check.main(overrides)
    with pytest.raises(UserError) as run:
        trainrun.run(overrides)
    assert checked.value.problems == run.value.problems
    with pytest.raises(UserError, match=message):
        check.main(["-m", *overrides, "seed=1,2"])


def test_stored_models_of_all_points_of_a_sweep_are_looked_at(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    data = ["data=npz", "data.path=wider.npz", "tracking=none"]
    messages = {}
    for source in ("arrays", "bare.keras"):
        with pytest.raises(UserError) as run:
            trainrun.run([*data, "model=file", f"model.path={source}"])
        messages[source] = run.value.problems
    with pytest.raises(UserError) as checked:
        check.main(["-m", *data, "model=file", "model.path=arrays,bare.keras", "seed=1,2"])
    for (problem,), found in zip(messages.values(), checked.value.problems, strict=True):
        assert found.key == problem.key and found.message.startswith(f"{problem.message} (first at: ")
    capsys.readouterr()
    with pytest.raises(UserError, match=r"are 4[^(]*.first at: [^)]*teacher="):
        check.main(["-m", *data, "teacher=null,arrays"])
    with pytest.raises(UserError, match="takes numeric of shape"):
        check.main(
            ["-m", "data=npz", "data.path=arrays.npz,wider.npz", "model=file", "model.path=bare.keras"]
        )
    fitting = ["data=npz", "data.path=arrays.npz", "model=mlp", "teacher=null,arrays"]
    assert check.main(["-m", *fitting]) == 0 and "ok: 2 runs" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        "model=file model.path=table data=csv data.target=kind data.path=fewer.csv",
        "model=file model.path=arrays data=npz data.path=arrays.npz",
        "model=file model.path=bare.keras data=npz data.path=arrays.npz",
        "teacher=arrays data=npz data.path=arrays.npz model=mlp",
    ],
)
def test_data_that_a_stored_model_fits_passes(folder, monkeypatch, capsys, words):
    monkeypatch.chdir(folder)
    assert check.main(words.split()) == 0
    assert "ok: 1 run" in capsys.readouterr().out


def test_a_model_with_a_record_is_checked_without_tensorflow(folder):
    code = (
        "import sys; from trainrun.cli import main; main(sys.argv[1:]); "
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    words = ["check", "model=file", "model.path=arrays", "data=npz", "data.path=arrays.npz"]
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0 and "ok: 1 run" in done.stdout, done.stderr
