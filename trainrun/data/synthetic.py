"""Synthetic data of any size and difficulty: imbalanced classes, blobs, regression, segmentation, sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trainrun.data import _arrays
from trainrun.data._faults import raise_faults
from trainrun.data._order import SYNTHETIC, bits, shuffled
from trainrun.data.dataset import Dataset, Description, InputSpec, TargetSpec
from trainrun.errors import did_you_mean
from trainrun.util import paths
from trainrun.util.arguments import Decay, NotNegative

if TYPE_CHECKING:
    import numpy as np

# Default noise of each kind, at which it is neither trivial nor hopeless.
NOISE = {"imbalanced": 0.5, "blobs": 0.5, "regression": 1.0, "segmentation": 0.2, "sequences": 0.0}
# The columns that carry the classes of `imbalanced` and `blobs`; the others are noise.
INFORMATIVE = 5


def synthetic(
    *,
    kind: str = "imbalanced",
    examples: int = 2000,
    noise: NotNegative | None = None,
    features: int = 20,
    classes: int = 2,
    share: float = 0.05,
    size: int = 16,
    length: int = 16,
    vocabulary: int = 20,
    validation: Decay = 0.2,
    test: Decay = 0.2,
    standardize: bool = True,
    seed: int = 42,
) -> Dataset:
    """Return synthetic examples; the same arguments give the same bytes on every machine.

    Kinds:
        ``imbalanced``: two classes, the rarer one in two clusters on either side of the other, so that they are not
            linearly separable. `features`, `share`.
        ``blobs``: one cluster for each of `classes`. `features`, `classes`.
        ``regression``: Friedman's first function, 10 sin(π a b) + 20 (c − ½)² + 10 d + 5 e of the first five
            columns, uniform in [0, 1]. `features`.
        ``segmentation``: images `[size, size, 1]` with one to three bright discs or rectangles on a darker
            ground; the label of a pixel is whether it lies in one. `size`.
        ``sequences``: tokens `[length]`, among them one marker of each class; the class is the first marker, so the
            model must use the order. `length`, `vocabulary`, `classes`.

    Args:
        kind: see above.
        examples: number of examples, before the split.
        noise: standard deviation of the points around their cluster's centre (centres are about 2 apart), of the
            target, or of the pixels; for ``sequences`` the fraction of labels drawn at random, in [0, 1]. None: the
            kind's default (`NOISE`).
        features: number of columns.
        classes: number of classes.
        share: fraction of the rarer class, in (0, 0.5].
        size: height and width of the images, in pixels.
        length: tokens of a sequence.
        vocabulary: number of different tokens; 0 is not used, 1 to `classes` are the markers.
        validation, test: fractions of all examples; 0: no such set.
        standardize: scale numeric columns to mean 0 and standard deviation 1, fitted on the training set.
        seed: of the examples and of the split.

    Reference:
        Friedman, Multivariate adaptive regression splines, 1991.
    """
    raise_faults(_problems(kind, examples, noise, features, classes, share, size, length, vocabulary))
    draw = _Draw(seed)
    noise = NOISE[kind] if noise is None else noise
    make: dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]] = {
        "imbalanced": lambda: imbalanced(draw, examples, noise, features, share),
        "blobs": lambda: blobs(draw, examples, noise, features, classes),
        "regression": lambda: regression(draw, examples, noise, features),
        "segmentation": lambda: segmentation(draw, examples, noise, size),
        "sequences": lambda: sequences(draw, examples, noise, length, vocabulary, classes),
    }
    x, y = make[kind]()
    target, spec = _meaning(kind, features, classes, size, length, vocabulary)
    return _arrays.dataset(
        f"synthetic_{kind}",
        spec,
        x,
        target,
        y,
        features=[f"x{i}" for i in range(features)] if spec.kind == "numeric" else (),
        validation=validation,
        test=test,
        standardize=standardize,
        seed=seed,
    )


def describe(
    *,
    kind: str = "imbalanced",
    examples: int = 2000,
    noise: NotNegative | None = None,
    features: int = 20,
    classes: int = 2,
    share: float = 0.05,
    size: int = 16,
    length: int = 16,
    vocabulary: int = 20,
    validation: Decay = 0.2,
    test: Decay = 0.2,
    **_: Any,
) -> Description:
    """Return what is known without generating the data."""
    problems = _problems(kind, examples, noise, features, classes, share, size, length, vocabulary)
    if problems:
        return Description(problems=problems)
    target, spec = _meaning(kind, features, classes, size, length, vocabulary)
    return _arrays.description(target, examples, spec.kind, validation, test)


def _meaning(
    kind: str, features: int, classes: int, size: int, length: int, vocabulary: int
) -> tuple[TargetSpec, InputSpec]:
    """Return the target spec and the input spec of a kind."""
    numeric = InputSpec("numeric", "numeric", (features,))
    names = tuple(f"class {i}" for i in range(classes))
    several = TargetSpec("binary", names) if classes == 2 else TargetSpec("multiclass", names, classes)
    if kind == "imbalanced":
        return TargetSpec("binary", ("common", "rare")), numeric
    if kind == "blobs":
        return several, numeric
    if kind == "regression":
        return TargetSpec("real"), numeric
    if kind == "segmentation":
        mask = TargetSpec("binary", ("ground", "shape"), 1, (size, size))
        return mask, InputSpec("image", "image", (size, size, 1))
    return several, InputSpec("tokens", "tokens", (length,), (vocabulary,))


def _problems(
    kind: str,
    examples: int,
    noise: NotNegative | None,
    features: int,
    classes: int,
    share: float,
    size: int,
    length: int,
    vocabulary: int,
) -> tuple[tuple[str, str], ...]:
    if kind not in NOISE:
        return (
            ("kind", f"expected one of {', '.join(NOISE)}, got {kind!r}.{did_you_mean(str(kind), NOISE)}"),
        )
    faults = []
    if examples < 1:
        faults.append(("examples", f"expected at least 1, got {examples}."))
    least = INFORMATIVE if kind == "regression" else 1
    if kind in ("imbalanced", "blobs", "regression") and features < least:
        faults.append(("features", f"kind={kind} needs at least {least}, got {features}."))
    if kind in ("blobs", "sequences") and classes < 2:
        faults.append(("classes", f"expected at least 2, got {classes}."))
    if kind == "imbalanced" and not 0 < share <= 0.5:
        faults.append(("share", f"expected the share of the rarer class in (0, 0.5], got {share}."))
    if kind == "segmentation" and size < 8:
        faults.append(("size", f"expected at least 8 pixels, got {size}."))
    values = {"segmentation": size * size, "sequences": length}.get(kind, features) * examples
    if not faults and (too_large := paths.room(values * 8 * 13)):  # twelve draws for each, and their sum
        faults.append(("examples", f"so many do not fit: {too_large}. Take fewer."))
    if kind == "sequences":
        if length < classes:
            faults.append(
                ("length", f"expected at least {classes}, room for one marker of each class, got {length}.")
            )
        if vocabulary < classes + 2:
            faults.append(
                (
                    "vocabulary",
                    f"expected at least {classes + 2}: 0, a marker of each class and one token more; got {vocabulary}.",
                )
            )
        if noise is not None and noise > 1:
            faults.append(
                ("noise", f"for kind=sequences it is the share of random labels, in [0, 1]; got {noise}.")
            )
    return tuple(faults)


class _Draw:
    """Random numbers from Philox' raw bits, using sums and products only, so that they are the same on every machine.

    Args:
        seed: of all streams; each call uses a new stream.
    """

    def __init__(self, seed: int):
        self.seed, self.calls = seed, 0

    def raw(self, n: int) -> np.ndarray:
        self.calls += 1
        return bits(self.seed, SYNTHETIC, self.calls, n)

    def uniform(self, *shape: int) -> np.ndarray:
        """Return numbers in [0, 1)."""
        import numpy as np

        return ((self.raw(int(np.prod(shape))) >> np.uint64(11)) * 2.0**-53).reshape(shape)

    def normal(self, *shape: int) -> np.ndarray:
        """Return approximately normal numbers of mean 0 and deviation 1: the sum of twelve uniform ones minus 6."""
        import numpy as np

        twelve = self.uniform(12, *shape)
        total = np.zeros(shape)
        for one in twelve:
            total += one
        return total - 6.0

    def integers(self, high: int, *shape: int) -> np.ndarray:
        """Return whole numbers in [0, high)."""
        return (self.uniform(*shape) * high).astype("int64")


def _centres(draw: _Draw, count: int, features: int) -> np.ndarray:
    """Return corners of a cube with edge length 2 in the informative columns, distinct if there are enough."""
    import numpy as np

    columns = min(features, INFORMATIVE)
    corners = 2.0 * ((np.arange(2**columns)[:, None] >> np.arange(columns)) & 1) - 1.0
    chosen = corners[np.resize(shuffled(draw.raw(len(corners))), count)]
    return np.pad(chosen, ((0, 0), (0, features - columns)))


def imbalanced(
    draw: _Draw, examples: int, noise: float, features: int, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return points `[n, features]` and classes `[n]`; the rarer class is 1."""
    y = (shuffled(draw.raw(examples)) < round(share * examples)).astype("int64")
    side = 2.0 * draw.integers(2, examples) - 1.0
    x = noise * draw.normal(examples, features) + (y * side)[:, None] * _centres(draw, 1, features)
    return x, y


