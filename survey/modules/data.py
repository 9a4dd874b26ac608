"""What a survey of a module is trained on: the tasks of its search spaces; and its source, which workers build from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from survey.functions.source import one_source
from survey.modules.building import Builder, Setting, Shape, builder_of
from survey.modules.description import ModuleDescription
from survey.modules.experiment import ModuleExperiment
from survey.modules.needs import ModuleNeeds
from survey.modules.search_space import ModuleSpace
from survey.networks.data import TaskData
from survey.tasks.loading import TaskDescription

_MOST_TRIED = 8
"""Modules of which a plan finds out whether their repetitions can be trained as one."""

SOURCE = "model:source"
"""Where the source is among the data by name; no task can be called so."""


class ModuleData(TaskData):
    """The tasks of some search spaces, and the source of the module.

    Args:
        spaces: The search spaces.
        description: What is known of the module, with what an earlier launch has recorded.
        has_changed: Whether its source is another one than that of an earlier launch.

    Raises:
        InputError: The search spaces are on different modules of one name, or contradict each other about a task.
    """

    def __init__(self, spaces: Sequence[ModuleSpace], description: ModuleDescription, *, has_changed: bool) -> None:
        super().__init__(spaces)
        self._description, self._has_changed = description, has_changed
        self._records_initial = any(space.record_initial for space in spaces)
        self._source = one_source(description.name, {space.name: space.SOURCE for space in spaces})
        self._probed: dict[str, ModuleNeeds] = {}

    @cached_property
    def _builder(self) -> Builder:
        assert self._source
        return builder_of(self._source)

    def needs(self, experiment: ModuleExperiment, *, may_guess: bool = False) -> ModuleNeeds:
        """Return what training needs: its module is built once for each of its settings, and tried on a few rows."""
        from survey.modules.probe import probe

        task = self.describe(experiment.dataset, may_guess=may_guess)
        setting = Setting(experiment.setting, input_shape(task), task.num_outputs)
        key = str(setting)
        if key in self._probed:
            return replace(self._probed[key], experiment=experiment, task=task)
        found = probe(self._builder, setting)
        needs = ModuleNeeds(experiment, task, found, setting, self._builder, self._records_initial)
        return self._probed.setdefault(key, needs)

    def load(self, experiments: Iterable[Any], dataset: Path, *, bundled: bool = True) -> Mapping[str, Any]:
        """Prepare the tasks; and return the source too."""
        return {**super().load(experiments, dataset, bundled=bundled), SOURCE: self._source}

    def lines(self, told: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Say how tasks were prepared, which runs cannot be trained as one, and that the source has changed."""
        yield from super().lines(told)
        yield from self._lines_on_fusing()
        if self._has_changed:
            yield self._description.told_of_other_source

    def _lines_on_fusing(self) -> Iterator[str]:
        """Try some of the modules that were planned; a trial decides for itself, as it knows how long either takes."""
        tried = list(self._probed.values())[:: max(1, -(-len(self._probed) // _MOST_TRIED))]
        reasons: dict[str, str] = {}
        for needs in tried:
            reasons.setdefault(needs.why_not_fused(), str(needs.setting))
        for reason, example in reasons.items():
            name = f"{self._description.name}({example})"
            how = f"are trained one by one: {reason}" if reason else "can be trained as one"
            yield f"{name}: its repetitions {how}"

    def caveat(self) -> str:
        """Say what was guessed; an empty text if nothing was."""
        if not self.guessed:
            return ""
        return (
            f"The data of {', '.join(self.guessed)} are not at hand: their numbers of inputs are guesses; `survey "
            "fetch` fetches them"
        )


def input_shape(task: TaskDescription) -> Shape:
    """Return what goes into a module for each row of a task."""
    return task.input_shape or task.num_inputs
