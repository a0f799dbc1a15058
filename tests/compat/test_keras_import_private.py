"""Keras' parts that import scikit-learn and matplotlib are imported when they are used, and are then what they always are."""

from __future__ import annotations

import subprocess
import sys

POSTPONED = """
import sys
from trainrun.compat import keras_import_private as private

with private.optional_parts_postponed():
    import tensorflow
    import keras
assert not [f for f in sys.meta_path if getattr(f, "__module__", "") == private.__name__]
heavy = [name for name in ("matplotlib", "sklearn", "scipy.stats") if name in sys.modules]
assert not heavy, heavy

import inspect

model = keras.wrappers.SKLearnClassifier(
    lambda X, y: keras.Sequential([keras.layers.Dense(1, "sigmoid")]), {"epochs": 1, "verbose": 0}
)
assert "sklearn" in sys.modules and "matplotlib" not in sys.modules
from sklearn.base import ClassifierMixin
assert isinstance(model, ClassifierMixin)
assert inspect.getmodule(keras.visualization.plot_image_gallery).__name__.startswith("keras.src.visualization")
assert "matplotlib" in sys.modules
from keras.src import visualization
import keras.visualization as public
assert public is sys.modules["keras.visualization"] and hasattr(visualization, "draw_bounding_boxes")
print(sorted(name for name in dir(public) if name[0] != "_"), sorted(name for name in dir(keras.wrappers) if name[0] != "_"))
"""
EAGER = """
import keras
print(*(sorted(name for name in dir(part) if name[0] != "_") for part in (keras.visualization, keras.wrappers)))
"""


def printed(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_parts_are_imported_at_their_first_use_and_have_the_same_names():
    assert printed(POSTPONED) == printed(EAGER) != ""
