"""What the operations of training cost on a core or a GPU: `python -m benchmarks.costs --device cuda`.

Trains small parts of trials that are drawn over all sizes, depths, minibatches and optimizers of the published sweeps,
and fits the coefficients of `survey.networks.cost` to them, which a dry run without a pilot counts with.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from survey.networks.cost import Work, default_model
from survey.networks.search_space import SearchSpace
from survey.networks.workload import WORKLOAD
from survey.plan.bundles import PlannedBundle
from survey.plan.make_plan import Device, make_plan
from survey.plan.pilot import fit_costs
from survey.workloads.cost import CostModel, Sample

_GRID = {
    "dataset": ["201_pol", "wine_quality_white", "connect_4", "mnist"],
    "shape": ["rectangle", "wide_first_2x"],
    "size": {"powers_of_two": [5, 22]},
    "depth": [2, 4, 10],
    "batch_size": [32, 256],
    "optimizer": ["adam", "SGD"],
}
_HELD = 0.01
_MEASURE_S = 0.5


def _trials(on_gpu: bool) -> list[PlannedBundle]:
    """All of them, in an order that is as good as random."""
    space = SearchSpace.model_validate({"name": "costs", "repetitions": 30, "grids": [_GRID]})
    needs, model = partial(WORKLOAD.data([space]).needs, may_guess=True), default_model(on_gpu=on_gpu)
    plan = make_plan([space], contents={}, needs=needs, device=Device(model, on_gpu))
    return sorted(plan.bundles, key=lambda trial: trial.experiment.experiment_id)


def _fit(samples: list[Sample], like: CostModel) -> CostModel:
    model, _ = fit_costs([each.work for each in samples], [each.epoch_s for each in samples], like, _HELD)
    return model


def main() -> None:
    """Measure for some time, and print the coefficients and how far off they are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", default="cpu", help="where to train (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=120.0, help="time to measure for (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=30, help="repetitions of each trial (default: %(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    on_gpu = args.device == "cuda"
    ends, samples = time.perf_counter() + args.seconds, []
    for trial in _trials(on_gpu):
        if time.perf_counter() > ends:
            break
        part = replace(trial, repetitions=trial.repetitions[: args.runs])
        sample = part.needs.sample(len(part.repetitions), device=args.device, seconds=_MEASURE_S, packed=1)
        samples.append(sample)
        print(f"{part.experiment.label:90}{1e3 * sample.epoch_s:10.2f} ms an epoch", flush=True)
    model = _fit(samples, default_model(on_gpu=on_gpu))
    print("\nseconds for one of each:")
    for name, seconds in zip(Work._fields, model.seconds, strict=True):
        print(f"  {name:12} {seconds:.2g}")
    for name, each in (("fitted", model), ("built in", default_model(on_gpu=on_gpu))):
        ratios = np.array([sample.epoch_s / each.epoch_s(sample.work) for sample in samples])
        tenth, median, ninth = np.quantile(ratios, (0.1, 0.5, 0.9))
        print(f"measured over expected, {name}: {tenth:.2f} / {median:.2f} / {ninth:.2f} (quantiles 0.1, 0.5, 0.9)")


if __name__ == "__main__":
    main()
