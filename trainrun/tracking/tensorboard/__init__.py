"""TensorBoard as a tracker: a run's journal as event files in `tensorboard/` of the run's directory.

Scalars of epochs and batches, the plots as images, the parameters and the end as text. `tracker.py` decides what each record
becomes, `event_file.py` writes it. The package `tensorboard` alone is imported, never TensorFlow.
"""
