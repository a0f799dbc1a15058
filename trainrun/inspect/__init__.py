"""Looking at a run without keeping it: cost, profile, the largest batch, a good learning rate, the machine.

In come a function that builds a job, and settings; out come numbers, suggestions and findings. Jobs that are trained
here are thrown away and leave no trace in the run that follows. Begin with `trial_job.py`, then `batch_size.py`.
"""
