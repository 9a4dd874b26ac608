"""Gradient boosting, of which each tree is an epoch: nothing of PyTorch."""

from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.metrics import mean_absolute_error, mean_squared_error
from sklearn.model_selection import train_test_split


def train(*, seed, depth: int, learning_rate: float = 0.1, subsample: float = 1.0, epochs: int = 100):
    inputs, targets = load_diabetes(return_X_y=True)
    data = train_test_split(inputs, targets, test_size=0.25, random_state=seed % 2**32)
    train_inputs, test_inputs, train_targets, test_targets = data
    model = GradientBoostingRegressor(
        n_estimators=epochs,
        max_depth=depth,
        learning_rate=learning_rate,
        subsample=subsample,
        random_state=seed % 2**32,
    ).fit(train_inputs, train_targets)
    stages = zip(model.train_score_, model.staged_predict(test_inputs), strict=True)
    for train_loss, outputs in stages:
        yield {
            "train_loss": train_loss,
            "test_loss": mean_squared_error(test_targets, outputs),
            "test_error": mean_absolute_error(test_targets, outputs),
        }
