"""Trainers, one a file: `fit`, `train_on_batch` and `custom`, which yield equal losses and weights, and two for small problems.

The input is a `Job` (compiled model, data, plan) and callbacks; the output is the history. No config, no tracking.
Begin with `job.py`, then `train_on_batch.py`, the simplest one.
"""
