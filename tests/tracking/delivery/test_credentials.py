"""Credentials and a server that a received run names: they go there when the user says so."""

from __future__ import annotations

import http.server
import platform
import threading

import pytest

from trainrun.cli import main
from trainrun.tracking.journal import Journal
from trainrun.util import grants


@pytest.fixture
def server():
    """A server that keeps the headers of its requests, and knows nothing."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.seen.append(self.headers.get("Authorization"))
            self.send_error(401)

        do_POST = do_GET

        def log_message(self, *words):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.seen = []
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()


def test_a_received_run_gets_no_token_until_its_address_is_confirmed(server, inside, monkeypatch, capsys):
    uri = f"http://127.0.0.1:{server.server_port}"
    run_dir = inside / "outputs" / "runs" / "received"
    run_dir.mkdir(parents=True)
    book = Journal(run_dir / "journal.jsonl")
    book.write("start", run_id="received", host=platform.node(), pid=2**22 + 1, config={}, params={},
               tracking=[{"tracker": "mlflow", "uri": uri, "experiment": "e", "settings": {}}])  # fmt: skip
    book.write("end", status="FINISHED")
    book.close()
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "tok-s3cret")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(inside / "config"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    netrc = inside / ".netrc"
    netrc.write_text("default login me password s3cret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(inside))
    sync = ["sync", "received", "--timeout", "0"]
    assert main(sync) == 1
    assert server.seen and set(server.seen) == {None}
    assert f"trainrun --trust {uri}" in capsys.readouterr().err
    server.seen.clear()
    assert main([*sync, "--uri", uri]) == 1  # typed
    assert server.seen and None not in server.seen
    assert main(["--trust", uri]) == 0
    server.seen.clear()
    assert main(sync) == 1
    assert server.seen and None not in server.seen
    assert "--trust" not in capsys.readouterr().err
    assert grants.file().read_text() == f"{uri}\n"
