"""Read a CSV file line by line with the standard library, to find the line of a fault: slow, used for messages only."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence

from trainrun.data import _encoding, _open_quote
from trainrun.data._csv_file import CsvFile, fields_of_any_length
from trainrun.data._faults import Fault
from trainrun.data._header_names import override
from trainrun.data._table_problems import NAMED, capped


def faults(file: CsvFile) -> list[Fault]:
    """Return a fault for a quotation mark left open, each row with a wrong number of fields, and the line after which the file is unreadable."""
    ragged: list[Fault] = []
    count, line, broken, widths = 0, file.header_lines, [], set()
    try:
        if quote := _open_quote.find(file):
            broken.append((file.argument, quote.message))
        for line, row in _rows(file):
            widths.add((len(row), row[-1] == ""))
            of_quote = quote is not None and quote.first <= line <= quote.last
            if len(row) != len(file.header) and not of_quote:
                count += 1
                if count <= NAMED:
                    ragged.append(
                        (file.argument, f"line {line}: {len(row)} fields, expected {len(file.header)}.")
                    )
    except UnicodeError as error:
        broken.append(
            (file.argument, f"after line {line}: {_encoding.fault(file.path, file.encoding, error)}")
        )
    except (csv.Error, OSError, EOFError) as error:
        broken.append((file.argument, f"{file.path}, after line {line}: {error}."))
    if count > 1 and len({width for width, _ in widths}) == 1:
        ragged, count = [(file.argument, _other_width(file, widths))], 0
    return [*broken, *capped(ragged, count, "rows with a wrong number of fields")]


def _other_width(file: CsvFile, widths: set[tuple[int, bool]]) -> str:
    """Return the message for a file all rows of which have more or fewer fields than the header.

    Args:
        file: the file.
        widths: the number of fields of each row, and whether the last one is empty.
    """
    header, ((width, _), *_) = list(file.header), widths
    message = f"{file.path.name}: the header has {len(header)} names, and each row {width} fields."
    if width < len(header):
        return f"{message} Mend the header or the rows."
    if width != len(header) + 1:
        return f"{message} If another line has the names: data.header=2."
    # R's write.table leaves the name of the first column out.
    at_end = all(is_empty for _, is_empty in widths)
    names = [*header, "empty"] if at_end else ["row", *header]
    what = "ends with a delimiter" if at_end else "begins with a name or number of its own"
    return f"{message} If each row {what}: {override('names', names)} data.header={file.header_lines}."


def lines(file: CsvFile, rows: Sequence[int]) -> dict[int, int]:
    """Return the number of the line in which each of the given rows ends.

    Args:
        file: the file.
        rows: their numbers, ascending from 0, among those with the right number of fields.
    """
    wanted_rows, line_of_row = set(rows), {}
    complete = (line for line, row in _rows(file) if len(row) == len(file.header))
    for number, line in enumerate(complete):
        if number in wanted_rows:
            line_of_row[number] = line
            if len(line_of_row) == len(wanted_rows):
                break
    return line_of_row


def _rows(file: CsvFile) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and fields of each row after the header, skipping blank lines."""
    with file.open_text() as stream, fields_of_any_length():
        yield from file.rows(stream, file.header_lines)
