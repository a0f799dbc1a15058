"""Learning-rate schedules of our own, one a file; Keras' own need only their YAML in conf/schedule/.

In come numbers from the config and the run's number of steps; out comes a `LearningRateSchedule`. A file is a component
exactly if conf/schedule/ has its YAML. Begin with `linear_warmup.py`.
"""
