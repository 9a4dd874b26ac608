"""How long it takes to plan all published sweeps at once: `python -m benchmarks.planning`.

Each plan is made by `python -m survey.launch ... --dry-run --json` in a process of its own, without any data: first for
an empty output, then for one that holds 100,000 finished runs, of experiments drawn from all sweeps, so that they lie
in thousands of partitions. Then it looks through these as a launch does before an export.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa

from survey.dataset.layout import REPETITIONS, partition_file, partition_of
from survey.dataset.partition import conform, write_common_metadata
from survey.dataset.schema import repetition_schema
from survey.dataset.table_writer import write_table
from survey.export.update import exported_partitions
from survey.networks.columns import COLUMNS
from survey.networks.experiment import NetworkExperiment
from survey.networks.topology import layer_widths, within_tolerance
from survey.output.folder import Output
from survey.spaces.yaml_file import load_space
from survey.tasks.loading import describe

SWEEPS = (
    "primary_sweep",
    "300_epoch_sweep",
    "30k_epoch_sweep",
    "learning_rate_sweep",
    "label_noise_sweep",
    "batch_size_sweep",
    "regularization_sweep",
    "optimizer_sweep",
)
EXPERIMENTS, RUNS_EACH = 10_000, 10


def fill(folder: Path) -> int:
    """Make an output with finished runs, of which only the columns that a plan reads have values; return partitions."""
    output = Output.at(folder)
    output.prepare()
    table = output.dataset / REPETITIONS
    schema = repetition_schema(COLUMNS, list(SWEEPS))
    write_common_metadata(table, schema)
    in_file = pa.schema([field for field in schema if field.name not in COLUMNS.partition])
    experiments = dict.fromkeys(e for sweep in SWEEPS for e in load_space(sweep).experiments())
    within = [experiment for experiment in experiments if _is_within(experiment)]
    by_partition: dict[str, list[NetworkExperiment]] = {}
    for experiment in random.Random(0).sample(within, EXPERIMENTS):
        by_partition.setdefault(partition_of(experiment, COLUMNS), []).append(experiment)
    for partition, members in by_partition.items():
        ids = [experiment.experiment_id for experiment in members for _ in range(RUNS_EACH)]
        numbers = list(range(RUNS_EACH)) * len(members)
        runs = [f"{experiment.experiment_id:032x}" for experiment in members for _ in range(RUNS_EACH)]
        rows = pa.table(
            {
                "experiment_id": pa.array(ids, pa.uint64()),
                "repetition": pa.array(numbers, pa.uint16()),
                "mlflow_run_id": runs,
            }
        )
        file = partition_file(table, partition)
        file.parent.mkdir(parents=True)
        write_table(conform(rows, in_file, COLUMNS), file)
    return len(by_partition)


def _is_within(experiment: NetworkExperiment) -> bool:
    task = describe(experiment.dataset, may_guess=True)
    shape = (experiment.shape, experiment.size, experiment.depth, task.num_inputs, task.num_outputs)
    return within_tolerance(layer_widths(*shape)[1], experiment.size)


def plan(folder: Path) -> None:
    """Plan all sweeps for an output, and print what it took."""
    command = [sys.executable, "-m", "survey.launch", *SWEEPS, "--dry-run", "--json", "--out", str(folder)]
    nothing = {"SURVEY_PMLB_DIR": str(folder / "none"), "SURVEY_CACHE_DIR": str(folder / "none")}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    answer = subprocess.run(command, stdout=subprocess.PIPE, check=True, env={**os.environ, **nothing})
    took = time.perf_counter() - began
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = json.loads(answer.stdout)
    print(
        f"{found['experiments_new']:,} experiments and {found['runs_to_train']:,} runs to train in "
        f"{sum(found['trials'].values()):,} trials, {found['runs_done']:,} runs done: {took:.1f} s "
        f"({usage.ru_utime + usage.ru_stime - before.ru_utime - before.ru_stime:.1f} s of CPU), "
        f"{usage.ru_maxrss / 1e6:.2f} GB at most so far"
    )


def look(folder: Path) -> None:
    """Look for partitions with something to do, as a launch does between two Tune runs, and print what it took."""
    began = time.process_time()
    sweeps = {name: frozenset(each.experiment_id for each in load_space(name).experiments()) for name in SWEEPS}
    expanded = time.process_time()
    partitions, _ = exported_partitions(Output.at(folder).dataset, sweeps, frozenset())
    looked = time.process_time()
    print(
        f"before an export: {expanded - began:.1f} s of CPU for the sweeps, and {looked - expanded:.1f} s to look "
        f"at {len(partitions):,} partitions"
    )


def main() -> None:
    """`python -m benchmarks.planning`."""
    with tempfile.TemporaryDirectory() as folder:
        plan(Path(folder) / "empty")
        partitions = fill(Path(folder) / "filled")
        print(f"{EXPERIMENTS * RUNS_EACH:,} finished runs in {partitions:,} partitions:")
        plan(Path(folder) / "filled")
        look(Path(folder) / "filled")


if __name__ == "__main__":
    main()
