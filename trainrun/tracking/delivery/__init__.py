"""Delivery of journals to trackers, in the background: a slow or dead tracker never delays or loses a run.

In come the directories of runs and a target; out go calls of a tracker, and a state file that records the progress. Begin with `delivery.py`, then `client.py`.
"""
