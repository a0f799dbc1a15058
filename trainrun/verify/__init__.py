"""Verification of runs: whether killing and resuming gives the same bits, and what may cause a difference.

The input is a config or the directories of two runs; the output is differences and sentences about possible causes.
Begin with `kill_and_resume.py`.
"""
