"""A trial hears from its sweep after each epoch whether it is to stop."""

from __future__ import annotations

import pytest

from trainrun.run import prune_request
from trainrun.run.progress_channel import Report
from trainrun.util.interrupt import Pruned, StopRequest


class Model:
    stop_training = False


@pytest.fixture
def report(tmp_path):
    def of(answer):
        heard, stop = [], StopRequest()

        def listener(epoch, metrics, last):
            heard.append((epoch, metrics, last))
            return answer

        callback = Report(listener, stop, tmp_path)
        callback.set_model(Model())
        callback.set_params({"epochs": 3})
        return callback, heard, stop

    return of


def test_each_epoch_is_reported_as_plain_numbers(report):
    callback, heard, stop = report(None)
    callback.on_epoch_end(0, {"loss": 0.5})
    assert heard == [(1, {"loss": 0.5}, False)] and stop.pending is None


def test_a_reason_has_the_run_stop_as_pruned(report):
    callback, _, stop = report("too slow")
    callback.on_epoch_end(1, {})
    assert isinstance(stop.pending, Pruned) and str(stop.pending) == "too slow"


def test_the_last_epoch_is_reported_and_not_pruned_at(report):
    callback, heard, stop = report("too slow")
    callback.on_epoch_end(2, {})
    assert heard == [(3, {}, True)] and stop.pending is None


def test_a_user_s_request_prunes_once_after_the_epoch(report, tmp_path):
    prune_request.write(tmp_path)
    callback, _, stop = report(None)  # a request to an earlier attempt is none to this one
    callback.on_epoch_end(0, {})
    assert stop.pending is None
    prune_request.write(tmp_path)
    callback.on_epoch_end(1, {})
    assert isinstance(stop.pending, Pruned) and "by the user" in str(stop.pending)
    assert not prune_request.take(tmp_path)
