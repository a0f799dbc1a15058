"""What a run leaves for people to read: summary.json, pictures, report.html, environment.txt.

In come the history, the evaluated predictions and the run's directory; out go files in that directory. Nothing here
trains or evaluates: `run` hands over what is to be written. Begin with `summary.py`.
"""
