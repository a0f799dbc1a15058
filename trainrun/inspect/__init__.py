"""Measurements before or beside a run: profile, batch size, learning rate, and checks of the machine.

The input is a function that builds a job, and settings; the output is numbers, suggestions and findings. Jobs that are
trained here are discarded and do not affect the run that follows. Begin with `trial_job.py`, then `batch_size.py`.
"""
