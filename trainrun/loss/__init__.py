"""Losses of our own, one a file; Keras' own need only their YAML in conf/loss/.

In come numbers from the config; out comes a `keras.losses.Loss`. A file is a component exactly if conf/loss/ has its
YAML. Begin with `focal.py`.
"""
