"""One run: building its parts from the config, training, evaluating, writing what it leaves.

In come a checked config and an empty directory; out come the files of a run's directory and a result. Config stops at
the builders: below them there are only Keras objects and small settings. Begin with `runner.py`.
"""
