"""trainrun's own losses, one a file; Keras' losses need only their YAML in conf/loss/.

The input is arguments from the config; the output is a `keras.losses.Loss`. A file is a component exactly if conf/loss/
has its YAML. Begin with `focal.py`.
"""
