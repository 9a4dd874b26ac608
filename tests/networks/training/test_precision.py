"""The precision of matrix products: set for a trainer's own products alone, and refused where it cannot be had."""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from survey.errors import InputError
from survey.networks.needs import NetworkNeeds
from survey.networks.training import loop
from survey.networks.training.precision import check_precision, products_in
from survey.tasks.loading import TaskDescription
from tests.support.training_cases import make_task, make_trainer, setting

PRODUCTS = torch.backends.cuda.matmul


class SettingsSeen(TorchDispatchMode):
    """Notes what the setting of torch was at each of its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seen.add(PRODUCTS.fp32_precision)
        return func(*args, **(kwargs or {}))


def test_the_setting_of_the_process_holds_again_after_an_error_too():
    before = PRODUCTS.fp32_precision
    with products_in("tf32"):
        assert PRODUCTS.fp32_precision == "tf32"
    assert PRODUCTS.fp32_precision == before
    with pytest.raises(ZeroDivisionError), products_in("tf32"):
        _ = 1 / 0
    assert PRODUCTS.fp32_precision == before


@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_all_that_a_trainer_queues_has_the_precision_of_its_experiment(precision, monkeypatch):
    """On a CPU, which computes in float32 whatever is set."""
    monkeypatch.setattr(loop, "check_precision", lambda *_: None)
    before = PRODUCTS.fp32_precision
    inputs, targets = make_task("classification", 3)
    trainer = make_trainer(setting(precision=precision), inputs, targets, "classification", [1, 2])
    for act in (trainer.start_epoch, trainer.evaluate):
        with SettingsSeen() as settings:
            act()
        assert settings.seen == {before if precision == "float32" else "tf32"}
        assert PRODUCTS.fp32_precision == before


def test_a_cpu_does_not_train_in_tf32():
    inputs, targets = make_task("classification", 3)
    with pytest.raises(InputError, match=r"precision tf32: expected an NVIDIA GPU .* 8\.0 or higher, .* is cpu; train"):
        make_trainer(setting(precision="tf32"), inputs, targets, "classification", [1])


@pytest.mark.parametrize(("capability", "is_refused"), [((7, 0), True), ((8, 0), False), ((9, 0), False)])
def test_an_old_gpu_does_not_either(capability, is_refused, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla V100")
    check_precision("float32", torch.device("cuda"))
    if is_refused:
        with pytest.raises(InputError, match=r"and Tesla V100 has 7\.0; train it on such a GPU, or in"):
            check_precision("tf32", torch.device("cuda"))
    else:
        check_precision("tf32", torch.device("cuda"))


def test_a_pilot_without_a_gpu_measures_float32():
    needs = NetworkNeeds.of(setting(precision="tf32"), TaskDescription("x", "classification", 100, 6, 3, guessed=False))
    assert needs
    assert needs.sample(2, device="cpu", seconds=0.01, packed=1).epoch_s > 0
