"""Ranking of trials: leaderboard, comparison of seeds, Pareto front, pruning.

In come finished trials, or epochs reported so far, and objectives; out come an order, statistics, or a decision to stop
a trial. Begin with `leaderboard.py`.
"""
