"""The record of a run: its journal, statuses and lists read from it, and its delivery to trackers.

In come metrics and events; out go lines of journal.jsonl, the truth about the run, and from it summary.json, statuses,
histories and lists. A tracker gets only what the journal already has: `trackers.py` says what one is, each has a folder, and
`delivery/` brings the records there. Begin with `journal.py`, then `status.py`.
"""
