"""Devices and strategies, one option a file: CPU, GPU, mirrored, several workers, TPU.

The input is the arguments of conf/hardware/<name>.yaml; the output is a `tf.distribute.Strategy`, with precision, determinism
and threads set. Several replicas give the same result as one device. Begin with `cpu.py`, then `replicas.py`.
"""
