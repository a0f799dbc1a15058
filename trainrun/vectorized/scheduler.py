"""Serves what runs of a group wait for: by one program for those of a shape, which is held to the truth first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from trainrun.compat import tensorflow_private
from trainrun.model.cost import Cost
from trainrun.util import machine
from trainrun.vectorized.participant import JOINING, MEASURING, TRAINING, Refused, Request
from trainrun.vectorized.program import Program
from trainrun.vectorized.shape import Unfit, differences

# How many more places a program may have than there are runs left, before a smaller one is compiled.
IDLE = 2.0
# Of a trial's memory, by `Cost`: its variables before and after a step, what the step computes, and Keras' own objects.
TIMES, OBJECTS = 3, 3e6
# Of the memory that is free, what a graph may take.
SHARE = 0.5


class Served:
    """Keeps the programs of a group.

    Args:
        announce: prints a line to the user.
        most: trials that a program may have at once.
        part: of the memory that is free, what is for this process.
    """

    def __init__(self, announce: Callable[[str], None], most: int, part: float = 1.0):
        self._programs: list[Program] = []
        self._announce, self._most, self._part = announce, most, part

    def answers(self, requests: Sequence[Request]) -> list[Any]:
        """Return for each request its metrics, or the exception that its run is to raise."""
        answers: dict[int, Any] = {}
        while waiting := [r for r in requests if id(r) not in answers]:
            served, results = self._some(waiting)
            answers |= {id(r): a for r, a in zip(served, results, strict=True)}
        return [answers[id(r)] for r in requests]

    def _some(self, waiting: Sequence[Request]) -> tuple[list[Request], list[Any]]:
        """Serve the first request, and all that go with it."""
        first, served = waiting[0], list(waiting[:1])
        try:
            if first.name == JOINING:
                others = [r for r in waiting[1:] if differences(first.part.model, r.part.model) is not None]
                served = [first, *others][: self._most]
                self._join(served)
                return served, [None] * len(served)
            program = self._program(first, waiting)
            served = [r for r in waiting if program.takes(r.part.model)][: program.size]
            does = program.train if first.name == TRAINING else program.measure
            return served, does([r.part for r in served])
        except Unfit as unfit:
            reason = str(unfit)
        except Exception as error:  # too large for the memory, and the like: each goes on by itself
            reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}"
        self._announce(f"{len(served)} trial{'s' * (len(served) > 1)} trained one by one: {reason}")
        return served, [Refused(reason)] * len(served)

    def _join(self, requests: Sequence[Request]) -> None:
        """See to a program that takes these; it is made and probed if there is none."""
        first, parts = requests[0], [r.part for r in requests]
        if any(all(p.takes(part.model) for part in parts) for p in self._programs):
            return
        # Of the same shape, but they differ in a number that was the same in all before.
        narrow = next((p for p in self._programs if differences(p.model, first.part.model) is not None), None)
        if narrow is None and len(parts) == 1:
            raise Unfit("there is no other of its shape")
        cost = TIMES * Cost.of(first.part.model, first.batch_size).memory + OBJECTS
        fit = max(2, int(SHARE * self._part * machine.available_memory() / cost))
        size = min(max(len(parts), narrow.size if narrow else 0), fit)
        before = machine.resident_memory()
        program = Program(parts[:size], first.batch_size, size, narrow.paths if narrow else ())
        program.probe(parts[:size])
        self._programs.insert(0, program)
        if narrow is None:
            each = max(machine.resident_memory() - before, 0) / size
            at_once = "" if size >= len(parts) else f", {size} at once"
            self._announce(
                f"{len(parts)} trials are trained together in one graph{at_once}: {each / 1e6:.1f} MB each, "
                f"{cost / 1e6:.1f} by the estimate"
            )

    def _program(self, first: Request, waiting: Sequence[Request]) -> Program:
        """Return the program that takes the most requests, of about as many places as are needed."""
        fit = [p for p in self._programs if p.batch_size == first.batch_size and p.takes(first.part.model)]
        if not fit:
            raise Unfit("it has become another than it was")
        taken = {id(p): min(sum(p.takes(r.part.model) for r in waiting), p.size) for p in fit}
        best = max(fit, key=lambda p: (taken[id(p)], -p.size))
        if (
            first.name == MEASURING
            or best.size < IDLE * taken[id(best)]
            or tensorflow_private.is_deterministic()
        ):
            return best  # in a smaller graph sums may run in another order
        served = [r.part for r in waiting if best.takes(r.part.model)]
        smaller = Program(served, first.batch_size, paths=best.paths)
        self._programs.insert(0, smaller)
        return smaller
