"""Train on one device and on so many mirrored ones (the argument); print the histories.

A script of its own, because a process can be given logical devices only before TensorFlow starts. 70 examples in
batches of 16 and of 23: the last batch of 6 is divided 2 and 2 and 2, that of 1 leaves replicas without an example.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from pathlib import Path

import tensorflow as tf

CPU = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(CPU, [tf.config.LogicalDeviceConfiguration()] * 3)
tf.config.experimental.enable_op_determinism()

from trainrun.hydra_bridge import preflight  # noqa: E402
from trainrun.run import builders  # noqa: E402

SMALL = [
    "tracking=none",
    "trainer=custom",
    "data=iris",
    "model=mlp",
    "model.units=[8]",
    "trainer.limit=70",
    "trainer.epochs=2",
]
CASES = {
    "augmented, mixed across replicas": ["trainer.batch_size=16", "augment=mixup"],
    "fewer examples than replicas; weights, penalty, clipping": [
        "trainer.batch_size=23", "trainer.class_weight=balanced", "model.regularizer=l2", "optimizer.global_clipnorm=0.05",
    ],
}  # fmt: skip


# A class and a number to predict, weighted.
TABLE = Path(tempfile.mkdtemp()) / "two.csv"
TABLE.write_text(
    "a,b,kind,size,w\n" + "\n".join(f"{i % 7},{i % 5},{i % 3},{i / 2},{1 + i % 2}" for i in range(120))
)
OF_TABLE = [
    "trainer.batch_size=23", "data=csv", f"data.path={TABLE}", "data.target=[kind,size]", "data.weight=w", "trainer.class_weight={kind: balanced}",
]  # fmt: skip


def history(overrides: list, devices: int) -> dict:
    """Return the history of a run on so many devices."""
    config, problems = preflight.overrides([*SMALL, *overrides])
    assert not problems, problems
    strategy = tf.distribute.get_strategy()
    if devices > 1:
        strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(devices)])
    job = builders.job(config, builders.dataset(config), strategy)
    return builders.trainer(config).train(job, [])


with contextlib.redirect_stdout(sys.stderr):
    # One number of replicas a process: TensorFlow's groups of collectives cannot change their size.
    if len(sys.argv) > 2:  # in a process of its own: nor can the shapes of the collectives change
        CASES = {"several outputs": OF_TABLE}
    histories = {name: [history(o, n) for n in (1, int(sys.argv[1]))] for name, o in CASES.items()}
sys.stdout.write("\n" + json.dumps(histories))
