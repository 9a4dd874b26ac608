"""What the pilot finds out about a function: seconds and memory, and what follows from them for its trials."""

from __future__ import annotations

import textwrap

import pytest

from survey.functions.measurements import MemoryModel, measure
from survey.functions.trainer import Calls
from survey.plan.gpu_sharing import fraction_for
from survey.plan.pilot import fit_costs, run_pilot
from survey.trials.messages import trial_config
from survey.trials.tune import resources
from tests.support.functions import request, server, space, write

MIB = 1 << 20

TAKES = textwrap.dedent("""
    import time
    def train(*, seed, megabytes: int, epochs: int = 3):
        for epoch in range(epochs):
            taken = bytearray(megabytes << 20)
            time.sleep(0.002 * megabytes)
            del taken
            yield {"test_loss": 1.0}
""")


def test_the_memory_of_a_run_is_what_it_takes_at_most_beyond_what_it_shares(tmp_path):
    with server(tmp_path, TAKES) as found:
        (experiment,) = space(tmp_path, "[{megabytes: 100}]").experiments()
        calls = Calls(found, experiment, "test_loss", frozenset(), "cpu", str(tmp_path))
        seconds, num_bytes = measure(calls, seconds=0.01)
        assert 100 * MIB <= num_bytes < 110 * MIB, "also where it has been given back"
        assert seconds >= 0.2
        assert measure(calls, seconds=60)[1] >= 100 * MIB, "and where the run has ended"


def test_trials_ask_for_the_memory_that_the_pilot_has_seen(tmp_path):
    write(tmp_path, TAKES)
    asked = request(tmp_path, "[{megabytes: [10, 20, 40], epochs: 2}]", repetitions=20)
    plan = asked.plan({})
    assert {bundle.bundle_bytes for bundle in plan.bundles} == {0}, "nothing is known"
    pilot = run_pilot(
        plan, asked.workload.cost_model(on_gpu=False), budget_s=600.0
    )  # each sample ends after two epochs
    costs = {each.experiment.megabytes: each for each in plan.with_costs(pilot.model).bundles}
    for megabytes, bundle in costs.items():
        assert megabytes * MIB <= bundle.bundle_bytes < 3 * megabytes * MIB, "of one run, as the others come after it"
    assert costs[40].training_s > costs[10].training_s
    asked.data.forget_measurements()
    assert {bundle.bundle_bytes for bundle in asked.plan({}).bundles} == {0}


def test_memory_is_linear_in_the_axes_and_no_less_than_was_measured():
    model = MemoryModel()
    assert model.estimate((1, 0.5)) == 0
    for size, num_bytes in [(0.25, 350), (0.5, 600), (1, 1100)]:
        model.note((1, size), num_bytes * MIB)
    assert model.estimate((1, 0.75)) == pytest.approx(850 * MIB, rel=1e-6)
    model.note((1, 0.5), 900 * MIB)
    assert model.estimate((1, 0.5)) >= 900 * MIB
    model.note((1, 0.5), 0)
    assert model.estimate((1, 0.5)) == 0, "as one could not be measured"


class Measured:
    """A device on which each run has taken so much."""

    def __init__(self, num_bytes: int) -> None:
        self._num_bytes = num_bytes

    def run_bytes(self, experiment: object) -> int:
        return self._num_bytes

    def epoch_s(self, experiment: object, *, device: str, seconds: float) -> float:
        return 1.0


@pytest.mark.parametrize(("gibibytes", "share"), [(0, 1.0), (1, 0.125), (6, 0.5), (30, 1.0)])
def test_a_trial_on_a_gpu_gets_the_share_that_it_has_taken_or_a_whole_one(tmp_path, gibibytes, share):
    write(tmp_path, TAKES)
    asked = request(tmp_path, "[{megabytes: 1}]", repetitions=5)
    asked.data.measurements.run_bytes = Measured(gibibytes << 30).run_bytes
    asked.data.measurements.epoch_s = Measured(0).epoch_s
    plan = asked.plan({}, on_gpu=True)
    pilot = run_pilot(plan, asked.workload.cost_model(on_gpu=True))
    plan = plan.with_costs(pilot.model).on_gpus(lambda num_bytes: fraction_for(num_bytes, 16 << 30))
    assert [bundle.num_gpus for bundle in plan.bundles] == [share]
    assert resources(trial_config(plan.bundles), node_memory=0).required_resources == {"CPU": 1, "GPU": share}


def test_what_a_trial_takes_beside_its_epochs_does_not_depend_on_how_quick_these_are(tmp_path):
    """A function of 5 ms an epoch is 200 times as quick as nothing that is known of it."""
    write(tmp_path, TAKES)
    like = request(tmp_path, "[{megabytes: 1}]").workload.cost_model(on_gpu=False)
    model, _ = fit_costs([(1.0, 1.0), (1.0, 0.5)], [0.005, 0.005], like)  # pyright: ignore[reportArgumentType]
    assert (model.trial_s, model.run_s) == (like.trial_s, like.run_s)
    cost_s, training_s = model.bundle_s((1.0, 1.0), epochs=2, runs=3)  # pyright: ignore[reportArgumentType]
    assert cost_s > training_s + 0.1
