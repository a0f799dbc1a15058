"""Wrong tables for data=csv: not there, empty, cut, ragged, of another encoding, without anything to learn."""

from __future__ import annotations

import os
from pathlib import Path

from badinput_harness import Case, case

GOOD = "a,b,y\n" + "".join(f"{i},{i * i % 7},{'xyz'[i % 3]}\n" for i in range(60))
# More than the preflight reads whole: only reading the data tells.
LARGE_ROWS = 250_000


def large(more: str = "", header: str = "a,b,y\n") -> str:
    return header + "".join(f"{i % 97},{i % 7},{i % 3}\n" for i in range(LARGE_ROWS)) + more


def table(id: str, text: str | bytes, *says: str, more: str = "", target: str = "y", **options) -> Case:
    """Return a case of `data=csv data.path=t.csv`."""
    line = f"data=csv data.path=t.csv data.target={target} tracking=none {more}".strip()
    return case(f"csv: {id}", line, *says, files={"t.csv": text}, **options)


def _many(rows: list[str]) -> str:
    return "a,b,y\n" + "\n".join(rows) + "\n"


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _sparse(path: Path) -> None:
    """A line of a gigabyte, of which the disk holds nothing."""
    with path.open("wb") as file:
        file.write(b"a,b,y\x01")
        file.truncate(2**30)


def _one_line(path: Path) -> None:
    path.write_bytes(b"a," * 20_000_000)


