"""Ways of training, one a file: `fit`, `train_on_batch`, `custom` and others, which agree with one another.

In comes a `Job` (compiled model, data, plan, strategy) and callbacks; out comes the history. No config, no tracking.
Begin with `job.py`, then `train_on_batch.py`, the plainest.
"""
