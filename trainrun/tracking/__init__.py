"""The record of a run: its journal, the statuses and lists read from it, and its delivery to trackers.

In come metrics and events; out go lines of journal.jsonl, the authoritative record, and from it summary.json, statuses,
histories and lists. A tracker receives only what the journal already has: `trackers.py` defines the interface, each tracker has
a folder, and `delivery/` sends the records. Begin with `journal.py`, then `status.py`.
"""
