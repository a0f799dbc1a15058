"""Heavy libraries are imported with the garbage collector paused; only in trainrun's own processes it ignores them later."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from trainrun.util import imports

FRESH = """
import gc
from trainrun.util import imports
collected = []
gc.callbacks.append(lambda phase, info: collected.append(info["generation"]) if phase == "stop" else None)
with imports.collector_paused("tomllib", freeze=True):
    import tomllib
    kept = [[] for _ in range(100_000)]
    assert not collected and not gc.isenabled()
assert gc.isenabled()
frozen = gc.get_freeze_count()
assert frozen > 100_000, frozen
with imports.collector_paused("tomllib", freeze=True):
    assert gc.isenabled(), "it is imported already"
assert gc.get_freeze_count() == frozen
print("well")
"""

PLUGIN = """
import keras, trainrun

@trainrun.register("loss", "mine")
def mine(y_true, y_pred):
    return keras.losses.categorical_crossentropy(y_true, y_pred)
"""

NOTEBOOK = """
import gc, sys
before = gc.isenabled(), gc.get_freeze_count(), gc.get_threshold()
import trainrun
result = trainrun.run(
    ["data=iris", "trainer.epochs=1", "tracking=none", "artifacts.plots=false", "artifacts.report=false",
     "plugins=[./mine.py]"]
)
assert result.status == "FINISHED" and "tensorflow" in sys.modules
after = gc.isenabled(), gc.get_freeze_count(), gc.get_threshold()
assert after == before, (before, after)
print("well")
"""


def test_garbage_collector_is_paused_during_an_import_and_skips_its_objects_later():
    done = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, text=True)
    assert done.stdout == "well\n", done.stderr


def test_python_api_leaves_the_garbage_collector_and_the_users_objects_alone(tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    done = subprocess.run([sys.executable, "-c", NOTEBOOK], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.endswith("well\n"), done.stderr


def test_disabled_garbage_collector_stays_disabled_after_import():
    gc.disable()
    try:
        with imports.collector_paused("no_such_library"):
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_garbage_collector_is_enabled_again_after_a_failed_import():
    with pytest.raises(ImportError), imports.collector_paused("no_such_library"):
        import no_such_library  # noqa: F401
    assert gc.isenabled()


def test_collections_are_rare_until_a_large_library_is_imported():
    default = gc.get_threshold()
    imports.collect_rarely()
    try:
        assert gc.get_threshold()[0] == imports.RARE_COLLECTION and gc.isenabled()
        with imports.collector_paused("no_such_library"):
            pass
        assert gc.get_threshold() == default
    finally:
        gc.set_threshold(*default)
