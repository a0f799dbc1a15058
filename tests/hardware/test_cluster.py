"""Who trains together: from the config, from TF_CONFIG, from Slurm."""

from __future__ import annotations

import json

import pytest

from trainrun.errors import UserError
from trainrun.hardware._cluster import cluster, expand_counts, expand_hosts


@pytest.mark.parametrize("text", ["node1", "n[08-10,12],login", "r1-i0n[0-2],r2-i1n9", "x,y,z"])
def test_hosts_as_tensorflow_reads_them(text):
    from tensorflow.python.distribute.cluster_resolver import slurm_cluster_resolver as theirs

    assert expand_hosts(text) == theirs.expand_hostlist(text)


@pytest.mark.parametrize("text", ["1", "2(x3),1", "4,2(x2)"])
def test_counts_as_tensorflow_reads_them(text):
    from tensorflow.python.distribute.cluster_resolver import slurm_cluster_resolver as theirs

    assert expand_counts(text) == theirs.expand_tasks_per_node(text)


def test_slurm():
    environment = {"SLURM_PROCID": "2", "SLURM_STEP_NODELIST": "n[1-2]", "SLURM_STEP_TASKS_PER_NODE": "2(x2)"}
    role = cluster(None, None, environment, 5000)
    assert role.workers == ("n1:5000", "n1:5001", "n2:5000", "n2:5001")
    assert (role.index, role.chief) == (2, False)


def test_a_chief_of_its_own_is_the_first_worker():
    config = {"cluster": {"chief": ["a:1"], "worker": ["b:1", "c:1"]}, "task": {"type": "worker", "index": 1}}
    role = cluster(None, None, {"TF_CONFIG": json.dumps(config)})
    assert (role.workers, role.index) == (("a:1", "b:1", "c:1"), 2)


def test_the_config_comes_before_the_environment():
    role = cluster(["a:1", "b:1"], 0, {"TF_CONFIG": "{", "SLURM_PROCID": "7"})
    assert role.chief
    assert role.source == "hardware.workers"


@pytest.mark.parametrize(
    ("workers", "index", "environment", "message"),
    [
        (None, None, {}, "hardware.local_workers=2"),
        (["a"], 0, {}, "expected host:port"),
        (["a:1", "a:1"], 0, {}, "a different address for each worker"),
        (["a:1", "b:1"], 2, {}, "0 to 1, got 2"),
        (["a:1", "b:1"], None, {}, "got null"),
        (None, None, {"TF_CONFIG": "{}"}, "expected TF_CONFIG="),
        (None, None, {"TF_CONFIG": '{"cluster": {"ps": ["a:1"]}, "task": {"type": "ps", "index": 0}}'}, "names ps|each worker|expected"),
        (None, None, {"SLURM_PROCID": "0"}, "start trainrun by srun"),
    ],
)  # fmt: skip
def test_invalid_cluster_is_refused_with_the_reason(workers, index, environment, message):
    with pytest.raises(UserError, match=message):
        cluster(workers, index, environment)
