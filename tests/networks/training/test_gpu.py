"""The training core on a GPU: the numbers of a CPU, to rounding, and memory that is too small."""

from __future__ import annotations

import gc
from functools import partial

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

from survey.networks.cores import block_layouts, make_block_trainer
from survey.networks.metrics import HISTORY_COLUMNS
from survey.networks.metrics import WITHOUT_VALIDATION as METRICS
from survey.networks.search_space import ACTIVATIONS
from survey.networks.training import streams
from survey.networks.training.precision import products_in
from survey.system.cuda import side_stream
from survey.trials.bundle import Bundle
from tests.support.training_cases import CASES, make_task, make_trainer, setting, widths_of

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")

ACCURACIES = [HISTORY_COLUMNS.index(name) for name in ("val_accuracy", "accuracy")]
OTHERS = [k for k in range(len(HISTORY_COLUMNS)) if k not in ACCURACIES]


def test_draws_are_those_of_a_cpu():
    for rows in (1, 7, 3918, 54_046):
        drawn = [
            streams.epoch_orders(rows, seeds=[3, 4, 5], epoch=9, device=device).cpu() for device in ("cpu", "cuda")
        ]
        assert torch.equal(*drawn)


@pytest.mark.parametrize(("kind", "outputs", "experiment"), CASES)
def test_epochs_in_float64_are_those_of_a_cpu(kind, outputs, experiment):
    inputs, targets = make_task(kind, outputs)
    cpu, gpu = (
        make_trainer(experiment, inputs, targets, kind, [1, 2, 3], dtype=torch.float64, device=device)
        for device in ("cpu", "cuda")
    )
    for _ in range(5):
        torch.testing.assert_close(gpu.train_epoch(), cpu.train_epoch(), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(("kind", "outputs", "experiment"), CASES)
def test_epochs_in_float32_stay_within_1e_3_of_a_cpu(kind, outputs, experiment):
    inputs, targets = make_task(kind, outputs, rows=1000)
    cpu, gpu = (make_trainer(experiment, inputs, targets, kind, [1, 2, 3], device=device) for device in ("cpu", "cuda"))
    for _ in range(5):
        found, expected = gpu.train_epoch(), cpu.train_epoch()
        assert (found[ACCURACIES] - expected[ACCURACIES]).abs().max() <= 3 / 200
        torch.testing.assert_close(found[OTHERS], expected[OTHERS], rtol=1e-3, atol=1e-4)


def test_side_by_side_trainers_have_the_numbers_that_they_have_alone():
    inputs, targets = make_task("classification", 3, rows=1000)
    settings = [setting(size=size) for size in (100, 300, 1000, 3000)]

    def make():
        return [make_trainer(each, inputs, targets, "classification", range(30), device="cuda") for each in settings]

    alone, together = make(), make()
    expected = [[trainer.train_epoch() for _ in range(20)] for trainer in alone]
    found = [[] for _ in together]
    for _ in range(20):
        for number, trainer in enumerate(together):
            with torch.cuda.stream(side_stream(number + 1)):
                trainer.start_epoch()
        for number, trainer in enumerate(together):
            with torch.cuda.stream(side_stream(number + 1)):
                found[number].append(trainer.end_epoch())
    for a, b in zip(expected, found, strict=True):
        assert torch.equal(torch.stack(a), torch.stack(b))


def test_a_run_has_the_numbers_of_a_smaller_bundle_to_rounding():
    inputs, targets = make_task("classification", 3, rows=1000)
    many, one = (
        make_trainer(setting(), inputs, targets, "classification", seeds, device="cuda") for seeds in (range(30), [7])
    )
    for _ in range(5):
        torch.testing.assert_close(many.train_epoch()[OTHERS][:, 7:8], one.train_epoch()[OTHERS], rtol=1e-4, atol=1e-5)


def test_products_of_tf32_are_near_those_of_float32_which_stay_as_they_are():
    a, b = torch.randn(2, 8, 256, 256, generator=torch.Generator("cuda").manual_seed(1), device="cuda")
    before = torch.bmm(a, b)
    with products_in("tf32"):
        rounded = torch.bmm(a, b)
    assert 0 < (rounded - before).norm() / before.norm() < 1e-3
    assert torch.equal(torch.bmm(a, b), before)


def test_a_trainer_in_tf32_changes_no_number_of_one_in_float32_beside_it():
    """Its graph is recorded while the other one trains."""
    inputs, targets = make_task("classification", 3, rows=1000)
    make = lambda **changes: make_trainer(  # noqa: E731
        setting(size=10_000, **changes), inputs, targets, "classification", range(30), device="cuda"
    )
    alone, beside, tf32 = make(), make(), make(precision="tf32")
    differences = []
    for _ in range(4):
        expected = alone.train_epoch()
        rounded = tf32.train_epoch()
        assert torch.equal(beside.train_epoch(), expected)
        differences.append((rounded[OTHERS] - expected[OTHERS]).abs().max().item())
    assert min(differences) > 0, "all epochs are in TF32, the recorded one and the replayed ones"
    assert differences[0] < 1e-2


def test_statistics_of_30_runs_in_tf32_have_the_distribution_of_float32():
    """Runs of other seeds, so that their draws are not the same."""
    inputs, targets = make_task("classification", 3, rows=1000)
    float32, tf32 = (
        make_trainer(setting(size=10_000, precision=precision), inputs, targets, "classification", seeds, device="cuda")
        for precision, seeds in (("float32", range(30)), ("tf32", range(30, 60)))
    )
    for _ in range(29):
        float32.train_epoch()
        tf32.train_epoch()
    expected, found = float32.train_epoch(), tf32.train_epoch()
    for name in ("val_loss", "loss", "val_accuracy", "accuracy"):
        row = HISTORY_COLUMNS.index(name)
        _, p_value = ks_2samp(found[row].numpy(), expected[row].numpy())
        assert p_value > 1e-3, name


def test_a_checkpoint_goes_from_a_cpu_to_a_gpu_and_back():
    inputs, targets = make_task("classification", 3)
    make = partial(make_trainer, setting(), inputs, targets, "classification", [1, 2, 3], dtype=torch.float64)
    straight, first, second, third = make(), make(), make(device="cuda"), make()
    for trainer, before in ((first, None), (second, first), (third, second)):
        if before:
            trainer.load_state_dict(before.state_dict())
        for _ in range(2):
            torch.testing.assert_close(trainer.train_epoch(), straight.train_epoch(), rtol=1e-8, atol=1e-12)


def test_a_bundle_that_the_gpu_does_not_hold_is_trained_in_groups(request):
    """With a cap as trials on a fraction of a GPU have it; the graphs' own memory counts."""
    request.addfinalizer(lambda: torch.cuda.set_per_process_memory_fraction(1.0))
    inputs, targets = make_task("classification", 3, rows=500)
    experiment = setting(size=1 << 20, depth=4, batch_size=256)
    make = lambda seeds: make_trainer(experiment, inputs, targets, "classification", seeds, device="cuda")  # noqa: E731
    seeds, epochs = list(range(24)), 3
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_reserved()  # libraries keep some
    whole = Bundle(lambda *, seeds: make(seeds), METRICS, seeds, epochs)
    while not whole.is_done:
        whole.start_epoch()
        whole.end_epoch()
    most = torch.cuda.max_memory_reserved()
    whole._trainer = None
    sizes = []

    def counted(*, seeds):
        sizes.append(len(seeds))
        return make(seeds)

    torch.cuda.empty_cache()
    allowed = before + 0.4 * (most - before)
    torch.cuda.set_per_process_memory_fraction(allowed / torch.cuda.mem_get_info()[1])
    parts = Bundle(counted, METRICS, seeds, epochs)
    while not parts.is_done:
        parts.start_epoch()
        parts.end_epoch()
    assert sizes[0] == 24
    assert max(sizes[1:]) <= 12
    others = np.array(OTHERS)
    np.testing.assert_allclose(parts.curves.values[others], whole.curves.values[others], rtol=1e-4, atol=1e-5)


def block_trainers(kind, outputs, experiment, seeds=(11, 12)):
    """Trainers of the block core, with each layout that it could use, and one of PyTorch in float64."""
    inputs, targets = make_task(kind, outputs)
    widths = widths_of(experiment, inputs, targets)
    make = partial(
        make_block_trainer, experiment, inputs=inputs, targets=targets, task_kind=kind, widths=widths, seeds=seeds
    )
    theirs = make_trainer(experiment, inputs, targets, kind, seeds, dtype=torch.float64)
    return [make(layout=layout) for layout in block_layouts(experiment, inputs.shape[1], widths)], theirs


BLOCK_CASES = [case for case in CASES if list(block_layouts(case[2], 6, widths_of(case[2], *make_task(*case[:2]))))]
BLOCK_ACTIVATIONS = [("classification", 3, setting(activation=name, depth=4)) for name in ACTIVATIONS]


@pytest.mark.parametrize(("kind", "outputs", "experiment"), BLOCK_CASES + BLOCK_ACTIVATIONS)
def test_the_block_core_has_the_numbers_of_a_cpu_in_float64(kind, outputs, experiment):
    ours, theirs = block_trainers(kind, outputs, experiment)
    for _ in range(5):
        expected = theirs.train_epoch()
        for trainer in ours:
            found = trainer.train_epoch().double()
            torch.testing.assert_close(found[OTHERS], expected[OTHERS], rtol=1e-5, atol=1e-6)
            assert (found[ACCURACIES] - expected[ACCURACIES]).abs().max() <= 1 / 20


@pytest.mark.parametrize("size", [300, 2**10, 2**14])
def test_a_run_in_the_block_core_has_the_same_numbers_each_time_and_in_any_bundle(size):
    """Bit for bit: a barrier that were missing would show here, sooner or later."""
    experiment = setting(size=size, depth=4, batch_size=256)
    together, again, alone = (
        block_trainers("classification", 7, experiment, seeds)[0][0] for seeds in (range(300), range(300), [7])
    )
    for _ in range(10):
        expected = together.train_epoch()
        assert torch.equal(again.train_epoch(), expected)
        assert torch.equal(alone.train_epoch()[:, 0], expected[:, 7])


def test_the_block_core_goes_on_from_a_checkpoint_bit_for_bit():
    straight, first, second = (block_trainers("classification", 3, setting())[0][0] for _ in range(3))
    for trainer in (straight, first):
        trainer.train_epoch()
    second.load_state_dict(first.state_dict())
    for _ in range(3):
        assert torch.equal(second.train_epoch(), straight.train_epoch())
