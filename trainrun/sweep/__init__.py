"""Many runs as one experiment: which trials, in which order, where, and what came of them.

In come a plan of points and settings; out come trial directories, a record that can be resumed, a leaderboard and
pictures. `space/` chooses, `launchers/` run, `ranking/` judges, `view/` shows. Begin with `loop.py`.
"""
