"""A self-contained page: sections of facts, tables and charts, with one script of our own and none from elsewhere."""

from __future__ import annotations

import base64
import functools
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.artifacts.svg_chart import Panel
from trainrun.util import paths

if TYPE_CHECKING:
    import numpy as np

FOLDER = Path(__file__).parent
# Pixels of the longer side of a picture.
SIDE = 96


@dataclass
class Picture:
    """A small picture in a table's cell.

    Args:
        png: the bytes of the file.
        text: what it shows.
    """

    png: bytes
    text: str

    @property
    def data(self) -> str:
        """The file in base64."""
        return base64.b64encode(self.png).decode()


def png(image: np.ndarray) -> bytes:
    """Return an image, brightened to its own range, as a small PNG file."""
    import numpy as np
    from PIL import Image

    low, high = np.nanmin(image), np.nanmax(image)
    pixels = np.round(255 * (np.asarray(image, np.float64) - low) / ((high - low) or 1.0)).astype("uint8")
    if pixels.ndim == 3 and pixels.shape[-1] not in (3, 4):
        pixels = pixels[..., 0]
    picture, file = Image.fromarray(pixels), io.BytesIO()
    scale = SIDE / max(picture.size)
    size = [max(1, round(side * scale)) for side in picture.size]
    method = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    picture.resize(size, method).save(file, "PNG")
    return file.getvalue()


@dataclass
class Table:
    """A table.

    Args:
        columns: the headings.
        rows: the cells: texts, or pictures.
        marked: numbers of the rows that stand out.
        texts: numbers of the columns that hold texts and may be folded.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str | Picture]]
    marked: Sequence[int] = ()
    texts: Sequence[int] = ()


@dataclass
class Section:
    """A section of the page; what is empty is left out.

    Args:
        name: its id.
        title: its heading.
        lines: paragraphs.
        command: a command line.
        facts: label, value, and what it is to be compared with.
        tables, panels: in their order.
        pictures: `caption` and `data`, base64 of a PNG.
        details: label and value.
        note: in small letters.
    """

    name: str
    title: str
    lines: Sequence[str] = ()
    command: str = ""
    facts: Sequence[tuple[str, str, str]] = ()
    tables: Sequence[Table] = ()
    panels: Sequence[Panel] = ()
    pictures: Sequence[dict[str, str]] = ()
    details: Sequence[tuple[str, str]] = ()
    note: str = ""

    @property
    def empty(self) -> bool:
        """Whether it has nothing to show."""
        return not any(
            (self.lines, self.command, self.facts, self.tables, self.panels, self.pictures, self.details)
        )


def write(
    path: Path,
    title: str,
    status: str,
    head: Sequence[tuple[str, str, str]],
    sections: Sequence[Section],
    texts: Sequence[tuple[str, str]] = (),
) -> Path:
    """Write the page, whole or not at all; every text is escaped.

    Args:
        path: of the file.
        title: heading.
        status: of the run or sweep; nothing: it has none.
        head: facts below the heading.
        sections: empty ones are left out.
        texts: long texts that are unfolded on wish, with their headings.
    """
    template, style, script = _parts()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = template.render(
        title=title,
        status=status,
        head=head,
        sections=[s for s in sections if not s.empty],
        texts=[(name, text) for name, text in texts if text],
        style=style,
        script=script,
        # Whatever data or config should manage to put on the page, the browser runs nothing but our script.
        script_digest=f"sha256-{digest}",
    )
    with paths.whole(path) as new:
        new.write_text(page, encoding="utf-8", errors="replace")
    return path


@functools.cache
def _parts() -> tuple[Any, str, str]:
    from jinja2 import Environment, StrictUndefined

    engine = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    texts = [(FOLDER / f"page.{end}").read_text(encoding="utf-8") for end in ("html.jinja", "css", "js")]
    return engine.from_string(texts[0]), texts[1], texts[2]
