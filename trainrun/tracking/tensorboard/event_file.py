"""TensorBoard's event file format, written with the package `tensorboard` alone: its own writers would import TensorFlow."""

from __future__ import annotations

import struct
import time
from pathlib import Path
from typing import Any

PATTERN = "events.out.tfevents.*.trainrun"
VERSION = "brain.Event:2"
PNG = b"\x89PNG\r\n\x1a\n"
RGBA = 4  # channels that TensorBoard decodes to


class EventFile:
    """Write one run's events to a new event file.

    A file holds all events of the run: earlier files in the folder are removed, and a TensorBoard that has read one starts over.

    Args:
        folder: directory of the file; created if missing.
    """

    def __init__(self, folder: Path):
        from tensorboard.compat.proto import event_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder.mkdir(parents=True, exist_ok=True)
        earlier = sorted(folder.glob(PATTERN))
        self.path = folder / PATTERN.replace("*", f"{time.time_ns():020d}")
        self._file = open(self.path, "wb")  # noqa: SIM115 - open until `close`
        self._writer = RecordWriter(self._file)
        self._event = event_pb2.Event
        self._write(0.0, file_version=VERSION)
        # Makes TensorBoard drop the values that it has read from an earlier file.
        session = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._write(0.0, step=0, session_log=session)
        for path in earlier:
            path.unlink(missing_ok=True)

    def scalar(self, tag: str, value: float, step: int, wall_time: float) -> None:
        """Write one value of a curve."""
        self._summary(wall_time, step, tag=tag, simple_value=value)

    def text(self, tag: str, text: str, step: int, wall_time: float) -> None:
        """Write a text in Markdown."""
        from tensorboard.compat.proto import tensor_pb2, tensor_shape_pb2, types_pb2
        from tensorboard.plugins.text import metadata

        tensor = tensor_pb2.TensorProto(
            dtype=types_pb2.DT_STRING,
            string_val=[text.encode("utf-8", "replace")],
            tensor_shape=tensor_shape_pb2.TensorShapeProto(
                dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=1)]
            ),
        )
        about = metadata.create_summary_metadata(tag, "")
        self._summary(wall_time, step, tag=tag, metadata=about, tensor=tensor)

    def image(self, tag: str, png: bytes, step: int, wall_time: float) -> None:
        """Write an image.

        Raises:
            ValueError: the bytes are no PNG.
        """
        from tensorboard.compat.proto import summary_pb2

        if not png.startswith(PNG) or len(png) < 24:
            raise ValueError("no PNG")
        width, height = struct.unpack(">II", png[16:24])
        image = summary_pb2.Summary.Image(
            width=width, height=height, colorspace=RGBA, encoded_image_string=png
        )
        self._summary(wall_time, step, tag=tag, image=image)

    def flush(self) -> None:
        """Flush the buffer, so that TensorBoard sees all events."""
        self._file.flush()

    def close(self) -> None:
        """Close the file; may be called repeatedly."""
        self._file.close()

    def _summary(self, wall_time: float, step: int, **value: Any) -> None:
        from tensorboard.compat.proto import summary_pb2

        summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(**value)])
        self._write(wall_time, step=step, summary=summary)

    def _write(self, wall_time: float, **fields: Any) -> None:
        self._writer.write(self._event(wall_time=wall_time, **fields).SerializeToString())
