"""An output with a tracking store, and trials that have been trained by nobody: for tests of the exporter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from survey.dataset.history import history_table
from survey.export import update
from survey.export.prune import PruneResult, prune_artifacts
from survey.networks.columns import COLUMNS
from survey.networks.description import described
from survey.networks.experiment import NetworkExperiment
from survey.networks.metrics import HISTORY_COLUMNS, METRICS
from survey.networks.search_space import Grid, SearchSpace
from survey.networks.topology import layer_widths
from survey.output.folder import Output
from survey.tasks.prepared import PreparedTask
from survey.tracking.store import TrackingStore
from survey.tracking.trial_run import TrackedTrial, TrackingSettings, TrialRun, Waits
from tests.support.copies import copy_sqlite

EPOCHS = 5
DIGITS = PreparedTask("sklearn:iris", "classification", np.zeros((10, 4), "f4"), np.zeros((10, 3), "f4"))


ORIGIN = {
    "batch": "alpha",
    "python_version": "3.11.9",
    "torch_version": "2.11.0",
    "ray_version": "2.50.0",
    "mlflow_version": "3.10.0",
    "platform": "Linux",
    "git_hash": "c0ffee",
    "hostname": "host",
    "device": "cpu",
    "start_time": 1_760_000_000_000,
    "update_time": 1_760_000_001_000,
    "train_seconds": 0.25,
    "trial_id": "abc_00001",
}


def sweep(name: str, **changes) -> SearchSpace:
    settings = {"dataset": "sklearn:iris", "shape": "rectangle", "size": 128, "depth": 3, "epochs": EPOCHS, **changes}
    return SearchSpace(name=name, grids=(Grid.model_validate(settings),))


ALPHA = SearchSpace(
    name="alpha",
    grids=(
        *sweep("x", shape=["rectangle", "trapezoid"]).grids,
        *sweep("x", learning_rate=1e-5, label_noise=0.05).grids,
    ),
)
BETA = sweep("beta", size=[128, 256], kernel_regularizer_type=["none", "l2"], kernel_regularizer_l2=0.01)
EXPERIMENTS = list(dict.fromkeys([*ALPHA.experiments(), *BETA.experiments()]))
TABLES = ("all_repetitions", "complete_summary", "complete_executive_summary", "alpha_summary", "beta_summary")


def curves_of(experiment: NetworkExperiment, repetitions, epochs: int = EPOCHS) -> np.ndarray:
    """float32 [20, repetitions, epochs]: some runs end in NaN or infinity, and best values occur twice."""
    made = np.empty((20, len(repetitions), epochs), np.float32)
    for place, repetition in enumerate(repetitions):
        rng = np.random.default_rng([experiment.experiment_id, repetition])
        made[:, place] = rng.uniform(0.1, 3, (20, epochs)).round(1)
        if repetition % 4 == 1:
            made[:, place, 2] = np.nan
            made[3:7, place, 4] = np.inf
            made[0, place, 4] = -np.inf
        if repetition == 3:
            made[0, place] = np.nan
    return made


class Survey:
    """An output with a tracking store, and trials that have been trained by nobody."""

    location: str | None = None
    """Where artifacts go, if not to the output."""

    waits = Waits()

    given: str | None = None
    """The place of artifacts that somebody has named, which outputs may share."""

    def __init__(self, folder: Path, template: Path | None) -> None:
        """Make an output with this store, or take the one that is there."""
        self.output = Output.at(folder)
        self.output.prepare()
        self.output.record([ALPHA, BETA], {})
        if template:
            copy_sqlite(template, folder / "mlflow.db")
        self.store = TrackingStore(self.output.default_tracking_uri, output_id=self.output.output_id)

    def train(self, experiment: NetworkExperiment, repetitions=(0, 1), *, curves=None, task=DIGITS, finish=True) -> str:
        """Make a trial; return its MLflow run id."""
        location = self.location or self.output.artifacts.as_uri()
        experiment_id = self.store.open_experiment("alpha+beta", note="", artifact_location=location)
        settings = TrackingSettings(
            self.store.uri,
            experiment_id,
            all_epochs=False,
            repetition_runs=False,
            metrics=METRICS,
            sql_artifacts=self.store.sql_artifacts(experiment_id),
            waits=self.waits,
        )
        trial = TrackedTrial(experiment, repetitions, num_repetitions=9, params={}, trial_id="abc_00001")
        run = TrialRun(settings, trial)
        widths, _ = layer_widths(experiment.shape, experiment.size, experiment.depth, task.num_inputs, task.num_outputs)
        made = curves_of(experiment, repetitions) if curves is None else curves
        named = dict(zip(HISTORY_COLUMNS, made, strict=True))
        about, origin = described(experiment, task, widths), {**ORIGIN, "mlflow_run_id": run.run_id}
        table = history_table(COLUMNS, experiment, repetitions, about, named, origin)
        if finish:
            run.finish(table)
        else:
            run.kill()
        return run.run_id

    def train_all(self) -> None:
        for experiment in EXPERIMENTS:
            self.train(experiment, (0, 1, 2, 3, 4))

    def prune(self, mapper=map) -> PruneResult:
        return prune_artifacts(self.output, self.store, mapper, artifacts=self.given)

    def export(self) -> update.ExportResult:
        return update.update_dataset(self.output, self.store, artifacts=self.given)

    @property
    def folder(self) -> Path:
        return self.output.dataset

    def rows(self, table: str) -> list[str]:
        """The rows of a table as text, in order: NaN equals NaN there."""
        return sorted(repr(sorted(row.items())) for row in read(self.folder, table).to_pylist())

    def artifact(self, run_id: str) -> Path:
        return self.output.artifacts / run_id / "artifacts" / "history.parquet"


def read(folder: Path, table: str, **options) -> pa.Table:
    """Read a table as the published notebooks do."""
    schema = pq.read_schema(str(folder / table / "_common_metadata"))
    return pq.read_table(str(folder / table), schema=schema, **options)


def files(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def runs_of(folder: Path) -> dict[str, dict]:
    return {row["run_id"]: row for row in read(folder, "all_repetitions").to_pylist()}
