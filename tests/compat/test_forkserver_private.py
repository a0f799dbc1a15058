"""multiprocessing's private names are where `trainrun.compat.forkserver_private` looks for them."""

from __future__ import annotations

import os
from multiprocessing import forkserver

from trainrun.compat import forkserver_private


def test_a_forked_process_closes_its_end_of_the_pipe_and_a_parent_does_not(monkeypatch):
    server = forkserver.ForkServer()
    assert server._forkserver_alive_fd is None and server._forkserver_pid is None
    monkeypatch.setattr(forkserver, "_forkserver", server)
    read, write = os.pipe()
    server._forkserver_alive_fd, server._forkserver_pid = write, 1  # as in a parent
    forkserver_private.let_go()
    os.write(write, b"open")
    server._forkserver_pid = None  # as in a forked process
    forkserver_private.let_go()
    assert server._forkserver_alive_fd is None and os.read(read, 9) == b"open" and os.read(read, 9) == b""
    os.close(read)
