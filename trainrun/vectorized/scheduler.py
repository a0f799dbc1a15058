"""Serves the requests of the runs in a group, by one checked program per shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from trainrun.compat import tensorflow_private
from trainrun.model.cost import Cost
from trainrun.util import machine
from trainrun.vectorized.participant import JOINING, MEASURING, TRAINING, Refused, Request
from trainrun.vectorized.program import Program
from trainrun.vectorized.shape import Unfit, differences

# A smaller program is compiled when the present one has this multiple of the remaining runs.
MAX_EXCESS = 2.0
# Estimate of a trial's bytes: this multiple of `Cost.memory` (variables before and after a step, intermediate results), and
# Keras' own objects.
COST_FACTOR, OBJECTS_BYTES = 3, 3e6
# Share of the free memory for a graph.
MEMORY_SHARE = 0.5


class Scheduler:
    """The programs of a group.

    Args:
        announce: prints a line to the user.
        most: maximum number of trials in a program.
        part: share of the free memory for this process.
    """

    def __init__(self, announce: Callable[[str], None], most: int, part: float = 1.0):
        self._programs: list[Program] = []
        self._announce, self._most, self._part = announce, most, part

    def answers(self, requests: Sequence[Request]) -> list[Any]:
        """Return for each request its metrics, or the exception that its run has to raise."""
        answers: dict[int, Any] = {}
        while waiting := [r for r in requests if id(r) not in answers]:
            served, results = self._serve(waiting)
            answers |= {id(r): a for r, a in zip(served, results, strict=True)}
        return [answers[id(r)] for r in requests]

    def _serve(self, waiting: Sequence[Request]) -> tuple[list[Request], list[Any]]:
        """Serve the first request and all that can be served with it; return these requests and their answers."""
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
        except Exception as error:  # for example too large for the memory: each run continues separately
            reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}"
        self._announce(f"{len(served)} trial{'s' * (len(served) > 1)} trained separately: {reason}")
        return served, [Refused(reason)] * len(served)

    def _join(self, requests: Sequence[Request]) -> None:
        """Make sure that there is a program for these requests; compile and check a new one if necessary."""
        first, parts = requests[0], [r.part for r in requests]
        if any(all(p.takes(part.model) for part in parts) for p in self._programs):
            return
        # Of the same shape, but they differ in a number that was equal in all trials before.
        narrow = next((p for p in self._programs if differences(p.model, first.part.model) is not None), None)
        if narrow is None and len(parts) == 1:
            raise Unfit("there is no other trial of its shape")
        cost = COST_FACTOR * Cost.of(first.part.model, first.batch_size).memory + OBJECTS_BYTES
        fit = max(2, int(MEMORY_SHARE * self._part * machine.available_memory() / cost))
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
        """Return the program that serves the most requests, without a large excess of places."""
        fit = [p for p in self._programs if p.batch_size == first.batch_size and p.takes(first.part.model)]
        if not fit:
            raise Unfit("it has changed since it was checked")
        taken = {id(p): min(sum(p.takes(r.part.model) for r in waiting), p.size) for p in fit}
        best = max(fit, key=lambda p: (taken[id(p)], -p.size))
        if (
            first.name == MEASURING
            or best.size < MAX_EXCESS * taken[id(best)]
            or tensorflow_private.is_deterministic()
        ):
            return best  # a smaller graph may sum in another order
        served = [r.part for r in waiting if best.takes(r.part.model)]
        smaller = Program(served, first.batch_size, paths=best.paths)
        self._programs.insert(0, smaller)
        return smaller
