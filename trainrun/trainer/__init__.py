"""Trainers, one a file: `fit`, `train_on_batch`, `custom` and others, which give the same losses and weights.

The input is a `Job` (compiled model, data, plan) and callbacks; the output is the history. No config, no tracking.
Begin with `job.py`, then `train_on_batch.py`, the simplest one.
"""
