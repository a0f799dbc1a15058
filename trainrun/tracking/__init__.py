"""The record of a run: its journal, what is read from it, and how it gets to trackers.

In come metrics and events; out go lines of journal.jsonl, the truth about the run, and from it statuses, histories and
lists. A tracker hears only what the journal already has. Begin with `journal.py`, then `status.py`.
"""
