"""A Ray Tune trial: the repetitions of one experiment, trained as one array, tracked epoch by epoch.

On a GPU a trial may pack several experiments, each of which alone would leave most of the GPU idle. Their epochs are
queued side by side, each experiment's on a stream of its own. No number depends on what else is trained.
"""

from __future__ import annotations

import socket
import time
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ray import tune

from survey.errors import FATAL_ERRORS, OutputError, TrackingAwayError
from survey.output.folder import is_output
from survey.plan.bundles import resource_name
from survey.system.gc_pause import collector_paused
from survey.trials.messages import TrialReport, TrialSettings, configs_of, last_line

if TYPE_CHECKING:
    import torch

    from survey.trials.experiment_training import ExperimentTraining

RETRIES = 2
"""How often a trial, or an experiment of a packed one, is tried again before the survey goes on without it.

The loss of a worker does not count if the trial has made progress since the last loss (`survey.trials.lost_workers`).
"""


class SurveyTrial(tune.Trainable):
    """Trains one experiment, or several packed ones, for a second or more between two reports.

    Tune reuses an actor for one trial after another, and may set it up for one trial, then give it another. So all
    state of a trial is made by its first step, in `_begin` and `_open`, and not by `setup`.
    """

    def setup(  # pyright: ignore[reportIncompatibleMethodOverride] (`tune.with_parameters` adds the settings)
        self, config: dict[str, Any], *, settings: TrialSettings
    ) -> None:
        """Take what all trials share, and import what they need.

        Args:
            config: What `survey.trials.messages.trial_config` has made.
            settings: What all trials share, from Ray's object store.
        """
        self._settings = settings
        self._configs = configs_of(config)
        self._experiments: dict[int, ExperimentTraining] = {}
        self._to_open: set[int] = set()
        # Not at the top of the module, as the driver, which names this class, needs none of it.
        with collector_paused():
            import survey.trials.experiment_training  # noqa: F401

    def __repr__(self) -> str:
        """Name the actor in Ray's dashboard, from its first trial on, by what all its trials have in common."""
        return f"trials of {self._settings.origin['batch']} on {resource_name(self._configs[0]['num_gpus'])}"

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take another trial in the same process."""
        self.cleanup()
        self._configs = configs_of(new_config)
        return True

    def _begin(self) -> None:
        """Make what the experiments of the trial share; `_open` opens each of them.

        Raises:
            OutputError: This machine lacks the output folder, perhaps because it joined the cluster late.
        """
        from survey.trials.experiment_training import TrialContext

        folder, output_id = self._settings.checkpoints.parent, self._settings.output_id
        if output_id is not None and not is_output(folder, output_id):
            raise OutputError(f"{socket.gethostname()} lacks the output folder {folder}, which its trials write to")
        device = _device(self._configs[0]["num_gpus"])
        is_packed = len(self._configs) > 1
        self._context = TrialContext(self._settings, self.trial_id, device, is_packed)
        self._attempts: Counter[int] = Counter()
        self._failed: dict[int, str] = {}
        self._to_open = set(range(len(self._configs)))

    def _open(self, number: int) -> None:
        """Open an experiment of the trial, to train it from its beginning or from its checkpoint."""
        from survey.system.cuda import side_stream
        from survey.trials.experiment_training import ExperimentTraining

        is_side_by_side = self._context.is_packed and self._context.device.type == "cuda"
        stream = side_stream(number + 1) if is_side_by_side else None
        training = ExperimentTraining(self._configs[number], self._context, stream)
        training.open()
        self._experiments[number] = training

    def step(self) -> dict[str, Any]:
        """Train for about `report_every_s`; at the last epoch, store the history and finish.

        Returns:
            A `TrialReport`. After a fatal error, a checkpoint has what is trained, if one could be written.

        Raises:
            Exception: The experiment has failed.
        """
        try:
            return dict(self._step())
        except FATAL_ERRORS as error:
            for each in self._experiments.values():
                each.stop(close_run=False)
            self._experiments, self._to_open = {}, set()
            message = str(error)
            if isinstance(error, TrackingAwayError):
                message += "; what is trained is kept: launch again when it is back"
            nothing = TrialReport(done=False, epoch=0, run_epochs=0, by_experiment={}, loop_s=0.0)
            return {**nothing, "fatal_error": message}

    def _step(self) -> TrialReport:
        if not self._experiments and not self._to_open:
            self._begin()
        # This includes what has failed in the last step; by now nothing holds its memory.
        to_open, self._to_open = sorted(self._to_open), set()
        for number in to_open:
            self._tried(number, partial(self._open, number))
        began_s = time.monotonic()
        self._train_slice()
        loop_s = time.monotonic() - began_s
        experiments = dict(sorted(self._experiments.items()))
        done = self._finish()
        progress = {number: each.report() for number, each in experiments.items()}
        report = TrialReport(
            done=done,
            done_training=done,
            epoch=max((each.epoch for each in progress.values()), default=0),
            run_epochs=sum(each.run_epochs for each in progress.values()),
            by_experiment=progress,
            loop_s=loop_s,
            mlflow_run_id=" ".join(each.run.run_id for each in experiments.values()),
            failed=dict(self._failed),
        )
        if not self._context.is_packed and experiments:
            report["objective"] = experiments[0].objective
        return report

    def _train_slice(self) -> None:
        """Train an epoch of each experiment, and further epochs until a report is due or all are trained."""
        ends, now = time.perf_counter() + self._settings.report_every_s, 0.0
        waiting = deque(number for number in list(self._experiments) if self._starts(number))
        while waiting:
            number = waiting.popleft()
            now = self._tried(number, partial(self._experiments[number].end_epoch, now)) or now
            if now < ends and self._starts(number):
                waiting.append(number)

    def _starts(self, number: int) -> bool:
        """Start an epoch of an experiment; return whether one was left and has started."""
        each = self._experiments.get(number)
        return bool(each and each.is_training and self._tried(number, each.start_epoch) and number in self._experiments)

    def _finish(self) -> bool:
        """Finish what is trained, write the checkpoints that are due, and return whether the trial is done."""
        for number, each in list(self._experiments.items()):
            if each.is_training:
                self._tried(number, each.save_checkpoint_if_due)
            elif not each.is_done:
                self._tried(number, each.finish)
        if self._to_open or not all(each.is_done for each in self._experiments.values()):
            return False
        experiments, self._experiments = self._experiments, {}
        if self._context.is_packed:
            for each in experiments.values():
                each.saved.remove_checkpoint()
        return True

    def _tried(self, number: int, act: Callable[[], Any]) -> Any:
        """Act on an experiment. If that fails in a packed trial, the others go on, and it is tried again twice.

        So is one that has failed in a process of its own. Otherwise, and if this process has lost the GPU, the whole
        trial fails, so that Tune tries it again in another process.

        Returns:
            What `act` returns, or True if that is None; None if it fails.
        """
        try:
            result = act()
        except FATAL_ERRORS:
            raise
        except Exception as error:
            from survey.trials.bundle import is_device_lost
            from survey.workloads.workload import ContainedError

            self._experiments.pop(number, None)
            is_contained = isinstance(error, ContainedError)
            if not (self._context.is_packed or is_contained) or is_device_lost(error):
                self._experiments, self._to_open = {}, set()
                raise  # Tune tries it again
            self._attempts[number] += 1
            if self._attempts[number] > RETRIES:
                self._failed[number] = last_line(error) if is_contained else f"{type(error).__name__}: {error}"
            else:
                self._to_open.add(number)
            return None
        return True if result is None else result

    def cleanup(self) -> None:
        """Close the MLflow runs of a trial that is stopped early, and keep what it has trained."""
        experiments, self._experiments, self._to_open = self._experiments, {}, set()
        for each in experiments.values():
            each.stop()


def _device(num_gpus: float) -> torch.device:
    """Return the device of a trial: one CPU core, or a GPU, of whose memory this process takes its share at most."""
    import torch

    if num_gpus and torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(min(1.0, num_gpus))
        return torch.device("cuda")
    torch.set_num_threads(1)
    return torch.device("cpu")
