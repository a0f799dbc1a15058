"""The workers that train together: their addresses and the index of this process. Used by `check`, too, so without TensorFlow."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from trainrun.errors import Problem, UserError

FIRST_PORT = 12345  # of a Slurm node's first worker
WAYS = (
    "Give hardware.workers=[host:port,…] with hardware.index, or set TF_CONFIG, or start it by Slurm's srun, "
    "or try it on this machine with hardware.local_workers=2."
)


@dataclass(frozen=True)
class Cluster:
    """The workers of a run.

    Args:
        workers: `host:port` of each; the first one is the chief, which writes the record.
        index: of this process.
        source: of this information, for messages.
    """

    workers: tuple[str, ...]
    index: int
    source: str

    @property
    def chief(self) -> bool:
        """Whether this process writes the record."""
        return self.index == 0


def cluster(
    workers: Sequence[str] | None, index: int | None, environment: Mapping[str, str], port: int = FIRST_PORT
) -> Cluster:
    """Return the configured workers, else those of TF_CONFIG, else those of Slurm.

    Args:
        workers, index: as configured, or None.
        environment: `os.environ`.
        port: of the first worker on each node of Slurm.

    Raises:
        UserError: there are none, or their description is wrong.
    """
    if workers:
        return _configured(workers, index)
    if environment.get("TF_CONFIG"):
        return _tf_config(environment["TF_CONFIG"])
    if "SLURM_PROCID" in environment:
        return _slurm(environment, port)
    raise UserError(Problem("hardware.workers", f"expected the workers' addresses; there are none. {WAYS}"))


def _configured(workers: Sequence[str], index: int | None) -> Cluster:
    if not isinstance(workers, list | tuple):
        text = f"expected the addresses, [node1:12345,node2:12345], got {workers!r}. On this machine: hardware.local_workers=2."
        raise UserError(Problem("hardware.workers", text))
    for worker in workers:
        if not re.fullmatch(r"[^\s:]+:\d{1,5}", str(worker)):
            raise UserError(
                Problem("hardware.workers", f"expected host:port, got {worker!r}. For example node1:12345.")
            )
    if len(set(workers)) < len(workers):
        raise UserError(
            Problem("hardware.workers", "expected a different address for each worker; one occurs twice.")
        )
    if index is None or not 0 <= index < len(workers):
        raise UserError(
            Problem(
                "hardware.index",
                f"expected the number of this process among hardware.workers, 0 to {len(workers) - 1}, "
                f"got {'null' if index is None else index}. Start trainrun once for each of them.",
            )
        )
    return Cluster(tuple(map(str, workers)), index, "hardware.workers")


def _tf_config(text: str) -> Cluster:
    try:
        content = json.loads(text)
        jobs, task = content["cluster"], content["task"]
        # A separate chief counts as the first worker.
        workers = [*jobs.get("chief", []), *jobs.get("worker", [])]
        index = int(task["index"]) + (len(jobs.get("chief", [])) if task["type"] == "worker" else 0)
        others = sorted(set(jobs) - {"chief", "worker"})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            Problem(
                "hardware",
                'expected TF_CONFIG={"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}, '
                f"got {text!r}.",
            )
        ) from error
    if others or task["type"] not in ("chief", "worker"):
        raise UserError(
            Problem(
                "hardware",
                f"TF_CONFIG names {', '.join(others) or task['type']}; multi_worker has workers and at most a chief.",
            )
        )
    return replace(_configured(workers, index), source="TF_CONFIG")


def _slurm(environment: Mapping[str, str], port: int) -> Cluster:
    def variable(*names: str) -> str:
        for name in names:
            if environment.get(name):
                return environment[name]
        raise UserError(
            Problem("hardware", f"SLURM_PROCID is set but not {names[0]}; start trainrun by srun. {WAYS}")
        )

    hosts = expand_hosts(variable("SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST", "SLURM_NODELIST"))
    counts = expand_counts(variable("SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE"))
    workers = tuple(
        f"{host}:{port + i}" for host, count in zip(hosts, counts, strict=False) for i in range(count)
    )
    index = int(variable("SLURM_PROCID"))
    if index >= len(workers):
        raise UserError(
            Problem(
                "hardware",
                f"according to Slurm this is process {index}, but there are only {len(workers)} workers.",
            )
        )
    return Cluster(workers, index, "Slurm")


def expand_hosts(text: str) -> list[str]:
    """Return the hosts of a Slurm list.

    Example:
        >>> expand_hosts("n[08-10,12],login")
        ['n08', 'n09', 'n10', 'n12', 'login']
    """
    hosts = []
    for part in re.findall(r"(?:[^,\[]|\[[^\]]*\])+", text):
        names = [""]
        for plain, ranges in re.findall(r"([^\[]+)|\[([^\]]*)\]", part):
            names = [name + end for name in names for end in ([plain] if plain else _range(ranges))]
        hosts += names
    return hosts


def _range(text: str) -> list[str]:
    numbers = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        numbers += [f"{i:0{len(first)}d}" for i in range(int(first), int(last or first) + 1)]
    return numbers


def expand_counts(text: str) -> list[int]:
    """Return the number of tasks on each node.

    Example:
        >>> expand_counts("2(x3),1")
        [2, 2, 2, 1]
    """
    counts = []
    for count, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", text):
        counts += [int(count)] * int(times or 1)
    return counts
