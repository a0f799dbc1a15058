"""Sweeps: the trials of one experiment, their order, where they run, and their ranking.

In come a plan of points and settings; out come trial directories, a record that can be resumed, a leaderboard and
plots. `space/` chooses, `launchers/` run, `ranking/` judges, `view/` shows. Begin with `loop.py`.
"""
