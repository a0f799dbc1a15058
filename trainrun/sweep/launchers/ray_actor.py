"""The channel between a sweep and its workers on a Ray cluster: an actor on the head node that holds the messages.

Sending returns when the sweep has handled the message, so messages neither accumulate nor get lost at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from typing import Any

from trainrun.sweep.launchers.protocol import Message, Stop

MESSAGE_TIMEOUT_S = 120.0  # for the sweep to handle a message; then the sweep counts as dead


class Mailbox:
    """The actor. Its methods run in one thread, one after another."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, Message]] = []
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._orders: dict[int, Stop] = {}
        self._tickets = 0
        self._new = asyncio.Event()

    async def say(self, number: int, message: Message) -> tuple[Any, Stop | None]:
        """Pass a message of a trial's worker on; return the answer, and the order for the trial."""
        self._tickets += 1
        answer = self._answers[self._tickets] = asyncio.get_running_loop().create_future()
        self._waiting.append((self._tickets, number, message))
        self._new.set()
        return await answer, self._orders.get(number)

    async def receive(
        self, answers: Mapping[int, Any], orders: Mapping[int, Stop], seconds: float
    ) -> list[tuple[int, int, Message]]:
        """Take the sweep's answers and orders; return messages, waiting for the first: (ticket, trial, message)."""
        for ticket, answer in answers.items():
            if (waiting := self._answers.pop(ticket, None)) is not None and not waiting.done():
                waiting.set_result(answer)
        self._orders.update(orders)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._new.wait(), seconds)
        self._new.clear()
        waiting, self._waiting = self._waiting, []
        return waiting

    async def order(self, number: int) -> Stop | None:
        """Return the order for a trial."""
        return self._orders.get(number)


class WorkerEnd:
    """The worker's end.

    Args:
        mailbox: the actor's handle.
        number: of the trial.
    """

    def __init__(self, mailbox: Any, number: int):
        self._mailbox, self._number = mailbox, number
        self._pending: Any = None
        self._order: Stop | None = None

    def say(self, message: Message, answered: bool = False) -> str | None:
        """Send a message; return the answer, once the sweep has handled it."""
        import ray

        try:
            reply, self._order = ray.get(
                self._mailbox.say.remote(self._number, message), timeout=MESSAGE_TIMEOUT_S
            )
        except (ray.exceptions.RayError, TimeoutError):
            self._order = Stop(self._number)  # the sweep is gone
            return None
        return reply

    def order(self) -> Stop | None:
        """Return the request to end the trial, or None; when the sweep's process has died, the trial is to stop."""
        import ray

        # The answer is read at the next call, so that nothing waits for a slow network.
        if self._pending is None:
            self._pending = self._mailbox.order.remote(self._number)
        elif ray.wait([self._pending], timeout=0)[0]:
            pending, self._pending = self._pending, None
            try:
                self._order = ray.get(pending) or self._order
            except ray.exceptions.RayError:
                self._order = Stop(self._number)
        return self._order


def ignore_interrupt() -> None:
    """Ignore Ctrl-C in this process: the sweep passes it on."""
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
