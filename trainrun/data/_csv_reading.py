"""How pyarrow reads a CSV file: the sizes of its blocks, and whether fields may hold line ends."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from trainrun.data._bounded_stream import Unexpected
from trainrun.data._csv_file import CsvFile
from trainrun.data._encoding import UTF_8
from trainrun.util import threads

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import csv

# Bytes of a block that pyarrow reads, and of one if a file's table is not held in memory: its reader is up to 32 blocks ahead. Some
# files need to be read in one block, of at most 1 GiB.
BLOCK, SMALL_BLOCK, ONE_BLOCK = 2**20, 2**18, 2**30
# Bytes that a processor parses, at least so many for each column; `pyarrow.csv.open_csv` has one for all blocks.
PIECE, OF_COLUMN = 2**20, 2**10


class Way(NamedTuple):
    """How a file is read.

    Args:
        block_size: bytes that are parsed at once.
        quoted_lines: whether fields may hold line ends, which is slower.
        unexpected: what the file must not hold to be read so; None: it may hold anything.
    """

    block_size: int
    quoted_lines: bool
    unexpected: bytes | None = None


# At a block's end pyarrow loses the line feed of a CRLF within quotes (arrow #51368).
ANY_ROWS = Way(ONE_BLOCK, True)


def ways(file: CsvFile) -> list[Way]:
    """Return how a file may be read, the fastest first; each but the last one may raise `Unexpected`."""
    if file.encoding != UTF_8:
        return [ANY_ROWS]
    # What it holds is known when it is read.
    return [Way(BLOCK, False, b'"'), Way(BLOCK, True, b"\r"), ANY_ROWS]


def options(
    file: CsvFile,
    columns: Sequence[str],
    numbers: Collection[str],
    way: Way,
    wrong: list[Any],
) -> dict[str, Any]:
    """Return what pyarrow's readers take for a file; the first row with a wrong number of fields is added to `wrong`, such rows are skipped."""
    import pyarrow as pa
    from pyarrow import csv

    def skip(row: csv.InvalidRow) -> str:
        if not wrong:
            wrong.append(row)
        return "skip"

    return {
        "read_options": csv.ReadOptions(
            column_names=file.header,
            skip_rows=file.header_lines,
            encoding="utf8" if file.encoding == UTF_8 else file.encoding,
            block_size=way.block_size,
        ),
        "parse_options": csv.ParseOptions(
            delimiter=file.delimiter,
            # Without quoted lines there are no quotation marks either.
            quote_char='"' if way.quoted_lines else False,
            newlines_in_values=way.quoted_lines,
            invalid_row_handler=skip,
        ),
        "convert_options": csv.ConvertOptions(
            column_types={**dict.fromkeys(columns, pa.string()), **dict.fromkeys(numbers, pa.float64())},
            null_values=[""],
            decimal_point=file.decimal,
            include_columns=columns,
            strings_can_be_null=False,
        ),
        # Arrow's own allocator keeps what each thread has freed: of 200,000 short texts 22 MB.
        "memory_pool": pa.system_memory_pool(),
    }


def pieces(
    file: CsvFile, options: Mapping[str, Any], unexpected: bytes | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a file that is neither compressed nor has line ends in its fields, some at a time.

    Args:
        file: in UTF-8.
        options: of pyarrow, as `options` returns them.
        unexpected: see `Way`.

    Raises:
        Unexpected: the file holds it.
    """
    import pyarrow as pa
    from pyarrow import csv

    reading = options["read_options"]
    reading.use_threads = False  # several pieces are parsed at once, each by one thread, as a whole
    reading.block_size = ONE_BLOCK

    def rows(text: memoryview) -> list[pa.RecordBatch]:
        if unexpected is not None and unexpected in text.obj:
            raise Unexpected
        return csv.read_csv(pa.BufferReader(text), **options).to_batches()

    texts = _whole_lines(file)
    yield from rows(next(texts, memoryview(b"")))  # with the lines to be skipped
    reading.skip_rows = 0
    for batches in threads.ahead(rows, texts):
        yield from batches


def _whole_lines(file: CsvFile) -> Iterator[memoryview]:
    """Yield the text of a file, about `PIECE` bytes at a time, each up to the end of a line."""
    piece = max(PIECE, OF_COLUMN * len(file.header))
    start, size = 0, piece
    with file.path.open("rb", buffering=0) as stream:
        while block := stream.read(size):
            end = block.rfind(b"\n") + 1
            if not end and len(block) == size:  # a longer line
                size *= 2
            else:
                end = end or len(block)
                yield memoryview(block)[:end]
                start, size = start + end, piece
            stream.seek(start)  # To read the begun line again is cheaper than to put its halves together.
