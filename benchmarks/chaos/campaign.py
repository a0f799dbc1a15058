"""Points of the chaos form: subject, fault and moment by a seed, several at once, each in a project of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from chaos import faults, victim
from chaos.faults import FAULTS
from chaos.scene import Fell, Scene
from chaos.subjects import RUN, SWEEP, Subject
from chaos.verifier import Reference
from trainrun.util import subprocesses

print = functools.partial(print, flush=True)
HAS_DATABASE = 0.9  # of the projects; in the others the victim makes it
STORE = "import sys; from trainrun.tracking.mlflow import sqlite; sqlite.connect(sys.argv[1])"


@dataclasses.dataclass(frozen=True)
class Point:
    """A point.

    Args:
        number: of the point; with the seed it decides everything.
        subject: a run or a sweep.
        fault: that meets it.
        stage: of its life, by number.
        fraction: of the stage.
    """

    number: int
    subject: Subject
    fault: object
    stage: int
    fraction: float

    def __str__(self) -> str:
        return f"{self.number:3}  {self.subject.name}, {self.fault.__doc__}, {self.subject.stages[self.stage]} {self.fraction:.2f}"


def points(count: int, seed: int) -> list[Point]:
    """Draw points: every fault meets runs and sweeps equally often, and every stage of their lives."""
    drawn = random.Random(seed)
    kinds = [(subject, fault) for fault in FAULTS for subject in (RUN, SWEEP)]
    drawn.shuffle(kinds)
    decks: dict[str, list[int]] = {RUN.name: [], SWEEP.name: []}
    chosen = []
    for i in range(count):
        subject, fault = kinds[i % len(kinds)]
        deck = decks[subject.name]
        if not deck:
            deck += drawn.sample(range(len(subject.stages)), len(subject.stages))
        chosen.append(Point(i, subject, fault, deck.pop(), drawn.random()))
    return chosen


class Campaign:
    """The points of one call.

    Args:
        folder: for the projects.
        seed: of all that is random.
        keep: folder that those stay in that fell; None: nothing stays.
    """

    def __init__(self, folder: Path, seed: int, keep: Path | None = None):
        self.folder, self.seed, self.keep = folder, seed, keep
        self._lives: dict[str, tuple[Reference, list[float]]] = {}
        self._beginning = threading.Lock()

    def prepare(self, subjects: Sequence[Subject]) -> None:
        """Import TensorFlow once, make a database, and live each life without a fault."""
        subprocesses.fork_server()
        uri = f"sqlite:///{self.folder}/mlflow.db"
        subprocess.run([sys.executable, "-P", "-c", STORE, uri], check=True, capture_output=True)
        with ThreadPoolExecutor(len(subjects)) as pool:
            lives = list(pool.map(self._undisturbed, subjects))
        for subject, (reference, lengths) in zip(subjects, lives, strict=True):
            self._lives[subject.name] = reference, lengths
            stages = ", ".join(f"{s} {t:.1f}" for s, t in zip(subject.stages, lengths, strict=True))
            print(f"an undisturbed {subject.name}, seconds of its stages: {stages}")

    def _undisturbed(self, subject: Subject) -> tuple[Reference, list[float]]:
        scene = Scene(
            self.folder / f"undisturbed_{subject.name}", subject, 0, 0.0, [], Reference(), random.Random(0)
        )
        scene.project.mkdir(parents=True)
        shutil.copy(self.folder / "mlflow.db", scene.project)
        began = time.monotonic()
        process, reached = scene.begin(subject.words), [0.0] * len(subject.stages)
        while process.code is None:
            for stage in range(subject.stage(scene.project) + 1):
                reached[stage] = reached[stage] or time.monotonic() - began
            time.sleep(0.002)
        scene.expect(process, (0,))
        reached = [0.0, *reached[1:], time.monotonic() - began]
        scene.reference = Reference.of(scene.project)
        scene.deliver()
        scene.verify()
        return scene.reference, [max(b - a, 0.0) for a, b in itertools.pairwise(reached)]

    def held(self, point: Point) -> str:
        """Have a fault meet its subject; return "" if all held, else what did not."""
        folder = self.folder / f"point{point.number}_{os.getpid()}"
        reference, lengths = self._lives[point.subject.name]
        chance = random.Random(f"{self.seed}/{point.number}")
        scene = Scene(folder, point.subject, point.stage, point.fraction, lengths, reference, chance)
        scene.project.mkdir(parents=True)
        disk = faults.small_disk(scene.project) if point.fault is faults.disk else contextlib.nullcontext()
        fell = ""
        with disk:
            try:
                if chance.random() < HAS_DATABASE:
                    shutil.copy(self.folder / "mlflow.db", scene.project)
                point.fault(scene)
            except Fell as error:
                fell = str(error)
            except Exception:
                fell = traceback.format_exc()
            victim.end_all(scene.mark)
            if fell and self.keep is not None:
                shutil.copytree(
                    folder,
                    self.keep / folder.name,
                    symlinks=True,
                    dirs_exist_ok=True,
                    ignore_dangling_symlinks=True,
                )
        shutil.rmtree(folder, ignore_errors=True)
        return fell and f"{fell}\n  after: {'; '.join(scene.history)}"

    def run(self, chosen: Sequence[Point], at_once: int) -> dict[tuple[str, str], list[int]]:
        """Try points; print those that fell, and return for each fault and subject how many were tried, and held."""
        counts = {(p.fault.__doc__, p.subject.name): [0, 0] for p in chosen}
        began = time.monotonic()

        def tried(point: Point) -> tuple[Point, str, float]:
            since = time.monotonic()
            return point, self.held(point), time.monotonic() - since

        with ThreadPoolExecutor(at_once) as pool:
            for i, (point, fell, seconds) in enumerate(pool.map(tried, chosen), 1):
                count = counts[point.fault.__doc__, point.subject.name]
                count[0] += 1
                count[1] += not fell
                print(
                    f"{point}: {'FELL' if fell else 'held'}  ({seconds:.0f} s)"
                    + (f"\n  {fell}" if fell else "")
                )
                if i % 20 == 0:
                    done = sum(c[1] for c in counts.values())
                    print(f"{done} of {i} held, {(time.monotonic() - began) / 60:.1f} min")
        return counts


def run(
    count: int, seed: int, at_once: int, only: str = "", keep: Path | None = None, which: Sequence[int] = ()
) -> dict[tuple[str, str], list[int]]:
    """Try points.

    Args:
        count: how many are drawn.
        seed: of all that is random.
        at_once: points at a time.
        only: a part of the names of those that are tried.
        keep: see `Campaign`.
        which: numbers of those that are tried; empty: all.

    Returns:
        (fault, subject) -> how many were tried, and how many held.
    """
    chosen = [p for p in points(count, seed) if only in str(p) and (not which or p.number in which)]
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as folder:
        campaign = Campaign(Path(folder), seed, keep)
        campaign.prepare([s for s in (RUN, SWEEP) if any(p.subject is s for p in chosen)])
        return campaign.run(chosen, at_once)
