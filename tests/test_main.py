"""The end of the process of a command: at once after TensorFlow, but not where something of the user's may be open."""

from __future__ import annotations

import sys
import threading

import pytest

from trainrun import __main__ as main
from trainrun.registry import lookup


@pytest.fixture
def left(monkeypatch):
    """What was done at the end, in order; threads that other tests have left do not count."""
    done, before, every = [], set(threading.enumerate()) - {threading.main_thread()}, threading.enumerate
    monkeypatch.setattr(main.threading, "enumerate", lambda: [t for t in every() if t not in before])
    monkeypatch.setattr(main.atexit, "_run_exitfuncs", lambda: done.append("atexit"))
    monkeypatch.setattr(main.os, "_exit", done.append)
    monkeypatch.setattr(lookup, "announced", list)
    return done


def test_leaves_after_what_atexit_has(left):
    main.leave(3)
    assert left == ["atexit", 3]


def test_python_ends_by_itself_after_plugins_and_under_a_profiler(left, monkeypatch):
    monkeypatch.setattr(lookup, "announced", lambda: ["mine"])
    main.leave(0)
    monkeypatch.setattr(lookup, "announced", list)
    monkeypatch.setattr(sys, "getprofile", lambda: print)
    main.leave(0)
    assert left == []


def test_threads_are_waited_for(left):
    go = threading.Event()
    thread = threading.Thread(target=go.wait)
    thread.start()
    main.leave(0)
    go.set()
    thread.join()
    assert left == []
