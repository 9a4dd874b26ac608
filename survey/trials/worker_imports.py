"""What trials need: processes of a launch's own Ray import it as they start, before there is a trial for them.

The launch imports Ray Tune and opens the store meanwhile.
"""

from survey.system.gc_pause import collector_paused

with collector_paused():
    import survey.trials.experiment_training
    import survey.trials.trainable  # noqa: F401
