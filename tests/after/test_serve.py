"""`trainrun serve`: MLflow's scoring server answers raw rows with what `trainrun predict` gives, until it is interrupted."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request

import numpy as np
import pandas as pd

import trainrun
from trainrun.cli import main


def test_rows_of_a_csv_file_get_the_predictions_of_predict(within):
    server = subprocess.Popen(
        [sys.executable, "-m", "trainrun", "serve", "buyers", "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        content = json.loads(server.stdout.readline())
        frame = pd.read_csv("new.csv")
        body = frame[["age", "city"]].to_csv(index=False).replace("\n,", "\n?,", 3).encode()
        request = urllib.request.Request(
            f"{content['address']}/invocations", body, {"Content-Type": "text/csv"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            served = pd.DataFrame(json.load(answer)["predictions"])
        expected = trainrun.load("buyers").predict(frame)
        assert list(served["prediction"]) == list(expected["prediction"])
        np.testing.assert_allclose(served["probability_yes"], expected["probability_yes"], atol=1e-6)
        shown = subprocess.run(content["example"], shell=True, capture_output=True, text=True, check=True)
        assert set(json.loads(shown.stdout)["predictions"][0]) == set(expected.columns)
    finally:
        server.send_signal(signal.SIGINT)
        _, printed = server.communicate(timeout=60)
    assert server.returncode in (0, 130) and "Traceback" not in printed


def test_a_port_in_use_is_one_message(within, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["serve", "buyers", "--port", str(taken.getsockname()[1])]) == 2
    assert "cannot be used" in capsys.readouterr().err
    assert main(["serve", "buyers", "--port", "70000"]) == 2
