"""The readable results of a run: plots, report.html, environment.txt, and the table printed at its end.

The input is the history, predictions and the run's directory; the output is files in that directory. No module here trains or
evaluates. Begin with `report.py`.
"""
