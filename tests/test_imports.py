"""Large libraries are imported without Python's search for garbage, which goes on afterwards, past them."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from trainrun.util import imports

FRESH = """
import gc
from trainrun import imports
searched = []
gc.callbacks.append(lambda phase, told: searched.append(told["generation"]) if phase == "stop" else None)
with imports.unhindered("tomllib"):
    import tomllib
    kept = [[] for _ in range(100_000)]
    assert not searched and not gc.isenabled()
assert gc.isenabled()
frozen = gc.get_freeze_count()
assert frozen > 100_000, frozen
with imports.unhindered("tomllib"):
    assert gc.isenabled(), "it is there already"
assert gc.get_freeze_count() == frozen
print("well")
"""


def test_nothing_is_looked_at_while_a_library_is_imported_nor_later():
    said = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, text=True)
    assert said.stdout == "well\n", said.stderr


def test_who_has_switched_it_off_keeps_it_off():
    gc.disable()
    try:
        with imports.unhindered("no_such_library"):
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_it_goes_on_after_an_import_that_fails():
    with pytest.raises(ImportError), imports.unhindered("no_such_library"):
        import no_such_library  # noqa: F401
    assert gc.isenabled()