CASES: list[Case] = [
    case("csv: no path", "data=csv", "data.path", "expected the path of a file, got null", "data.path=my_data.csv"),
    case("csv: not there", "data=csv data.path=nowhere.csv data.target=y", "data.path", "there is no file nowhere.csv", "starts at the folder"),
    case("csv: misspelt", "data=csv data.path=hauses.csv data.target=y", "Did you mean houses.csv?", files={"houses.csv": GOOD}),
    case("csv: a folder without tables", "data=csv data.path=t data.target=y", "has no file with the ending .csv", files={"t/a.txt": GOOD}),
    case("csv: a pattern without files", "data=csv data.path=t/*.csv data.target=y", "no file matches t/*.csv", files={"t/a.txt": GOOD}),
    case("csv: files of other columns", "data=csv data.path=t data.target=y", "b.csv has other columns than", "lacks b and also has c", files={"t/a.csv": GOOD, "t/b.csv": GOOD.replace("a,b,y", "a,c,y", 1)}),
    case("csv: a fault in one of the files", "data=csv data.path=t data.target=y", "b.csv, line 62: 4 fields, expected 3", files={"t/a.csv": GOOD, "t/b.csv": GOOD + "1,2,3,4\n"}),
    case("csv: a device", "data=csv data.path=/dev/zero data.target=y", "device or a pipe"),
    case("csv: a pipe", "data=csv data.path=t.csv data.target=y", "device or a pipe", files={"t.csv": _pipe}),
    case("csv: a link to itself", "data=csv data.path=t.csv data.target=y", "data.path", "cannot be opened", files={"t.csv": lambda p: os.symlink("t.csv", p)}),
    case("csv: a link to nothing", "data=csv data.path=t.csv data.target=y", "there is no file", files={"t.csv": lambda p: os.symlink("nowhere", p)}),
    case("csv: below a file", "data=csv data.path=t.csv/x.csv data.target=y", "there is no file", files={"t.csv": GOOD}),
    case("csv: another user's home", "data=csv data.path='~nobody_at_all/x.csv' data.target=y", "there is no file"),
    case("csv: a server that is down", "data=csv data.path=http://127.0.0.1:1/x.csv data.target=y", "cannot be fetched", "127.0.0.1:1"),
    case("csv: an address in a received config", "experiment=theirs", "is named by a config", "--trust https://example.org", files={"conf/experiment/theirs.yaml": "# @package _global_\ndefaults:\n  - override /data: csv\ndata:\n  path: https://example.org/x.csv\n  target: y\n"}),
    case("csv: numbers in one file and text in another", "data=csv data.path=t data.target=y", "column b holds numbers in a.csv and texts in b.csv", files={"t/a.csv": GOOD, "t/b.csv": "a,b,y\n" + "1,u,x\n2,v,y\n" * 30}),
    table("empty", "", "data.path", "is empty"),
    table("one line end", "\n", "t.csv has no rows"),
    table("blanks only", "   \n \n", "data"),
    table("header only", "a,b,y\n", "has a header and no rows"),
    table("header only, without a line end", "a,b,y", "has a header and no rows"),
    table("one row", "a,b,y\n1,2,x\n", "data"),
    table("two rows", "a,b,y\n1,2,x\n2,3,z\n", "data"),
    table("one column", "y\n" + "1\n2\n" * 20, "no columns are left to predict from"),
    table("header of the same name twice", GOOD.replace("a,b,y", "a,a,y", 1), "columns of the same name: 'a'"),
    table("header of empty names", GOOD.replace("a,b,y", ",,y", 1), "columns without a name: 1, 2 of 3"),
    table("a column of Cyrillic letters", GOOD.replace("a,b,y", "\u0430,b,y", 1), "has no column 'a'", "look the same, but one has U+0430", more="data.features=[a]"),
    table("two columns that look the same", GOOD.replace("a,b,y", "a,\u0430,y", 1), "columns 'a' and", "look the same, but one has U+0430"),
    table("two classes that look the same", GOOD.replace("x", "\u0445", 8), "look the same, but one has U+0445", "Make them one"),
    table("a class with an invisible character", GOOD.replace("x", "x\u200b", 8), "look the same, but one has U+200B"),
    table("a class in the test set only", "a,b,y,p\n" + "".join(f"{i},{i % 7},{'xz'[i % 2]},train\n" for i in range(60)) + "1,2,v,test\n3,3,x,test\n", "1 of 2 test rows are of classes that no training row has", "'v' (1)", more="data.part=p"),
    table("no such target", GOOD, "has no column 'z'", "It has a, b, y", target="z"),
    table("misspelt target", GOOD.replace("a,b,y", "a,b,price", 1), "Did you mean price?", target="prise"),
    table("target null", GOOD, "data.target", "got null", target="null"),
    table("target among the features", GOOD, "is among the features", more="data.features=[a,y]"),
    table("no such feature", GOOD, "data.features", "has no column 'c'", more="data.features=[a,c]"),
    table("features that are a word", GOOD, "data.features", "Write [a]", more="data.features=a"),
    table("no features", GOOD, "no columns are left", more="data.features=[]"),
    table("no such category", GOOD, "data.categorical", "has no column 'c'", more="data.categorical=[c]"),
    table("no such weight", GOOD, "data.weight", "has no column 'w'", more="data.weight=w"),
    table("weight is the target", GOOD, "data.weight", "is the target", more="data.weight=y"),
    table("weight that is text", GOOD.replace("a,b,y", "w,b,y", 1).replace("5,4,z", "heavy,4,z", 1), "'heavy' is not a number", more="data.weight=w"),
    table("negative weights", _many([f"{-1 - i % 3},{i},{i % 2}" for i in range(60)]), "data.weight", "at least 0", more="data.weight=a"),
    table("a policy that is none", GOOD, "data.missing", "Did you mean drop?", more="data.missing=dropp"),
    table("a task that is none", GOOD, "data.task", "Did you mean regression?", more="data.task=regresion"),
    table("a decimal separator that is none", GOOD, "data.decimal", "expected one of comma, point, got 'x'", more="data.decimal=x"),
    table("thousands like the decimals", GOOD, "data.thousands", "is the decimal separator", more="data.thousands=point"),
    table("a thousands separator that separates fields", GOOD, "data.thousands", "separates the fields", more="data.thousands=comma data.delimiter=comma"),
    table("decimal points among decimal commas", _many([f'"{i},5",{i},{i % 2}' for i in range(30)] + ["1.5,2,1"]), "line 32: column a: '1.5' is not a number written as 1234,5", more="data.decimal=comma"),
    table("a header in line 0", GOOD, "data.header", "from 1 on", more="data.header=0"),
    table("a header beyond the end", GOOD, "data.header", "has no line 100 with names", more="data.header=100"),
    table("names for other columns", GOOD, "data.names", "2 names for the 3 columns", more="data.names=[a,b]"),
    table("the same name twice", GOOD, "columns of the same name: 'a'", more="data.names=[a,a,y]"),
    table("lines above the header", f"# made, by me\n\n{GOOD}", "the first line has no column 'y'", "Line 3 has: data.header=3"),
    table("no header", GOOD.split("\n", 1)[1], "data.header=false, and data.names", target="y"),
    table("no header, and a target of the first row", "5.1,3.5,1.4,0.2,setosa\n4.9,3.0,1.4,0.3,virginica\n" * 30, "the first line seems to be a row, not the columns' names: 5.1, 3.5, 1.4, 0.2, setosa.", "data.header=false", target="setosa"),
    table("no header, and numbers that are repeated in the first row", "0,0,1\n4,3,0\n" * 30, "the first line seems to be a row", "data.header=1"),
    table("dates alone in a notation that is not read", "d,y\n" + "".join(f"Jan-{i % 28}-{1990 + i // 28},{i % 2}\n" for i in range(60)), "To learn from dates, write them as 2013-02-01: d."),
    table("lines of JSON", '{"a": 1, "y": "x"}\n' * 60, "t.csv is no table", "pandas.read_json"),
    table("a list in JSON", '[\n {"a": 1, "y": "x"}]\n', "is no table. It is JSON"),
    table("a delimiter of two letters", GOOD, "data.delimiter", "expected one character", more="data.delimiter=';;'"),
    table("another delimiter", GOOD.replace(",", ";"), "data.delimiter", 'data.delimiter=";"', more='data.delimiter=","'),
    table("tabs", GOOD.replace(",", "\t"), "data.delimiter=tab", more='data.delimiter=","'),
    table("an encoding that is none", GOOD, "data.encoding", "utf-8, cp1252", more="data.encoding=utf-7000"),
    table("excluded target", GOOD, "data.exclude", "is the target", more="data.exclude=[y]"),
    table("no such column to exclude", GOOD, "data.exclude", "has no column 'c'", more="data.exclude=[c]"),
    table("ragged: a field too few", GOOD + "1,2\n", "line 62: 2 fields, expected 3"),
    table("ragged: a field too many", GOOD + "1,2,3,4\n", "line 62: 4 fields, expected 3"),
    table("ragged: every row", "a,b,y\n" + "1,2\n" * 60, "3 names, and each row 2 fields"),
    table("cut in the middle of a row", GOOD[:-4], "fields, expected 3"),
    table("cut in a quote", GOOD + '1,"2,x\n' + GOOD, "data"),
    table("a field of 200,000 letters", GOOD + f"1,2,{'x' * 200_000}\n", "data.target", "too few of xxxx", "… (1)"),
    table("a header of two million letters", "a" * 2_000_000 + ",y\n1,2\n", "first line has more than"),
    table("a line of forty million letters", _one_line, "first line has more than"),
    table("a line of a gigabyte", _sparse, "is no text file"),
    table("binary", bytes(range(256)) * 40, "is no text file", "data=npz"),
    table("an image", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "is no text file"),
    table("a zip file", b"PK\x03\x04" + bytes(200), "is no text file"),
    table("gzip", b"\x1f\x8b\x08\x00" + bytes(200), "cannot be unpacked"),
    table("Latin-1", GOOD.replace("x", "é").encode("latin-1"), "data.path", "UTF-8"),
    table("Latin-1 in the header", GOOD.replace("b", "é", 1).encode("latin-1"), "UTF-8"),
    table("UTF-16 cut in a letter", GOOD.encode("utf-16")[:-3], "data.path"),
    table("UTF-16 without a mark", GOOD.encode("utf-16-le"), "data.encoding=utf-16-le"),
    table("a byte of UTF-8 too few", GOOD.encode() + "1,2,é".encode()[:-1] + b"\n", "data.path"),
    table("HTML", "<!DOCTYPE html>\n<html><body>Not found</body></html>\n", "is no table. It is a page"),
    table("JSON", '[{"a": 1, "y": 2}]\n', "data"),
    table("a pointer of Git LFS", "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 1\n", "git lfs pull"),
    table("numbers and a word", GOOD + "many,2,x\n", "line 62: column a: 'many' is not a number"),
    table("numbers and eleven words", GOOD + "many,2,x\n" * 11, "not a number in 11 of 71 rows: "),
    table("infinity", GOOD + "inf,2,x\n", "'inf' is not a number"),
    table("a number too large", GOOD + "1e999,2,x\n", "is not a number"),
    table("a number with underscores", GOOD + "1_000,2,x\n", "'1_000' is not a number"),
    table("decimal commas and a word", _many([f'"{i},5",{i},{i % 2}' for i in range(30)] + [f"{i},{i},1" for i in range(60)] + ["many,2,1"]), "not a number"),
    table("a missing feature", GOOD + ",2,x\n", "column a: 1 missing values, the first in line 62", "data.missing", more="data.missing=error"),
    table("a missing target", GOOD + "1,2,\n", "column y: 1 missing values", "data.missing=drop", more="data.missing=error"),
    table("a target of NaN", _many([f"{i},{i},nan" for i in range(30)]), "no row has a value"),
    table("a NaN label", _many([f"{i},{i},{i % 2}" for i in range(30)] + ["1,1,nan"]), "column y: 1 missing values", more="data.missing=error"),
    table("an empty column", _many([f"{i},,{i % 2}" for i in range(30)]), "column b: no row has a value", more="data.missing=error"),
    table("every row misses something", _many([f"{i},,{i % 2}" if i % 2 else f",{i},{i % 2}" for i in range(30)]), "every row misses something", more="data.missing=drop"),
    table("one class", _many([f"{i},{i},x" for i in range(30)]), "one value only, 'x'", "nothing to tell apart"),
    table("one class of numbers", _many([f"{i},{i},1" for i in range(30)]), "one value only"),
    table("a class of one example", _many([f"{i},{i},{'x' if i else 'z'}" for i in range(30)]), "data."),
    table("a regression on text", GOOD, "not a number in", more="data.task=regression"),
    table("a classification loss on numbers", _many([f"{i},{i},{i * 0.5}" for i in range(60)]), "loss=focal needs", more="loss=focal"),
    table("class ids in the weights that are none", GOOD, "expected class ids (0 to 2)", more="trainer.class_weight={3: 1.0}"),
    table("a batch larger than the file", GOOD, "at most the number of training examples, 36", more="trainer.batch_size=100"),
    table("shares that leave nothing", "a,b,y\n1,2,x\n2,3,z\n3,4,x\n", "data", more="data.validation=0.45 data.test=0.45"),
    table("an image model", GOOD, "takes image input", more="model=cnn"),
    table("escape sequences in a header", "a\x1b[2J,b,y\n1,2,3\n2,3,4\n", "\\x1b", target="z"),
    table("direction marks in a header", "a\u202e,b,y\n1,2,3\n2,3,4\n", "\\u202e", target="z"),
    table("escape sequences in a value", GOOD + "\x1b[2J,2,x\n", "\\x1b"),
    table("large: a word among the numbers", lambda p: p.write_text(large("many,1,1\n")), f"line {LARGE_ROWS + 2}: column a: 'many' is not a number"),
    table("large: ragged", lambda p: p.write_text(large("1,1\n")), f"line {LARGE_ROWS + 2}: 2 fields, expected 3"),
    table("large: a missing value", lambda p: p.write_text(large(",1,1\n")), "1 missing values", f"line {LARGE_ROWS + 2}", more="data.missing=error"),
    table("large: bytes that are no text", lambda p: p.write_bytes(large().encode() + b"\xff\xfe,1,1\n"), "data.path"),
    table("large: one class", lambda p: p.write_text("a,b,y\n" + "1,2,3\n" * 400_000), "one value only"),
    table("large: a NUL", lambda p: p.write_bytes(large().encode() + b"1,\0,1\n"), "data.path"),
    table("large: a loss for another task", lambda p: p.write_text(large()), "loss=huber needs", more="loss=huber"),
]  # fmt: skip
