"""One run: build its parts from the config, train, evaluate, and write the record and the artifacts.

The input is a checked config and an empty directory; the output is the files of a run's directory and a result. Config
stops at the builders: the packages below get Keras objects and small settings dataclasses. Begin with `runner.py`.
"""
