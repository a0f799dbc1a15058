"""Proofs about runs: killed and resumed to the same bits, reproduced, and what stands in the way.

In come a config or the directories of two runs; out come differences, and sentences about what may have caused them.
Begin with `kill_and_resume.py`.
"""
