"""Experiments that need a GPU, where there is none: refused before anything starts."""

from __future__ import annotations

import pytest

import survey
from survey.cluster.connection import Cluster
from survey.errors import InputError
from survey.launch.api import prepare
from survey.launch.options import Options
from survey.launch.planning import for_cluster

CLUSTER = Cluster("head", None, num_cpus=1.0, num_gpus=0.0, node_memory=0, is_local=False)


def space(**axes) -> survey.SearchSpace:
    grid = {"dataset": "sklearn:iris", "shape": "rectangle", "size": [64, 128], "depth": 3, "epochs": 2, **axes}
    return survey.SearchSpace.model_validate({"name": "small", "repetitions": 2, "grids": [grid]})


def refusal(place: str) -> str:
    return (
        "small: 2 experiments, such as iris rectangle d3 2^7 tf32 e2, have precision tf32, which needs a GPU, and "
        f"{place} has none; launch it where there is one, join a cluster that has one (--address), or leave precision "
        "tf32 out of the search space"
    )


@pytest.mark.parametrize("function", [survey.dry_run, survey.run])
def test_a_machine_without_a_gpu_refuses_them_and_leaves_nothing(function, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(InputError) as error:
        function(space(precision=["float32", "tf32"]), out=out, num_gpus=0)
    assert str(error.value) == refusal("this launch")
    assert not out.exists()


def test_a_machine_with_a_gpu_takes_them(tmp_path):
    price = survey.dry_run(space(precision=["float32", "tf32"]), out=tmp_path / "out", num_gpus=1)
    assert price.runs_to_train == 8


def test_a_cluster_is_asked_once_it_is_joined(tmp_path):
    options = Options(out=tmp_path / "out", address="127.0.0.1:1", num_gpus=0)
    request = prepare(space(precision="tf32"), options)
    with pytest.raises(InputError) as error:
        for_cluster(request, request.plan({}), None, CLUSTER, dict)
    assert str(error.value) == refusal("the Ray cluster")
    for_cluster(prepare(space(), options), prepare(space(), options).plan({}), None, CLUSTER, dict)
