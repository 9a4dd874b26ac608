"""What is measured: tasks of the sizes of published ones, filled with synthetic data, and networks of some sizes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from survey.networks.experiment import FLOAT32, NetworkExperiment
from survey.networks.topology import layer_widths
from survey.networks.training import streams
from survey.workloads.experiment import Run


@dataclass(frozen=True)
class Cell:
    """A task, a network and a batch size.

    Attributes:
        task: The published task whose size the data have.
        num_rows: Rows of the task, test set included.
        num_inputs: Features.
        num_classes: Classes, at least two, with an output for each.
        size: Number of parameters aimed at.
        depth: Layers, the output layer included.
        batch_size: Rows of a minibatch.
        shape: Shape of the network.
        most_runs: Runs that may be trained at once, at most.
        epochs_per_turn: Epochs that a peer trains before the next one's turn.
        precision: That of the matrix products.
    """

    task: str
    num_rows: int
    num_inputs: int
    num_classes: int
    size: int
    depth: int
    batch_size: int = 256
    shape: str = "rectangle"
    most_runs: int = 64
    epochs_per_turn: int = 3
    precision: str = FLOAT32

    @property
    def name(self) -> str:
        """For tables and the command line: `wine_quality_white-2^10`."""
        batch = "" if self.batch_size == 256 else f"-b{self.batch_size}"
        precision = "" if self.precision == FLOAT32 else f"-{self.precision}"
        return f"{self.task}-2^{self.size.bit_length() - 1}{batch}{precision}"

    @property
    def experiment(self) -> NetworkExperiment:
        """The experiment: relu layers, Adam at 1e-4."""
        return NetworkExperiment(
            dataset=self.task,
            shape=self.shape,
            size=self.size,
            depth=self.depth,
            batch_size=self.batch_size,
            precision=self.precision,
        )

    @property
    def widths(self) -> tuple[int, ...]:
        """Width of each layer, the output layer last."""
        return layer_widths(self.shape, self.size, self.depth, self.num_inputs, self.num_classes)[0]

    @property
    def num_parameters(self) -> int:
        """Exact number of parameters of a run."""
        return layer_widths(self.shape, self.size, self.depth, self.num_inputs, self.num_classes)[1]

    @property
    def flops(self) -> float:
        """Floating-point operations of the matrix products of one epoch of one run, training and test set.

        A layer's product takes 2 fan_in fan_out for each row, forward, for the gradient of its weights and, but for
        the first layer, for that of its input.
        """
        num_test = -(-self.num_rows // 5)
        num_train = self.num_rows - num_test
        pairs = list(zip((self.num_inputs, *self.widths), self.widths, strict=False))
        forward = sum(2 * fan_in * fan_out for fan_in, fan_out in pairs)
        backward = 2 * forward - 2 * pairs[0][0] * pairs[0][1]
        return float(forward * (num_train + num_test) + backward * num_train)


CELLS = (
    Cell("wine_quality_white", 4898, 11, 7, 2**10, 4, epochs_per_turn=9),
    Cell("wine_quality_white", 4898, 11, 7, 2**14, 4, epochs_per_turn=9),
    Cell("wine_quality_white", 4898, 11, 7, 2**17, 4, epochs_per_turn=4),
    Cell("wine_quality_white", 4898, 11, 7, 2**20, 4),
    Cell("wine_quality_white", 4898, 11, 7, 2**12, 4, batch_size=32, epochs_per_turn=5),
    Cell("digits", 1797, 64, 10, 2**12, 5, batch_size=128, most_runs=5, epochs_per_turn=20),
    Cell("connect_4", 67557, 126, 3, 2**14, 3),
    Cell("mnist", 70000, 784, 10, 2**16, 3),
)


def data_of(cell: Cell) -> tuple[np.ndarray, np.ndarray]:
    """Return synthetic features [rows, inputs] and one-hot targets [rows, classes], both float32."""
    random = np.random.default_rng(0)
    inputs = random.standard_normal((cell.num_rows, cell.num_inputs), dtype=np.float32)
    teacher = random.standard_normal((cell.num_inputs, cell.num_classes), dtype=np.float32)
    scores = inputs @ teacher / np.sqrt(cell.num_inputs) + random.gumbel(size=(cell.num_rows, cell.num_classes))
    return inputs, np.eye(cell.num_classes, dtype=np.float32)[scores.argmax(1)]


def seeds_of(cell: Cell, num_runs: int) -> list[int]:
    """Return the seeds of the first runs."""
    return [Run(cell.experiment, number).seed for number in range(num_runs)]


@dataclass(frozen=True)
class Draws:
    """A run's draws, the same for every peer.

    Attributes:
        train_rows: int64 [training rows].
        test_rows: int64 [test rows].
        orders: int64 [epochs, training rows]: the rows of the task in the order of each epoch.
        layers: `(kernel [fan_in, fan_out], bias [fan_out])` of each layer, float32.
    """

    train_rows: np.ndarray
    test_rows: np.ndarray
    orders: np.ndarray
    layers: list[tuple[np.ndarray, np.ndarray]]


def draws_of(cell: Cell, seed: int, num_epochs: int) -> Draws:
    """Draw what the training core draws for a run."""
    train, test = (rows.numpy() for rows in streams.split(cell.num_rows, seed=seed))
    orders = [streams.epoch_orders(len(train), seeds=[seed], epoch=e + 1)[0].numpy() for e in range(num_epochs)]
    layers = streams.initial_parameters(cell.widths, cell.num_inputs, seed=seed)
    return Draws(train, test, train[np.stack(orders)], [(kernel.numpy(), bias.numpy()) for kernel, bias in layers])
