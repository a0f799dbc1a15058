"""Faults at random moments of a run and of a sweep, and a verifier that holds all that they leave against each other.

`campaign.run` is what `benchmarks/hostile.py` calls: it draws the points (subject, fault, moment), lets `faults.py` act on the processes
of a `scene.py`, and has `verifier.py` compare journals, summaries and MLflow with each other and with an undisturbed run.
`tracked_training.py` and `tracking_stage.py` are the training and the server that the faults of `benchmarks/tracking_faults.py` meet.
"""
