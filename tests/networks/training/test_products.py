"""Products done by small-matrix kernels in tiles are those of torch, and a bundle's are those of its runs."""

from __future__ import annotations

import pytest
import torch

from survey.networks.experiment import NetworkExperiment
from survey.networks.topology import layer_widths
from survey.networks.training import products
from survey.networks.training.loop import Trainer

SHAPES = [(1, 2, 32), (7, 19, 256), (18, 256, 24), (82, 785, 256), (160, 161, 96), (251, 252, 256), (300, 1024, 304)]


@pytest.fixture
def small_kernels(monkeypatch):
    """As on a processor that has them; elsewhere numpy's library does the same tiles by its usual kernels."""
    monkeypatch.setattr(products, "has_small_kernels", lambda: True)


@pytest.mark.parametrize("form", ["plain", "across rows", "of rows"])
@pytest.mark.parametrize(("rows", "inner", "columns"), SHAPES)
@pytest.mark.usefixtures("small_kernels")
def test_a_product_in_tiles_is_the_product(rows, inner, columns, form):
    generator = torch.Generator().manual_seed(rows)
    a, b = torch.randn(3, rows, inner, generator=generator), torch.randn(3, inner, columns, generator=generator)
    a = a.mT.contiguous().mT if form == "across rows" else a
    b = b.mT.contiguous().mT if form == "of rows" else b
    out = torch.full((3, rows + 1, columns), 7.0)
    products.product(a, b, out[:, :rows])()
    torch.testing.assert_close(out[:, :rows].double(), a.double() @ b.double(), rtol=1e-4, atol=1e-3)
    assert (out[:, rows] == 7.0).all()  # nothing beside the result was written

    alone = torch.empty(rows, columns)
    products.product(a[1:2].clone(memory_format=torch.preserve_format), b[1:2], alone[None])()
    assert torch.equal(alone, out[1, :rows])


@pytest.mark.parametrize("shape", ["rectangle", "rectangle_residual"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_both_ways_to_multiply_train_alike(monkeypatch, shape, activation):
    generator = torch.Generator().manual_seed(1)
    inputs, targets = torch.rand(203, 6, generator=generator), torch.rand(203, 2, generator=generator)
    experiment = NetworkExperiment(dataset="d", shape=shape, size=3000, depth=4, batch_size=32, activation=activation)
    widths, _ = layer_widths(shape, experiment.size, experiment.depth, 6, 2)

    def statistics(small_kernels: bool) -> torch.Tensor:
        monkeypatch.setattr(products, "has_small_kernels", lambda: small_kernels)
        trainer = Trainer(
            experiment,
            inputs=inputs.double(),
            targets=targets.double(),
            task_kind="regression",
            widths=widths,
            seeds=[1, 2, 3],
            dtype=torch.float64,
        )
        return torch.stack([trainer.train_epoch() for _ in range(3)])

    torch.testing.assert_close(statistics(True), statistics(False), rtol=1e-9, atol=1e-11)
