"""Tables at addresses of fsspec, by its file system in memory and a web server of this process."""

from __future__ import annotations

import functools
import http.server
import io
import os
import threading
import zipfile

import fsspec
import pandas
import pytest

from trainrun.data import _remote_files
from trainrun.errors import UserError
from trainrun.registry.construct import construct
from trainrun.util import grants

TABLE = "a,b,y\n" + "".join(f"{i},{i % 7},{i % 2}\n" for i in range(60))


@pytest.fixture
def confirmed(monkeypatch, tmp_path):
    """Confirm addresses as a command line does that names them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    def confirm(address):
        monkeypatch.setenv(
            grants.ADDRESSES, f"{os.environ.get(grants.ADDRESSES, '')} {grants.origin(address)}"
        )
        return address

    return confirm


def rows(address, kind="csv"):
    data = construct("data", {"name": kind, "path": address, "target": "y", "task": "classification"})
    return sum(len(part) for part in (data.train, data.validation, data.test))


def test_files_of_an_address_are_read_as_one_table_and_a_new_version_is_copied(confirmed):
    system = fsspec.filesystem("memory")
    for name in ("1", "2"):
        system.pipe(f"/parts/{name}.csv", TABLE.encode())
    system.pipe("/parts/readme.txt", b"no table")
    assert rows(confirmed("memory://parts")) == 120
    assert rows(confirmed("memory://parts/*.csv")) == 120
    system.pipe("/parts/2.csv", TABLE.encode() + b"1,2,1\n")
    assert rows("memory://parts/*.csv") == 121
    for name, frame in (("1", table := pandas.read_csv(io.StringIO(TABLE))), ("2", table)):
        with system.open(f"/columns/{name}.parquet", "wb") as file:
            frame.to_parquet(file)
    for address in ("memory://columns", "memory://columns/*.parquet"):
        assert rows(confirmed(address), "parquet") == 120
        data = construct("data", {"name": "parquet", "path": address, "target": "y"})
        assert data.name == "columns"  # not that of the copies' folder
    with pytest.raises(UserError, match="npz is an address; such files"):
        construct("data", {"name": "npz", "path": confirmed("memory://columns/a.npz")})
    system.pipe("/columns/2.parquet", b"PAR1")
    with pytest.raises(UserError, match=r"2\.parquet"):
        rows("memory://columns", "parquet")


def test_columns_in_the_names_of_remote_folders_are_read(confirmed, tmp_path):
    system = fsspec.filesystem("memory")
    table = pandas.read_csv(io.StringIO(TABLE)).assign(city=[("x y", "z")[i // 30] for i in range(60)])
    for city, part in table.groupby("city"):
        folder = f"/hive/city={city.replace(' ', '%20')}"
        system.pipe(f"{folder}/0.csv", part.drop(columns="city").to_csv(index=False).encode())
        system.pipe(f"{folder}/_SUCCESS.csv", b"")
        with system.open(f"{folder}/0.parquet", "wb") as file:
            part.drop(columns="city").reset_index(drop=True).to_parquet(file)
    table.to_csv(tmp_path / "whole.csv", index=False)
    table.to_parquet(tmp_path / "whole.parquet", index=False)
    for kind in ("csv", "parquet"):
        for below in ("", f"/*/0.{kind}", f"/**/0.{kind}"):
            told, whole = (
                construct("data", {"name": kind, "path": path, "target": "y"})
                for path in (confirmed(f"memory://hive{below}"), str(tmp_path / f"whole.{kind}"))
            )
            assert told.digest() == whole.digest()
            assert [*told.preprocessing["columns"]["categorical"]] == ["city"]


def test_a_web_file_is_fetched_once_and_its_faults_are_named(confirmed, tmp_path, capsys):
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "t.csv").write_text(TABLE)
    requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words):
            requests.append(self.command)

    handler = functools.partial(Handler, directory=str(tmp_path / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = confirmed(f"http://127.0.0.1:{server.server_port}/t.csv")
        assert (rows(address), rows(address)) == (60, 60)
        assert requests.count("GET") == 1
        assert _remote_files.find(address.replace("t.csv", "u.csv"), ())[1][0][1].startswith(
            "there is no file"
        )
        (tmp_path / "web" / "parts").mkdir()
        for name in "12":
            (tmp_path / "web" / "parts" / f"{name}.csv").write_text(TABLE)
        folder = address.replace("t.csv", "parts")
        ((_, fault),) = _remote_files.find(folder, (".csv",))[1]
        assert (
            fault
            == f"{folder} is a web page (HTML), not a table. For all files of a folder: '{folder}/*.csv'."
        )
        assert rows(f"{folder}/*.csv") == 120
        (tmp_path / "web" / "hive" / "a%2F..=%2F..%2F1").mkdir(parents=True)
        (tmp_path / "web" / "hive" / "a%2F..=%2F..%2F1" / "1.csv").write_text(TABLE.replace("a,", "c,"))
        copies, _ = _remote_files.find(address.replace("t.csv", "hive/*/*.csv"), (".csv",))
        assert copies[0].parent.name == "a%2F..=%2F..%2F1" and copies[0].parents[2] == _remote_files.FOLDER
        server.shutdown()
    assert "cannot be fetched: Cannot connect" in _remote_files.find(address, ())[1][0][1]
    assert list((tmp_path / _remote_files.FOLDER).rglob(".*")) == []


def test_a_file_of_an_archive_is_copied_once(confirmed, tmp_path, capsys):
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("t.csv", TABLE)
    address = confirmed(f"zip://t.csv::{tmp_path / 't.zip'}")
    assert (rows(address), rows(address)) == (60, 60)
    assert capsys.readouterr().out.count("fetching") == 1


@pytest.mark.parametrize("address", ["https://example.org/t.csv", "s3://bucket/t.csv", "zip://t.csv::https://example.org/t.zip"])  # fmt: skip
def test_an_address_that_only_a_config_names_is_not_contacted(confirmed, address):
    (fault,) = _remote_files.find(address, ())[1]
    assert "is not contacted" in fault[1] and "--trust" in fault[1]


def test_missing_libraries_are_named(confirmed, monkeypatch):
    assert "Install s3fs" in _remote_files.find(confirmed("s3://bucket/t.csv"), ())[1][0][1]
    monkeypatch.setattr(_remote_files.importlib.util, "find_spec", lambda name: None)
    assert "pip install 'trainrun[remote]'" in _remote_files.find("s3://bucket/t.csv", ())[1][0][1]
