"""Counters of a survey among Ray's own metrics, for Prometheus: see docs/cluster.md."""

from __future__ import annotations

from ray.util.metrics import Counter, Gauge

from survey.output.progress import Figures


class Counters:
    """Exports the figures of a launch; Ray adds `ray_` to each name.

    Args:
        survey: Name of the survey, the value of the tag `survey`.
    """

    def __init__(self, survey: str) -> None:
        self._counters = {
            "runs_done": Counter("survey_runs_done", "Runs that are trained", ("survey",)),
            "runs_failed": Counter("survey_runs_failed", "Runs of trials that failed for good", ("survey",)),
            "epochs": Counter("survey_epochs", "Epochs trained, summed over runs", ("survey",)),
        }
        self._gauges = {
            "runs_planned": Gauge("survey_runs_planned", "Runs that this launch is to train", ("survey",)),
            "runs_running": Gauge("survey_runs_running", "Runs that are being trained", ("survey",)),
            "epochs_per_s": Gauge("survey_epochs_per_second", "Epochs in the last minute, by second", ("survey",)),
        }
        for metric in (*self._counters.values(), *self._gauges.values()):
            metric.set_default_tags({"survey": survey})
        self._told = dict.fromkeys(self._counters, 0)

    def tell(self, figures: Figures) -> None:
        """Update all metrics."""
        for name, counter in self._counters.items():
            now = getattr(figures, name)
            if now > self._told[name]:
                counter.inc(now - self._told[name])
                self._told[name] = now
        for name, gauge in self._gauges.items():
            gauge.set(getattr(figures, name))
