"""Names of the statistics that a survey records at every epoch, in the order of the published columns."""

STATISTICS = (
    "loss",
    "accuracy",
    "mean_squared_error",
    "mean_absolute_error",
    "root_mean_squared_error",
    "mean_squared_logarithmic_error",
    "hinge",
    "squared_hinge",
    "cosine_similarity",
    "kullback_leibler_divergence",
)
"""The ten statistics of the training set and of the test set."""

HISTORY_COLUMNS = (*(f"val_{name}" for name in STATISTICS), *STATISTICS)
"""The twenty per-epoch columns of a run: test set (`val_`) first, then training set."""
