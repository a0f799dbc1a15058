"""The features of TFRecord files as rows: a feature's values are parsed when they are asked for."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainrun.data import _ignored_pixels, _image_pixels, _record_index, _tensorflow
from trainrun.data._faults import Fault
from trainrun.data._record_index import RecordIndex, Records
from trainrun.errors import Problem, UserError, did_you_mean, first_line

if TYPE_CHECKING:
    import numpy as np

# Type in the YAML -> kind in a record, numpy's type.
DTYPES = {
    "float32": ("float32", "float32"),
    "int64": ("int64", "int64"),
    "uint8": ("bytes", "uint8"),
    "image": ("bytes", "uint8"),
    "text": ("bytes", "U"),
}
# What the files of images begin with.
IMAGES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"RIFF")
# Records that are read at once.
BLOCK = 1024


@dataclass(frozen=True)
class FeatureSpec:
    """What is under one name in each record.

    Args:
        name: of the feature.
        dtype: a key of `DTYPES`.
        shape: of one example.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] = ()

    @property
    def kind(self) -> str:
        """The list of a record that has it."""
        return DTYPES[self.dtype][0]

    @property
    def count(self) -> int:
        """The number of values in a record's list."""
        return 1 if self.kind == "bytes" else math.prod(self.shape)


def specs(features: Any) -> tuple[dict[str, FeatureSpec], list[Fault]]:
    """Return the features of a YAML, or its faults.

    Args:
        features: name -> dtype, or name -> ``{dtype: …, shape: […]}``.
    """
    if not isinstance(features, Mapping) or not features:
        return {}, [("features", f"expected a mapping, {{image: {{dtype: image, shape: [28,28,1]}}, label: int64}}, got {features!r}.")]  # fmt: skip
    known, faults = {}, []
    for name, value in features.items():
        node = value if isinstance(value, Mapping) else {"dtype": value}
        dtype, shape = node.get("dtype"), node.get("shape", [])
        more = [key for key in node if key not in ("dtype", "shape")]
        sizes = shape if isinstance(shape, Sequence) and not isinstance(shape, str) else [shape]
        if more:
            faults.append(("features", f"{name}: expected dtype and shape, got {more[0]!r}."))
        elif dtype not in DTYPES:
            near = did_you_mean(str(dtype), DTYPES)
            faults.append(
                ("features", f"{name}: expected one of {', '.join(DTYPES)} as dtype, got {dtype!r}.{near}")
            )
        elif not all(type(size) is int and size > 0 for size in sizes):
            faults.append(("features", f"{name}: expected a shape such as [28,28,1], got {shape!r}."))
        elif dtype == "image" and (len(sizes) != 3 or sizes[2] not in _image_pixels.MODES):
            faults.append(("features", f"{name}: an image needs a shape of height, width and 1, 3 or 4 channels, got {list(sizes)}."))  # fmt: skip
        elif dtype == "text" and sizes:
            faults.append(("features", f"{name}: a text has no shape, got {list(sizes)}. Leave it out."))
        else:
            known[str(name)] = FeatureSpec(str(name), dtype, tuple(sizes))
    return known, faults


def record_faults(record: bytes, place: str, features: Mapping[str, FeatureSpec]) -> list[Fault]:
    """Return what a record has otherwise than it should.

    Args:
        record: its bytes.
        place: for messages.
        features: that are read.
    """
    try:
        present = _record_index.features(record)
    except ValueError as error:
        return [("path", f"{place}: {error}.")]
    faults: list[Fault] = []
    for name, spec in features.items():
        if name not in present:
            has = ", ".join(f"{key} ({feature.words})" for key, feature in present.items())
            faults.append(
                ("features", f"{place} has no feature {name!r}.{did_you_mean(name, present)} It has {has}.")
            )
        elif present[name].kind != spec.kind or present[name].count != spec.count:
            faults.append(("features", f"{name}: expected {spec.count} of {spec.kind}; {place} has {present[name].words}."))  # fmt: skip
        elif spec.dtype == "image" and not present[name].first.startswith(IMAGES):
            faults.append(("features", f"{name}: {place} has bytes that are no image. Is the dtype uint8?"))
        elif spec.kind == "bytes" and (message := _shape_fault(present[name].first, spec, place)):
            faults.append(("features", message))
    return faults


def suggestion(record: bytes) -> str:
    """Return the features of a record as an override, where it has any."""
    try:
        present = _record_index.features(record)
    except ValueError:
        return ""
    parts = []
    for name, feature in present.items():
        if feature.kind == "bytes":
            image = feature.first.startswith(IMAGES)
            parts.append(f"{name}: {{dtype: image, shape: [height,width,3]}}" if image else f"{name}: text")
        else:
            shape = "" if feature.count == 1 else f", shape: [{feature.count}]"
            parts.append(
                f"{name}: {feature.kind}" if not shape else f"{name}: {{dtype: {feature.kind}{shape}}}"
            )
    return f" The first record has: data.features={{{', '.join(parts)}}}."


def transparency(record: bytes, features: Mapping[str, FeatureSpec]) -> list[str]:
    """Return a notice for each image of a record whose transparency is left out."""
    present = _record_index.features(record)
    return [
        f"{name}: the first record's image has transparency, which is left out{_ignored_pixels.KEPT}. A shape of 4 channels keeps it."
        for name, spec in features.items()
        if spec.dtype == "image"
        and spec.shape[2] != 4
        and _ignored_pixels.traits_of(io.BytesIO(present[name].first))[0]
    ]


