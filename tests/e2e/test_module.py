"""The user's own module, surveyed from its search space to its publication."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import analysis
from survey.export.publish.description import About
from survey.export.publish.upload import publish
from survey.launch.api import prepare
from survey.launch.options import Options
from tests.support.awaiting import await_that
from tests.support.function_trials import surveying
from tests.support.launching import SAVED_OFTEN, await_finished_run, launched, outliving, rows, site, start, statuses
from tests.support.modules import write_space

MODULES = """
from typing import Literal

from torch import nn


class Rows(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.recurrent, self.last = nn.GRU(inputs, 3, batch_first=True), nn.Linear(3, outputs)

    def forward(self, x):
        return self.last(self.recurrent(x[:, None])[0][:, -1])


def build(*, inputs, outputs, kind: Literal["dropout", "batch_norm", "gru"]):
    if kind == "gru":
        return Rows(inputs, outputs)
    layer = nn.Dropout(0.2) if kind == "dropout" else nn.BatchNorm1d(6)
    return nn.Sequential(nn.Linear(inputs, 6), layer, nn.Tanh(), nn.Linear(6, outputs))
"""
GRIDS = (
    "[{dataset: sklearn:iris, kind: [dropout, batch_norm, gru], learning_rate: 0.01, batch_size: 16, epochs: 500, "
    "optimizer: SGD}]"
)


def survey(space: Path, out: Path) -> str:
    return launched(space, "--out", out, "--no-ui")


def curves(run: pd.Series) -> np.ndarray:
    return np.stack([run["val_loss"], run["val_accuracy"], run["loss"], run["hinge"]])


@pytest.mark.launch
def test_a_module_is_surveyed_from_end_to_end(tmp_path):
    """Killed in the middle, resumed, extended by repetitions, reported, read, combined, published."""
    space, out = write_space(tmp_path, GRIDS, text=MODULES, repetitions=4), tmp_path / "out"
    killed = start(space, "--out", out, "--no-ui", "--num-cpus", 1, **site(tmp_path, SAVED_OFTEN))
    await_finished_run(out, at_least=1)
    await_that(lambda: list(out.glob("checkpoints/*.pt")) or killed.poll() is not None, every_s=0.02)
    with outliving(killed):
        os.killpg(killed.pid, signal.SIGKILL)
        killed.communicate()
    assert 0 < statuses(out)["FINISHED"] < 3 * (1 + 4)

    assert "12 of 12 runs done" in survey(space, out)
    with closing(sqlite3.connect(out / "mlflow.db")) as database:
        resumed = database.execute("SELECT value FROM tags WHERE key = 'resumed_at_epoch'").fetchall()
    assert len(resumed) == 1
    assert int(resumed[0][0]) > 1
    before = rows(out)
    assert before.groupby("kind")["repetition"].apply(sorted).tolist() == [[0, 1, 2, 3]] * 3
    assert_like_undisturbed(space, before, tmp_path / "undisturbed")

    shutil.copytree(out / "dataset", tmp_path / "before")
    write_space(tmp_path, GRIDS, text=MODULES, repetitions=6)
    assert "12 done, 6 to train" in survey(space, out)
    after = rows(out).set_index("run_id")
    assert len(after) == 18
    for _, run in before.iterrows():
        np.testing.assert_array_equal(curves(run), curves(after.loc[run.run_id]))
    assert after.groupby("repetition")["seed"].nunique().tolist() == [1] * 6, "draws are paired"

    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert "torch.vmap cannot take gru.input" in page
    assert "kind" in page
    combined = analysis.combine(tmp_path / "before", out / "dataset", out=tmp_path / "both")
    assert (combined.num_runs, combined.num_equal, combined.num_conflicts) == (18, 12, 0)
    publish(out / "dataset", str(tmp_path / "published"), About("Modules"))
    assert "kind" in (tmp_path / "published" / "README.md").read_text(encoding="utf-8")
    assert len(analysis.read(tmp_path / "published", table="all_repetitions")) == 18


def assert_like_undisturbed(space: Path, found: pd.DataFrame, out: Path) -> None:
    """Compare with trials that nobody disturbed: bit for bit, but for rounding where each was fused and not.

    Which of the two it is depends on what is measured to be faster.
    """
    with surveying(prepare(space, Options(out=out))) as held:
        held.train()
    undisturbed = rows(out).set_index("run_id")
    for _, run in found.iterrows():
        other = undisturbed.loc[run.run_id]
        if run["fused"] == other["fused"]:
            np.testing.assert_array_equal(curves(run), curves(other))
        else:
            np.testing.assert_allclose(curves(run)[:, :5], curves(other)[:, :5], rtol=1e-3)
