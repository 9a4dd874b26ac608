"""Networks whose widths were given: no tolerance, an exact size, and all else as for others."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from survey.dataset.history import history_table
from survey.networks import sample
from survey.networks.columns import COLUMNS
from survey.networks.cost import epoch_work
from survey.networks.data import NetworkData
from survey.networks.description import described
from survey.networks.experiment import NetworkExperiment
from survey.networks.needs import NetworkNeeds
from survey.networks.sample import Part
from survey.networks.search_space import Grid, SearchSpace
from survey.networks.sizes import check_sizes
from survey.networks.workload import WORKLOAD
from survey.tasks.loading import TaskDescription, load
from survey.workloads.experiment import Run

IRIS = TaskDescription("sklearn:iris", "classification", 150, 4, 3, False)
GIVEN = NetworkExperiment(dataset="sklearn:iris", shape="", size=0, depth=0, hidden_widths=(64, 32), epochs=3)
COUNT = 5 * 64 + 65 * 32 + 33 * 3


@pytest.mark.parametrize(
    ("hidden", "widths", "count"), [((64, 32), (64, 32, 3), COUNT), ((), (3,), 15), ((1,), (1, 3), 11)]
)
def test_no_network_is_left_out_and_its_size_is_exact(hidden, widths, count):
    needs = NetworkNeeds.of(replace(GIVEN, hidden_widths=hidden), IRIS)
    assert needs
    assert needs.details == {"widths": list(widths), "num_free_parameters": count, "size": count}
    assert needs.work(3).flops > 0
    assert needs.sample(2, device="cpu", seconds=0.01, packed=1).epoch_s > 0


def test_its_row_says_what_that_of_others_does():
    task = load("sklearn:iris", {})
    row = described(replace(GIVEN, normalization="layer"), task, (64, 32, 3))
    assert (row["size"], row["num_free_parameters"]) == (COUNT, COUNT + 2 * 96)
    assert [layer["activation"] for layer in json.loads(row["network_structure"])["layers"]] == ["relu"] * 2 + [
        "softmax"
    ]
    linear = described(replace(GIVEN, hidden_widths=()), task, (3,))
    assert (linear["size"], linear["input_activation"], linear["output_activation"]) == (15, "softmax", "softmax")


def test_what_is_recorded_before_training_is_asked_for_by_a_space():
    spaces = [SearchSpace(name="x", grids=[Grid(dataset="sklearn:iris", widths=[[4]])], record_initial=asked)
              for asked in (False, True)]  # fmt: skip
    plain, asked = (NetworkData([space]).needs(GIVEN) for space in spaces)
    assert plain
    assert asked
    assert "record_initial" not in plain.details
    task = load("sklearn:iris", {})
    training = WORKLOAD.training(GIVEN, asked.details, {"sklearn:iris": task}, torch.device("cpu"))
    assert training.of_runs
    seeds = [Run(GIVEN, number).seed for number in (0, 1)]
    table = history_table(COLUMNS, GIVEN, [0, 1], training.columns, training.of_runs(seeds), {})
    assert table["initial_val_loss"].null_count == 0
    assert table["initial_validation_loss"].null_count == 2
    assert table["val_loss"].null_count == 2
    assert WORKLOAD.training(GIVEN, plain.details, {"sklearn:iris": task}, torch.device("cpu")).of_runs is None


def test_it_costs_what_the_same_network_of_a_shape_does():
    shaped = NetworkExperiment(dataset="sklearn:iris", shape="rectangle", size=64, depth=3, epochs=3)
    needs = NetworkNeeds.of(shaped, IRIS)
    assert needs
    given = replace(GIVEN, hidden_widths=needs.widths[:-1])
    work = epoch_work(given, IRIS, needs.widths, needs.num_free_parameters, runs=2)
    assert work == needs.work(2)


def test_a_space_of_given_widths_always_has_something_to_train():
    space = SearchSpace(name="x", grids=[Grid(dataset="sklearn:iris", widths=[[1]])])
    check_sizes([space], {}, lambda _: IRIS)


@pytest.mark.parametrize("hidden", [(64, 64), ()])
def test_a_pilot_measures_a_smaller_network_of_the_same_form(monkeypatch, hidden):
    monkeypatch.setattr(sample, "_MOST_PARAMETERS", 10)
    part = Part(replace(GIVEN, hidden_widths=hidden), IRIS, (*hidden, 3), 100, runs=1, on_gpu=False)
    found = sample._smaller(part)
    assert found.widths == (*(1 for _ in hidden), 3)
