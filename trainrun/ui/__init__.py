"""Terminal output: lines, tables, problems, progress. Only `console.py` prints.

In come texts and numbers; out go lines, to the terminal and the run's log. Begin with `console.py`.
"""