def blobs(
    draw: _Draw, examples: int, noise: float, features: int, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return points `[n, features]` and classes `[n]`, balanced up to one example."""
    y = shuffled(draw.raw(examples)) % classes
    return _centres(draw, classes, features)[y] + noise * draw.normal(examples, features), y


def regression(draw: _Draw, examples: int, noise: float, features: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points `[n, features]` in [0, 1) and Friedman's function of them with noise, `[n, 1]`."""
    import numpy as np

    x = draw.uniform(examples, features)
    a, b, c, d, e = x[:, :5].T
    y = 10 * np.sin(np.pi * a * b) + 20 * (c - 0.5) ** 2 + 10 * d + 5 * e + noise * draw.normal(examples)
    # The last bits of a float64 sine differ between machines; rounded to float32 they agree.
    return x, y[:, None].astype("float32")


def segmentation(draw: _Draw, examples: int, noise: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images `[n, size, size, 1]`, about 0 in the background and 0.5 to 1 in shapes, and masks `[n, size, size]`."""
    import numpy as np

    row, column = np.mgrid[:size, :size]
    count = 1 + draw.integers(3, examples)
    image, mask = np.zeros((examples, size, size)), np.zeros((examples, size, size), bool)
    for i in range(3):
        centre = (draw.uniform(2, examples) * size)[:, :, None, None]
        radius = (2 + draw.uniform(2, examples) * (size / 4 - 1))[:, :, None, None]
        away = np.abs(row - centre[0]) / radius[0], np.abs(column - centre[1]) / radius[1]
        disc = away[0] ** 2 + away[1] ** 2 <= 1
        rectangle = np.maximum(*away) <= 1
        round_one = draw.integers(2, examples)[:, None, None] == 1
        inside = np.where(round_one, disc, rectangle) & (i < count)[:, None, None]
        image = np.where(inside, 0.5 + 0.5 * draw.uniform(examples)[:, None, None], image)
        mask |= inside
    return (image + noise * draw.normal(examples, size, size))[..., None], mask.astype("int64")


def sequences(
    draw: _Draw, examples: int, noise: float, length: int, vocabulary: int, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return tokens `[n, length]` and classes `[n]`."""
    import numpy as np

    tokens = classes + 1 + draw.integers(vocabulary - classes - 1, examples, length)
    order = np.argsort(draw.raw(examples * length).reshape(examples, length), axis=1, kind="stable")
    places = order[:, :classes]
    # Marker k+1 is at places[:, k]; the token counts carry no information on the class.
    np.put_along_axis(tokens, places, np.arange(1, classes + 1)[None], axis=1)
    y = np.argmin(places, axis=1)
    return tokens, np.where(draw.uniform(examples) < noise, draw.integers(classes, examples), y)