class RecordRows:
    """One feature of all records, as `lazy_array.Rows`.

    Args:
        records: of the files.
        spec: of the feature.
    """

    def __init__(self, records: Records, spec: FeatureSpec) -> None:
        import numpy as np

        self._records, self.spec = records, spec
        self.shape = (len(records.index), *spec.shape)
        self.dtype = np.dtype(DTYPES[spec.dtype][1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any, /) -> np.ndarray:
        """Return the values of the records at `key`, indices or a slice."""
        import numpy as np

        rows = np.arange(*key.indices(len(self))) if isinstance(key, slice) else np.asarray(key)
        return parsed(self._records.read(rows), [self.spec], rows, self._records.index)[self.spec.name]


def checked(index: RecordIndex, features: Sequence[FeatureSpec]) -> dict[str, np.ndarray]:
    """Return the values of some features of all records, whose checksums are verified meanwhile.

    Args:
        index: of the files.
        features: those that are small, as targets.

    Raises:
        UserError: a record is damaged, or has other features.
    """
    import numpy as np

    tf = _tensorflow.imported()
    blocks: dict[str, list[np.ndarray]] = {spec.name: [] for spec in features}
    row = 0
    try:
        with tf.device("cpu:0"):
            for block in tf.data.TFRecordDataset([str(path) for path in index.paths]).batch(BLOCK):
                records = block.numpy().tolist()
                rows = np.arange(row, row + len(records))
                for name, values in parsed(records, features, rows, index).items():
                    blocks[name].append(values)
                row += len(records)
    except tf.errors.OpError as error:
        paths = index.paths[index.file_of(row) :]
        wrong = (_record_index.index([path], thorough=True)[1] for path in paths)
        texts = (text for faults in wrong for _, text in faults)
        text = next(texts, f"{paths[0]} cannot be read: {first_line(error)}.")
        raise UserError(Problem("data.path", text)) from error
    return {name: np.concatenate(values) for name, values in blocks.items()}


def parsed(
    records: Sequence[bytes], features: Sequence[FeatureSpec], rows: np.ndarray, index: RecordIndex
) -> dict[str, np.ndarray]:
    """Return the values of features in some records, each `[n, *shape]`.

    Args:
        records: their bytes.
        features: that are wanted.
        rows: the numbers of the records.
        index: of the files, for messages.

    Raises:
        UserError: with the file and the index of a record that has other features.
    """
    tf = _tensorflow.imported()
    types = {"float32": tf.float32, "int64": tf.int64, "bytes": tf.string}
    form = {
        s.name: tf.io.FixedLenFeature(() if s.kind == "bytes" else s.shape, types[s.kind]) for s in features
    }
    if not form or not records:
        return {s.name: _empty(s) for s in features}
    try:
        with tf.device("cpu:0"):
            values = tf.io.parse_example(tf.constant(records, tf.string), form)
    except tf.errors.InvalidArgumentError as error:
        for row, record in zip(rows.tolist(), records, strict=True):
            faults = record_faults(record, index.place(row), {s.name: s for s in features})
            if faults:
                raise UserError([Problem(f"data.{key}", text) for key, text in faults]) from error
        raise UserError(Problem("data.path", first_line(error))) from error
    return {s.name: _array(values[s.name].numpy(), s, rows, index) for s in features}


def _empty(spec: FeatureSpec) -> np.ndarray:
    import numpy as np

    return np.empty((0, *spec.shape), DTYPES[spec.dtype][1])


def _array(values: np.ndarray, spec: FeatureSpec, rows: np.ndarray, index: RecordIndex) -> np.ndarray:
    """Return a feature's values, bytes decoded."""
    import numpy as np

    if spec.kind != "bytes":
        return values
    if spec.dtype == "text":
        return np.array([value.decode("utf-8", "replace") for value in values])
    made = np.empty((len(values), *spec.shape), "uint8")
    for i, value in enumerate(values):
        try:
            made[i] = _decoded(value, spec)
        # Pillow raises what its decoders and C libraries make of a damaged file.
        except Exception as error:
            message = _no_such(index.place(int(rows[i])), spec, error)
            raise UserError(Problem("data.features", message)) from error
    return made


def _shape_fault(value: bytes, spec: FeatureSpec, place: str) -> str | None:
    """Return why bytes are not of a feature's shape, or None."""
    try:
        if spec.dtype != "text":
            _decoded(value, spec)
    except Exception as error:  # as above
        return _no_such(place, spec, error)
    return None


def _no_such(place: str, spec: FeatureSpec, error: Exception) -> str:
    return f"{place}: {spec.name} is no {spec.dtype} of shape {list(spec.shape)}: {first_line(error)}"


def _decoded(value: bytes, spec: FeatureSpec) -> np.ndarray:
    """Return the values of a feature of bytes that are no text, uint8 of its shape."""
    import numpy as np

    if spec.dtype == "uint8":
        return np.frombuffer(value, "uint8").reshape(spec.shape)
    return _pixels(value, spec)


def _pixels(value: bytes, spec: FeatureSpec) -> np.ndarray:
    pixels = _image_pixels.pixels_of(io.BytesIO(value), spec.shape[2])
    if pixels.shape != spec.shape:
        raise ValueError(f"it has {pixels.shape[0]}x{pixels.shape[1]} pixels (height x width).")
    return pixels
