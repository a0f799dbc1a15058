"""Batch norm over two replicas is batch norm over one device, so that the number of devices changes nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np

CODE = """
import json, sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
from trainrun.registry.construct import construct
data = construct("data", {"name": "synthetic", "kind": "segmentation", "examples": 160, "size": 8})
found = {}
for name in ("resnet_small", "unet_small"):
    found[name] = []
    # Each strategy of a process counts its collective operations from here; two that count alike mix them up.
    tf.distribute.MirroredStrategy._collective_key_base += 1000
    for strategy in (tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])):
        keras.utils.set_random_seed(1)
        with strategy.scope():
            model = construct("model", {"name": name, "filters": [2, 4]}, inputs=data.inputs, target=data.target, head="sigmoid")
            model.compile(keras.optimizers.SGD(0.1), "binary_crossentropy")
        batches = tf.data.Dataset.from_tensor_slices((data.train.x, data.train.y[..., None])).batch(32)
        loss = model.fit(batches, epochs=2, verbose=0, shuffle=False).history["loss"]
        found[name].append([*loss, *(float(abs(w).sum()) for w in model.get_weights())])
print(json.dumps(found))
"""


def test_models_with_batch_norm_train_alike_on_one_device_and_on_two():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    for name, (one, two) in json.loads(done.stdout.splitlines()[-1]).items():
        assert np.isfinite(one).all()
        np.testing.assert_allclose(one, two, rtol=2e-5, atol=1e-6, err_msg=name)
