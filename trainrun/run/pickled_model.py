"""A saved model that can be pickled: as the bytes of its .keras file, which is loaded in safe mode when the model is used."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.config import plugins
from trainrun.model.source_file import MODEL
from trainrun.ui import console

if TYPE_CHECKING:
    from trainrun.run.saved_model import SavedModel


class PickledModel:
    """A model as bytes.

    Args:
        content: of the .keras file.
        plug_ins: that register layers of it.
    """

    def __init__(self, content: bytes, plug_ins: Sequence[str]):
        self.content, self.plug_ins = content, list(plug_ins)

    @cached_property
    def loaded(self) -> SavedModel:
        """The model, loaded once a process."""
        with console.hushed():
            from trainrun.run.saved_model import SavedModel
        plugins.load(self.plug_ins)
        with tempfile.TemporaryDirectory(prefix="trainrun-") as folder:
            Path(folder, MODEL).write_bytes(self.content)
            return SavedModel.load(Path(folder))

    def __getstate__(self) -> dict[str, Any]:
        return {"content": self.content, "plug_ins": self.plug_ins}
