"""A training function in a file that imports nothing, so that nothing else is sent with it."""


def train(*, seed, width: int, dropout: float = 0.0, epochs: int = 50):
    """Yield a loss that follows from all that it is given."""
    yield {"test_loss": seed * width * dropout / epochs}
