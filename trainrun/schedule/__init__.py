"""trainrun's own learning-rate schedules, one a file; Keras' schedules need only their YAML in conf/schedule/.

The input is arguments from the config and the run's number of steps; the output is a `LearningRateSchedule`. A file is a
component exactly if conf/schedule/ has its YAML. Begin with `linear_warmup.py`.
"""
