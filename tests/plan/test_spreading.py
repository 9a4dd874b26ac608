"""Experiments whose runs train one after the other, spread over the cores by their repetitions."""

from __future__ import annotations

import pytest

from survey.plan.spreading import spread
from survey.workloads.cost import CostModel
from tests.support.functions import LINE, request, write


def planned(folder, num_experiments: int, repetitions: int, epoch_s: float):
    """A plan of experiments of so many seconds an epoch, and the model that says so."""
    write(folder, LINE)
    asked = request(folder, f"[{{slope: {list(range(1, num_experiments + 1))}, epochs: 10}}]", repetitions=repetitions)
    like = asked.workload.cost_model(on_gpu=False)
    model = CostModel((epoch_s, *(0.0 for _ in like.seconds[1:])), like.trial_s, like.run_s)
    return asked.plan({}).with_costs(model), model


@pytest.mark.parametrize(
    ("num_experiments", "places", "is_measured", "epoch_s", "parts"),
    [
        (2, 8, False, 1.0, [2, 2, 2, 2] * 2),  # fewer trials than cores
        (3, 2, False, 1.0, [8] * 3),  # enough of them, and nothing is known of their time
        (2, 100, False, 1.0, [1] * 16),
        (3, 2, True, 1.0, [2, 3, 3] * 3),  # long ones: none is idle for long at the end
        (1, 4, True, 0.001, [8]),  # short ones are not worth it
        (40, 2, True, 1.0, [8] * 40),
    ],
)
def test_long_experiments_are_split_where_that_uses_the_cores_better(
    tmp_path, num_experiments, places, is_measured, epoch_s, parts
):
    plan, model = planned(tmp_path, num_experiments, 8, epoch_s)
    found = spread(plan, model, places=places, is_measured=is_measured, begun={})
    assert sorted(len(bundle.repetitions) for bundle in found.bundles) == sorted(parts)
    runs = {(bundle.experiment, number) for bundle in found.bundles for number in bundle.repetitions}
    assert len(runs) == found.num_runs_planned == plan.num_runs_planned, "nothing is lost, nothing twice"
    assert sum(bundle.training_s for bundle in found.bundles) == pytest.approx(
        sum(bundle.training_s for bundle in plan.bundles)
    )


def test_what_was_begun_stays_together(tmp_path):
    """So that it finds its checkpoint, whatever the number of cores is now."""
    plan, model = planned(tmp_path, 1, 8, 1.0)
    ((bundle),) = plan.bundles
    begun = {bundle.experiment.experiment_id: [(0, 1, 2), (3, 4, 5, 6, 7), (7, 8)]}
    for places in (1, 100):
        found = spread(plan, model, places=places, is_measured=False, begun=begun)
        assert sorted(each.repetitions for each in found.bundles) == [(0, 1, 2), (3, 4, 5, 6, 7)]
    whole = {bundle.experiment.experiment_id: [tuple(range(8))]}
    assert spread(plan, model, places=100, is_measured=False, begun=whole).bundles == plan.bundles
