"""What a run leaves for people to read: pictures, report.html, environment.txt, the last lines on the screen.

In come the history, the evaluated predictions and the run's directory; out go files in that directory. Nothing here
trains or evaluates: `run` hands over what is to be written. Begin with `report.py`.
"""
