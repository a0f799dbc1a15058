"""The code that an MLflow model carries to read raw rows: trainrun's own modules, as a package that needs no trainrun."""

from __future__ import annotations

from pathlib import Path

from trainrun.data import _clock_times, _columns, _date_texts, _notations, scoring

PACKAGE = "trainrun_scoring"
MODULES = (_clock_times, _columns, _date_texts, _notations, scoring)


def write(folder: Path) -> str:
    """Write the package into a folder; return the name of the module with `_load_pyfunc`."""
    package = folder / PACKAGE
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    for module in MODULES:
        path = Path(str(module.__file__))
        code = path.read_text(encoding="utf-8").replace("trainrun.data", PACKAGE)
        (package / path.name).write_text(code, encoding="utf-8")
    return f"{PACKAGE}.{scoring.__name__.rpartition('.')[2]}"
