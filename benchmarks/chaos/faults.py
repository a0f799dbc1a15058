"""The six faults. Each begins a run or sweep, strikes at a moment of its life, and does what a user would do to have it finished.

- kill: SIGKILL, for the process, its delivery, all of them at once (as a power failure does), or one trial.
- stop: SIGSTOP, for the process alone or all of them; while they stand, `resume` must be refused; then SIGCONT.
- disk: the project is on a file system of its own (tmpfs) that is filled to the last byte, and emptied when the run has ended. Without
  the right to mount, files may not grow beyond a few kB (RLIMIT_FSIZE), for which the kernel has another error number.
- host: SIGKILL for all, or SIGSTOP for all; the user goes on under another host name (a UTS namespace).
- copy: SIGKILL for all; the project, or the run's directory within it, is copied, and both are resumed.
- twice: SIGKILL for all; it is resumed by two processes at once, or the sweep and one of its trials are.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from chaos import verifier, victim
from chaos.scene import Fell, Scene
from chaos.subjects import SWEEP
from chaos.victim import Process

STANDSTILL_S = 1.0
DISK_SIZE = "64m"
BUSY = 2  # exit code of a `resume` that is refused
FILE_LIMIT = 4096  # bytes, where there is no file system to fill


def kill(scene: Scene) -> None:
    """SIGKILL"""
    process = scene.until_the_moment()
    everything, choices = scene.processes(process), ["all", "process", "process", "delivery"]
    whom = scene.random.choice([*choices, "trial", "trial"] if scene.subject is SWEEP else choices)
    deliveries = [p for p, line in victim.living(scene.mark).items() if victim.DELIVERY in line]
    pids = {
        "all": everything,
        "process": [process.pid],
        "delivery": deliveries,
        "trial": victim.trials(scene.mark)[:1],
    }[whom]
    scene.history.append(whom)
    scene.strike(process, pids, signal.SIGKILL)
    if whom in ("delivery", "trial"):
        scene.expect(process, (0, 1) if whom == "trial" else (0,))
    elif scene.random.random() < 0.5:  # else it is resumed while its delivery and its trials still end
        scene.calm()
        _settled(scene)
    scene.finish()
    scene.verify()


def _settled(scene: Scene) -> None:
    """Have a killed run settled; journal, summary and MLflow must say the same then, too."""
    run_dirs = [p for p in verifier.trained(scene.project) if verifier.status(p) != "FINISHED"]
    if scene.subject is SWEEP or not run_dirs or scene.random.random() < 0.5:
        return
    scene.expect(scene.begin(("sync", "--all")), (0,))
    scene.calm()
    violations = [text for p in run_dirs for text in verifier.ended(p, "KILLED") + verifier.tracked(p, scene.project / "mlflow.db", "KILLED")]  # fmt: skip
    if violations:
        raise Fell("killed, and synchronized: " + "\n".join(violations))


def stop(scene: Scene) -> None:
    """SIGSTOP, SIGCONT"""
    process = scene.until_the_moment()
    _stopped(scene, process, "")
    scene.expect(process, (0,))
    scene.deliver()
    scene.verify()


def _stopped(scene: Scene, process: Process, host: str) -> None:
    """Have it stand still; a `resume` meanwhile must be refused, if there is something to resume."""
    pids = scene.processes(process) if scene.random.random() < 0.5 else [process.pid]
    scene.strike(process, pids, signal.SIGSTOP)
    try:
        if scene.subject.begun(scene.project) and process.code is None:
            over = verifier.status(scene.subject.directory(scene.project))
            scene.expect(scene.begin(scene.subject.resume, host=host), (0, BUSY) if over else (BUSY,))
        else:
            time.sleep(STANDSTILL_S)
    finally:
        scene.strike(process, pids, signal.SIGCONT)


def disk(scene: Scene) -> None:
    """disk full"""
    mounted = scene.project.is_mount()
    process = scene.until_the_moment()
    filler = scene.project / "filler"
    if mounted:
        scene.history.append("filled the disk")
        _fill(filler)
    else:
        pids = scene.processes(process)
        for pid in pids:
            with contextlib.suppress(OSError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (FILE_LIMIT, resource.RLIM_INFINITY))
    code = scene.expect(process, (0, 1, 2))
    scene.calm()
    filler.unlink(missing_ok=True)
    if code:
        scene.finish()
    scene.deliver()
    scene.verify()


def _fill(filler: Path) -> None:
    """Fill a small file system."""
    with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1 << 20, 4096):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))


def host(scene: Scene) -> None:
    """host name changed"""
    if scene.random.random() < 0.5:
        scene.killed()
    else:
        process = scene.until_the_moment()
        _stopped(scene, process, "pod-b")
        scene.strike(process, scene.processes(process), signal.SIGKILL)
    scene.finish(host="pod-c")
    scene.verify()


def copy(scene: Scene) -> None:
    """copied"""
    scene.killed()
    scene.calm()
    directory = scene.subject.directory(scene.project)
    if scene.random.random() < 0.5 or directory is None or not scene.subject.begun(scene.project):
        scene.history.append("the project is copied")
        other = scene.folder / "copy"
        shutil.copytree(scene.project, other, symlinks=True)
        before = _contents(scene.project)
        scene.finish(other)
        if changed := sorted(str(p) for p in {*before} ^ {*_contents(scene.project)}):
            raise Fell(f"the copy has changed the original: {changed[:5]}")
        scene.finish()
        scene.verify(other, alone=False)
        scene.verify()
        return
    scene.history.append("its directory is copied")
    other = directory.with_name(directory.name + "_copy")
    shutil.copytree(directory, other, symlinks=True)
    verb, _, *more = scene.subject.resume
    for which in scene.random.sample([directory, other], 2):
        scene.expect(scene.begin((verb, str(which), *more)), (0,))
    scene.deliver()
    scene.verify(alone=False)


def _contents(folder: Path) -> set[tuple[str, int, int]]:
    """Return name, size and time of each file, without what readers may touch."""
    files = set()
    for path in folder.rglob("*"):
        if path.is_file():
            about = path.stat()
            files.add((str(path.relative_to(folder)), about.st_size, about.st_mtime_ns))
    return files


def twice(scene: Scene) -> None:
    """resumed twice at once"""
    scene.killed()
    if not scene.subject.begun(scene.project):
        scene.finish()
        scene.verify()
        return
    words = [scene.subject.resume] * 2
    if scene.subject is SWEEP and scene.random.random() < 0.5:
        begun = [p for p in verifier.trained(scene.project) if verifier.status(p) != "FINISHED"]
        words[0] = ("resume", str(begun[0])) if begun else words[0]
    processes = []
    for each in words:
        processes.append(scene.begin(each))
        time.sleep(scene.random.random() * scene.random.choice((0.0, 1.0, 4.0)))
    codes = [scene.expect(p, (0, 1, BUSY)) for p in processes]
    if 0 not in codes:
        raise Fell(f"exit codes {codes}")
    for process, code, other in zip(processes, codes, reversed(processes), strict=True):
        if code == BUSY and f"process {other.pid} " not in process.printed:
            raise Fell(f"refused without the name of process {other.pid}: {process.printed}")
    scene.finish()
    scene.verify()


FAULTS: tuple[Callable[[Scene], None], ...] = (kill, stop, disk, host, copy, twice)


@contextlib.contextmanager
def small_disk(folder: Path):  # noqa: ANN201
    """Have a folder on a file system of its own inside the `with`, where that is allowed."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE}", "chaos", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=False)
