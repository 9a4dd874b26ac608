"""The study that each program here makes: how depth and learning rate move the test loss of gradient boosting."""

from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import train_test_split


def train(*, seed, depth: int, rate: float, epochs: int = 20):
    inputs, targets = load_diabetes(return_X_y=True)
    seed %= 2**32
    inputs, test_inputs, targets, test_targets = train_test_split(inputs, targets, random_state=seed)
    model = GradientBoostingRegressor(n_estimators=epochs, max_depth=depth, learning_rate=rate, random_state=seed)
    model.fit(inputs, targets)
    for train_loss, outputs in zip(model.train_score_, model.staged_predict(test_inputs), strict=True):
        yield {"train_loss": train_loss, "test_loss": mean_squared_error(test_targets, outputs)}
