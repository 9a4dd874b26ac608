"""Tags and artifacts by which the survey knows its own MLflow runs."""

OUTPUT = "survey.output"
"""On an MLflow experiment: identity of the output folder that it belongs to."""

ROLE = "survey.role"
"""On a run: `TRIAL_ROLE`, or `REPETITION_ROLE` for a child run."""

TRIAL_ROLE = "experiment"
REPETITION_ROLE = "repetition"

EXPERIMENT = "survey.experiment"
"""All hyperparameters of the experiment, as JSON."""

EXPERIMENT_ID = "experiment_id"
"""The experiment's id, 16 hexadecimal digits."""

REPETITIONS = "survey.repetitions"
"""Numbers of the repetitions that the trial trains, as JSON."""

MOST_LETTERS = 240
"""Of a name in MLflow, whose databases have columns of 250; the number of a repetition, or of a namesake, follows."""

HISTORY_FILE = "history.parquet"
"""Artifact of a trial's run: the full history of each repetition."""
