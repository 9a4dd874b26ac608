"""A trial that is driven step by step in the process of the test."""

from __future__ import annotations

from survey.trials import trainable


class Trial(trainable.SurveyTrial):
    """A trial outside Ray."""

    trial_id = "t_00001"  # pyright: ignore

    def __init__(self, config, settings):
        self.setup(config, settings=settings)
