"""Who gets credentials, and which variables a config may read: the command line decides, not a file from elsewhere."""

from __future__ import annotations

import os

import pytest

from trainrun.errors import UserError
from trainrun.util import grants


@pytest.fixture(autouse=True)
def user(tmp_path, monkeypatch):
    """A user with credentials in the environment and in the home folder, who has allowed nothing yet."""
    for name in (grants.ADDRESSES, grants.NAMES, "MLFLOW_TRACKING_URI"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "tok-1")
    monkeypatch.setenv("PGPASSWORD", "pg-1")
    (tmp_path / ".mlflow").mkdir()
    (tmp_path / ".mlflow" / "credentials").write_text("[mlflow]\nmlflow_tracking_password = file-1\n")


def seen(uri):
    """Return what a library would find while it talks to an address."""
    with grants.credentials(uri):
        home = os.path.exists(os.path.expanduser("~/.mlflow/credentials"))
        return os.environ.get("MLFLOW_TRACKING_TOKEN"), os.environ.get("PGPASSWORD"), home


ALL, NONE = ("tok-1", "pg-1", True), (None, None, False)


def test_an_address_that_no_one_typed_gets_no_credentials():
    assert seen("http://stranger:5000") == NONE
    assert os.environ["MLFLOW_TRACKING_TOKEN"] == "tok-1" and "MLFLOW_TRACKING_TOKEN" in grants.withheld(
        "http://stranger:5000"
    )


@pytest.mark.parametrize(
    "word",
    [
        "tracking.uri=http://mine:5000",
        "tracking.mlflow={uri: 'http://me:pw@Mine:5000/x'}",
        "--uri=http://mine:5000",
    ],
)
def test_an_address_of_the_command_line_gets_them(word):
    with grants.of_command_line(["data=iris", word]):
        assert seen("http://mine:5000/api") == ALL
        assert seen("http://mine:5001") == seen("https://mine:5000") == NONE
    assert seen("http://mine:5000/api") == NONE


def test_the_address_of_the_environment_gets_them(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mine")
    assert seen("https://mine/x") == ALL and seen("https://mine.evil/x") == NONE


def test_a_ray_cluster_is_confirmed_by_host_and_port(monkeypatch):
    assert not grants.trusted(grants.of_ray("head:6379"))
    with grants.of_command_line(["hydra.launcher.address=head:6379", "name=other:63790x"]):
        assert grants.trusted(grants.of_ray("head:6379")) and not grants.trusted(grants.of_ray("head:10001"))
        assert not grants.trusted("http://head:6379") and not grants.trusted(grants.of_ray("other:63790"))
    monkeypatch.setenv("RAY_ADDRESS", "ray://Head:10001")
    assert grants.trusted(grants.of_ray("head:10001"))


def test_a_confirmed_address_is_remembered_for_the_user():
    with grants.of_command_line(["--trust", "https://mine", "data=iris"]) as words:
        assert words == (["data=iris"], ["https://mine"])
    assert seen("https://mine") == ALL
    assert grants.file().read_text() == "https://mine\n"


@pytest.mark.parametrize(
    "uri",
    [
        "http://evil\\@mine/", "http://evil:80/@mine", "http://mine@evil/", "http://mine.evil/", "http://mine:x@evil/", "postgresql://mine:5432/x@evil/db",
        "postgresql://mine/db?host=evil", "http://evil#@mine", "http://mi\nne",
    ],
)  # fmt: skip
def test_no_spelling_makes_one_address_of_another(uri):
    with grants.of_command_line(["tracking.uri=http://mine", "x=postgresql://mine/db", "y=http://mine:80"]):
        assert seen(uri) == NONE


@pytest.mark.parametrize("uri", ["sqlite:///a.db", "mlflow.db", "./runs", "file:///x"])
def test_nothing_is_withheld_from_files(uri):
    assert seen(uri) == ALL and grants.withheld(uri) is None


def test_what_is_withheld_can_be_withheld_to_the_end_of_the_process():
    before = dict(os.environ)
    try:
        with grants.credentials("http://stranger") as keep_withheld:
            keep_withheld()
        assert seen("http://stranger") == NONE == seen("mlflow.db")
    finally:
        os.environ.clear()
        os.environ.update(before)


def test_variables_are_readable_by_a_list_that_the_command_line_extends():
    assert grants.readable("HOME") and grants.readable("TRAINRUN_SITE") and not grants.readable("SITE")
    with grants.of_command_line(["--env", "SITE,LAB", "name=${oc.env:ROOM}"]) as (rest, _):
        assert rest == ["name=${oc.env:ROOM}"] and all(map(grants.readable, ("SITE", "LAB", "ROOM")))
    with grants.of_command_line(["--env=MY_TOKEN"]):
        assert not grants.readable("MY_TOKEN") and not grants.readable("TRAINRUN_PASSWORD")


@pytest.mark.parametrize(
    "argv", [["--trust"], ["--trust", "mine"], ["--env"], ["--env=", "a=b"], ["--env", "a-b"]]
)
def test_flags_without_a_value_are_errors(argv):
    with pytest.raises(UserError, match="expected"), grants.of_command_line(argv):
        pass
