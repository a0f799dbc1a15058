"""Write a .keras file as an MLflow model, without loading it or importing TensorFlow.

It has the tensorflow flavour. By the pyfunc flavour, which `mlflow models serve` uses, a model of a table takes raw rows as a
DataFrame and returns class names and probabilities; it carries the code for that.
"""

from __future__ import annotations

import contextlib
import functools
import json
import shutil
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainrun.model import fitted_record
from trainrun.tracking.mlflow import loader, signatures

MODEL = "model"  # its name in MLflow


def write_model(
    folder: Path, path: Path, about: Mapping[str, Any], run_id: str | None, logged: Any = None
) -> None:
    """Write an MLflow model directory around a .keras file.

    Args:
        folder: an empty directory.
        path: the .keras file.
        about: `inputs`: a list of `{name, dtype, shape}` without the batch axis, `output`: `{dtype, shape}`;
            `named`: whether the model takes a dict of its inputs by name.
        run_id: the run that made it.
        logged: MLflow's record of the model, if the server keeps one.
    """
    import mlflow
    import yaml
    from mlflow.models import Model

    fitted = fitted_record.read(path)
    table = fitted if fitted is not None and fitted.table else None
    data = folder / "data"
    data.mkdir(parents=True)
    shutil.copyfile(path, data / "model.keras")
    (data / "keras_module.txt").write_text("keras")
    (data / "save_format.txt").write_text("keras")
    requirements = _requirements(path)
    model = Model(
        run_id=run_id,
        signature=signatures.of_arrays(about, fitted) if table is None else signatures.of_table(table),
        artifact_path=logged.artifact_location if logged is not None else MODEL,
        **({"model_id": logged.model_id} if logged is not None else {}),
    )
    model.add_flavor(
        "tensorflow",
        data="data",
        model_type="keras",
        keras_version=_version("tensorflow"),
        save_format="keras",
        code=None,
    )
    mlflow.pyfunc.add_to_model(
        model,
        loader_module="mlflow.tensorflow" if table is None else loader.write(folder / "code"),
        data="data",
        code=None if table is None else "code",
        conda_env="conda.yaml",
        python_env="python_env.yaml",
    )
    python = ".".join(map(str, sys.version_info[:3]))
    conda = {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [f"python={python}", "pip", {"pip": requirements}],
    }
    (folder / "conda.yaml").write_text(yaml.safe_dump(conda, sort_keys=False))
    environment = {"python": python, "build_dependencies": ["pip"], "dependencies": ["-r requirements.txt"]}
    (folder / "python_env.yaml").write_text(yaml.safe_dump(environment, sort_keys=False))
    (folder / "requirements.txt").write_text("\n".join(requirements) + "\n")
    if table is not None:
        model.saved_input_example_info = signatures.write_example(table, folder)
    model.model_size_bytes = path.stat().st_size
    model.save(str(folder / "MLmodel"))


def _requirements(path: Path) -> list[str]:
    """Return the packages needed to load the model; trainrun only if the model contains its classes."""
    names = ["mlflow", "tensorflow", "keras", "numpy", "pandas"]
    with contextlib.suppress(OSError, KeyError, zipfile.BadZipFile), zipfile.ZipFile(path) as file:
        config = json.loads(file.read("config.json"))
        config.pop("compile_config", None)
        if '"trainrun' in json.dumps(config):
            names.append("trainrun")
    return [f"{name}=={_version(name)}" for name in names]


@functools.cache
def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package)
