"""The config in a .keras file, a zip archive with a config.json; read without Keras."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

from trainrun.util import paths

MAX_CONFIG_BYTES = 50_000_000
# Name of the model that is a raw-row front around the trained one.
RAW_ROWS = "raw_rows"
# Exceptions raised for a damaged file.
READ_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    ValueError,
    OSError,
    EOFError,
    RuntimeError,
    KeyError,
    RecursionError,
)


def read(where: Path) -> tuple[dict[str, Any], int]:
    """Return the config of the model, and the size of the whole file in bytes, unpacked.

    Raises:
        READ_ERRORS: the file is not a .keras file, or would not fit into memory when unpacked.
    """
    with zipfile.ZipFile(where) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
        if (too_large := paths.room(unpacked)) is not None:
            raise ValueError(f"unpacked, {too_large}")
        if archive.getinfo("config.json").file_size > MAX_CONFIG_BYTES:
            raise ValueError(f"its config.json has more than {MAX_CONFIG_BYTES:,} bytes")
        config = json.loads(archive.read("config.json"))
    if not isinstance(config, dict):
        raise ValueError("its config.json holds no model")
    return config, unpacked


def core(config: dict[str, Any]) -> dict[str, Any]:
    """Return the config of the trained model inside its raw-row front (`trainrun.model.front`), or that of the model itself."""
    inside = config.get("config")
    if not isinstance(inside, dict) or inside.get("name") != RAW_ROWS:
        return config
    nodes = inside.get("layers")
    models = [
        node
        for node in (nodes if isinstance(nodes, list) else ())
        if isinstance(node, dict) and node.get("class_name") in ("Functional", "Sequential")
    ]
    return models[0] if len(models) == 1 else config
