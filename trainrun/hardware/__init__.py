"""Devices and strategies, one option a file: CPU, GPU, mirrored, several workers, TPU.

In come the arguments of conf/hardware/<name>.yaml; out comes a `tf.distribute.Strategy`, with precision, determinism
and threads set. Several replicas give the result of one device. Begin with `cpu.py`, then `replicas.py`.
"""
