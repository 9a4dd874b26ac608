"""The identity of experiments and runs: the same work has the same id, and ids never change."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from survey.networks.experiment import NetworkExperiment
from survey.workloads.experiment import DRAWS, Run


def make(**changes) -> NetworkExperiment:
    return NetworkExperiment(**{"dataset": "mnist", "shape": "rectangle", "size": 1024, "depth": 3, **changes})


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ({"dataset": "pmlb:mnist"}, {}),
        ({"learning_rate": 0.0001, "batch_size": 256, "optimizer": "adam", "epochs": 3000}, {}),
        ({"kernel_regularizer_type": "l1"}, {}),
        ({"kernel_regularizer_type": "l2", "kernel_regularizer_l2": 0}, {}),
        ({"kernel_regularizer_l1": 0.5, "kernel_regularizer_l2": 0.5}, {}),
        (
            {"kernel_regularizer_type": "l1", "kernel_regularizer_l1": 0.5, "kernel_regularizer_l2": 0.25},
            {"kernel_regularizer_type": "l1", "kernel_regularizer_l1": 0.5},
        ),
        (
            {"kernel_regularizer_type": "l2", "kernel_regularizer_l1": 0.5, "kernel_regularizer_l2": 0.25},
            {"kernel_regularizer_type": "l2", "kernel_regularizer_l2": 0.25},
        ),
        ({"kernel_regularizer_type": "l1", "kernel_regularizer_l2": 0.25}, {}),
        ({"momentum": 0.9}, {}),
        ({"momentum": -0.0, "label_noise": -0.0}, {}),
        ({"optimizer": "SGD", "momentum": 0}, {"optimizer": "SGD"}),
        ({"learning_rate": 1}, {"learning_rate": 1.0}),
        ({"label_noise": 0}, {}),
        ({"label_noise": 1}, {"label_noise": 1.0}),
        ({"validation_split": 0, "train_fraction": 1}, {}),
        ({"optimizer": "ADAM"}, {}),
        ({"optimizer": "rmsprop"}, {"optimizer": "RMSprop"}),
        ({"optimizer": "AdamW"}, {}),  # which is adam without its decay
        ({"weight_decay": 0.1}, {}),
        (
            {"optimizer": "adamw", "weight_decay": 0.1, "momentum": 0.9},
            {"optimizer": "adamw", "weight_decay": 0.1},
        ),
        ({"schedule": "step"}, {}),
        ({"schedule": "step", "step_epochs": 3}, {}),
        ({"schedule": "cosine", "step_epochs": 3, "step_factor": 0.1}, {"schedule": "cosine"}),
        ({"warmup_epochs": 0, "gradient_clip": 0}, {}),
        ({"hidden_widths": [64, 32.0]}, {"hidden_widths": (64, 32), "shape": "widths", "size": 9, "depth": 2}),
        ({"hidden_widths": [], "dropout": 0.1, "activation": "tanh", "normalization": "layer"}, {"hidden_widths": ()}),
    ],
)
def test_settings_of_the_same_work_are_the_same_experiment(written, canonical):
    found, expected = make(**written), make(**canonical)
    assert found == expected
    assert found.canonical == expected.canonical
    assert found.experiment_id == expected.experiment_id


def test_the_canonical_form_is_what_is_kept():
    experiment = make(
        dataset="pmlb:sleep", momentum=0.9, kernel_regularizer_type="l1", kernel_regularizer_l1=1, label_noise=0
    )
    assert experiment.dataset == "sleep"
    assert experiment.momentum == 0.0
    assert experiment.kernel_regularizer_l1 == 1.0
    assert isinstance(experiment.kernel_regularizer_l1, float)
    assert make(kernel_regularizer_type="l2").kernel_regularizer_type is None


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset": "sleep"},
        {"dataset": "sklearn:mnist"},
        {"shape": "trapezoid"},
        {"shape": "rectangle_residual"},
        {"size": 2048},
        {"depth": 4},
        {"learning_rate": 1e-3},
        {"batch_size": 128},
        {"optimizer": "SGD"},
        {"optimizer": "RMSprop"},
        {"optimizer": "SGD", "momentum": 0.9},
        {"kernel_regularizer_type": "l1", "kernel_regularizer_l1": 0.01},
        {"kernel_regularizer_type": "l2", "kernel_regularizer_l2": 0.01},
        {"label_noise": 0.05},
        {"activation": "tanh"},
        {"epochs": 300},
        {"task_content": "00"},
        {"draws": "independent"},
        {"validation_split": 0.1},
        {"train_fraction": 0.5},
        {"optimizer": "adamw", "weight_decay": 0.01},
        {"schedule": "cosine"},
        {"schedule": "linear"},
        {"schedule": "step", "step_epochs": 10, "step_factor": 0.1},
        {"warmup_epochs": 5},
        {"gradient_clip": 1.0},
        {"initialization": "he_normal"},
        {"dropout": 0.1},
        {"normalization": "layer"},
        {"precision": "tf32"},
        {"hidden_widths": (10, 10)},
        {"hidden_widths": ()},
    ],
)
def test_other_work_has_another_id(changes):
    assert make(**changes).experiment_id != make().experiment_id
    assert make(**changes).canonical != make().canonical


# Ids name directories of results that others hold: if one of these has to be changed, TRAINING_VERSION goes up.
FROZEN_1 = [
    (make(), 8617331666232749195),
    (
        # the first of the quickstart, as of version 0.1.0
        make(dataset="sklearn:digits", size=256, learning_rate=0.003, batch_size=128, epochs=120),
        8199299643637877479,
    ),
    (
        NetworkExperiment(
            dataset="537_houses",
            shape="wide_first_2x_residual",
            size=4096,
            depth=5,
            optimizer="SGD",
            momentum=0.9,
            learning_rate=0.01,
            batch_size=64,
            kernel_regularizer_type="l2",
            kernel_regularizer_l2=0.0003125,
            epochs=300,
        ),
        1461690295469689756,
    ),
    (
        NetworkExperiment(
            dataset="mine", shape="trapezoid", size=500, depth=2, label_noise=0.05, task_content="ab" * 32
        ),
        1974206680078148388,
    ),
]


FROZEN = [experiment for experiment, _ in FROZEN_1]
FROZEN_2 = [
    (make(), 7359199396667335873),
    (make(draws="independent"), 7555635624932459397),
    (FROZEN[1], 5072544352636954663),
    (FROZEN[2], 4463395026770541534),
    (FROZEN[3], 2783499986706287986),
    (make(dataset="sklearn:iris", hidden_widths=(64, 32), epochs=3), 7842222005501820390),
    (make(dataset="sklearn:iris", hidden_widths=(), epochs=3), 5431482840865683795),
]


@pytest.mark.parametrize(("experiment", "experiment_id"), FROZEN_1)
def test_ids_of_version_1_never_change(experiment, experiment_id):
    recorded = {**experiment.to_dict(), "training_version": 1}
    assert NetworkExperiment(**recorded).experiment_id == experiment_id
    # Nor did its records say their version, or how runs draw.
    for name in ("training_version", "draws"):
        del recorded[name]
    assert NetworkExperiment.from_record(recorded).experiment_id == experiment_id
    assert NetworkExperiment.from_record(recorded).draws == "independent"


@pytest.mark.parametrize(("experiment", "experiment_id"), FROZEN_2)
def test_ids_never_change(experiment, experiment_id):
    assert experiment.experiment_id == experiment_id


def test_ids_of_two_versions_never_meet():
    for experiment in [*FROZEN, make(draws="independent")]:
        assert dataclasses.replace(experiment, training_version=1).experiment_id != experiment.experiment_id


@pytest.mark.parametrize("version", [0, 3, "2"])
def test_a_version_that_is_not_known_is_refused(version):
    with pytest.raises(ValueError, match=r"training_version .* is unknown; expected one of"):
        make(training_version=version)


def test_the_id_is_a_hash_of_the_canonical_json():
    text = '{"dataset":"mnist","depth":3,"shape":"rectangle","size":1024,"training_version":2}'
    assert make().experiment_id == int(hashlib.sha256(text.encode()).hexdigest()[:16], 16) // 2


def test_fields_at_their_defaults_are_left_out_of_the_canonical_form():
    required = {"dataset": "mnist", "shape": "rectangle", "size": 1024, "depth": 3, "training_version": 2}
    assert make().canonical == required
    assert make(epochs=300).canonical == {**required, "epochs": 300}
    # Only the values: an id made before a field existed stays what it was.
    for field in dataclasses.fields(NetworkExperiment):
        if field.default is not dataclasses.MISSING:
            assert make(**{field.name: field.default}).experiment_id == make().experiment_id


def test_the_defaults_are_butters():
    found = {f.name: f.default for f in dataclasses.fields(NetworkExperiment) if f.default is not dataclasses.MISSING}
    assert found == {
        "learning_rate": 1e-4,
        "batch_size": 256,
        "optimizer": "adam",
        "momentum": 0.0,
        "kernel_regularizer_type": None,
        "kernel_regularizer_l1": 0.0,
        "kernel_regularizer_l2": 0.0,
        "label_noise": 0.0,
        "activation": "relu",
        "validation_split": 0.0,
        "train_fraction": 1.0,
        "weight_decay": 0.0,
        "schedule": "constant",
        "warmup_epochs": 0,
        "step_epochs": 0,
        "step_factor": 1.0,
        "gradient_clip": 0.0,
        "initialization": "glorot_uniform",
        "dropout": 0.0,
        "normalization": "none",
        "precision": "float32",
        "hidden_widths": None,
        "epochs": 3000,
        "task_content": "",
        "draws": "paired",  # but for this one, as comparisons of its own are what a survey is made for
        "training_version": 2,
    }


@given(
    size=st.integers(1, 1 << 40), depth=st.integers(2, 255), rate=st.floats(1e-8, 10), repetition=st.integers(0, 65534)
)
def test_ids_and_seeds_have_63_bits(size, depth, rate, repetition):
    for draws in DRAWS:
        experiment = make(size=size, depth=depth, learning_rate=rate, draws=draws)
        assert 0 <= experiment.experiment_id < 1 << 63
        assert 0 <= Run(experiment, repetition).seed < 1 << 63


def test_the_high_bits_of_ids_are_used():
    ids = [make(size=size).experiment_id for size in range(1, 200)]
    assert max(ids) > 1 << 62
    assert len(set(ids)) == len(ids)


def test_an_experiment_survives_json():
    for experiment in [*FROZEN, make(hidden_widths=(3, 4))]:
        assert NetworkExperiment.from_record(json.loads(json.dumps(experiment.to_dict()))) == experiment


def test_an_experiment_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make().size = 3


@pytest.mark.parametrize(
    ("experiment", "repetition", "run_id", "seed"),
    [
        (make(training_version=1), 0, "7796e97e6d872c8b-0000", 5982200792720196544),
        (make(training_version=1), 1, "7796e97e6d872c8b-0001", 817671388827828490),
        (make(), 0, "662120dc4da024c1-0000", 4797032581660979665),
        (make(), 1, "662120dc4da024c1-0001", 4877655962986852001),
        (make(draws="independent"), 0, "68db0291c462c385-0000", 9133822299446828935),
    ],
)
def test_names_and_seeds_of_runs_never_change(experiment, repetition, run_id, seed):
    run = Run(experiment, repetition)
    assert run.run_id == run_id
    assert run.seed == seed


def test_a_run_is_the_beginning_of_a_longer_one_unless_its_schedule_ends_with_it():
    for schedule in ({}, {"schedule": "step", "step_epochs": 5, "step_factor": 0.1}, {"warmup_epochs": 5}):
        assert make(epochs=300, **schedule).prefix_id == make(epochs=3000, **schedule).prefix_id
    for schedule in ("cosine", "linear"):
        assert make(epochs=300, schedule=schedule).prefix_id != make(epochs=3000, schedule=schedule).prefix_id


def test_small_ids_are_padded_so_that_names_sort():
    small = cast(NetworkExperiment, SimpleNamespace(experiment_id=255))
    assert Run(small, 12).run_id == "00000000000000ff-0012"


def test_independent_runs_have_seeds_of_their_own():
    independent = [dataclasses.replace(experiment, draws="independent") for experiment in FROZEN]
    seeds = {Run(experiment, number).seed for experiment in independent for number in range(50)}
    assert len(seeds) == 50 * len(FROZEN)


def test_paired_runs_share_a_seed_by_task_content_and_repetition_alone():
    others = [{"shape": "trapezoid"}, {"size": 9}, {"depth": 9}, {"learning_rate": 1}, {"batch_size": 1}]
    others += [{"validation_split": 0.1}, {"train_fraction": 0.5}]
    others += [{"label_noise": 0.1}, {"epochs": 1}, {"optimizer": "SGD", "momentum": 0.9}, {"activation": "elu"}]
    assert {Run(make(**each), 7).seed for each in others} == {Run(make(), 7).seed}
    own = [{}, {"dataset": "sleep"}, {"task_content": "00"}, {"task_content": "01"}]
    assert len({Run(make(**each), number).seed for each in own for number in range(50)}) == 50 * len(own)


@pytest.mark.parametrize(
    ("experiment", "label"),
    [
        (make(), "mnist rectangle d3 2^10"),
        (make(dataset="sklearn:digits", size=1000), "digits rectangle d3 1000"),
        (make(size=1 << 25), "mnist rectangle d3 2^25"),
        (
            dataclasses.replace(FROZEN[2], epochs=3000),
            "537_houses wide_first_2x_residual d5 2^12 lr0.01 b64 SGD mu0.9 l2=0.0003125",
        ),
        (FROZEN[3], "mine trapezoid d2 500 noise0.05"),
        (make(activation="tanh", learning_rate=1e-5), "mnist rectangle d3 2^10 lr1e-05 tanh"),
        (make(validation_split=0.1, train_fraction=0.25), "mnist rectangle d3 2^10 val0.1 train0.25"),
        (make(kernel_regularizer_type="l1", kernel_regularizer_l1=0.32), "mnist rectangle d3 2^10 l1=0.32"),
        (
            make(optimizer="adamw", weight_decay=0.01, schedule="cosine", warmup_epochs=5, gradient_clip=1),
            "mnist rectangle d3 2^10 adamw wd0.01 cosine warmup5 clip1",
        ),
        (make(initialization="he_normal", dropout=0.5), "mnist rectangle d3 2^10 he_normal dropout0.5"),
        (make(normalization="layer", precision="tf32"), "mnist rectangle d3 2^10 norm-layer tf32"),
        (make(hidden_widths=(64, 32)), "mnist 64-32"),
        (make(hidden_widths=(), epochs=30), "mnist linear e30"),
        (make(schedule="step", step_epochs=10, step_factor=0.1), "mnist rectangle d3 2^10 step every10 x0.1"),
    ],
)
def test_labels_name_what_is_not_default(experiment, label):
    assert experiment.label == label


def test_names_by_axes_begin_with_their_values_and_tell_the_rest_once():
    experiment = make(dataset="sklearn:digits", learning_rate=0.003, label_noise=0.1)
    assert experiment.named_by(["size", "learning_rate"]) == "2^10 lr0.003 digits rectangle d3 noise0.1"
    assert experiment.named_by(["batch_size"]) == "b256 digits rectangle d3 2^10 lr0.003 noise0.1"
    assert experiment.named_by([]) == experiment.label
    penalised = make(kernel_regularizer_type="l1", kernel_regularizer_l1=0.32)
    axes = [f"kernel_regularizer_{each}" for each in ("type", "l1", "l2")]
    assert penalised.named_by(axes) == "l1=0.32 mnist rectangle d3 2^10"
    assert make().named_by(axes) == make().label


def test_experiments_of_other_lengths_have_other_labels():
    assert make(epochs=300).label != make().label
