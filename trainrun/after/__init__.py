"""Recorded runs, after training: look up, explain, compare, select, remove, use.

In: a run's directory, id, or a word such as `last`. Out: plain data that a verb prints and Python returns.
Begin with `selection`; `trainrun.sweep.named_run` finds the run that a word means.
"""
