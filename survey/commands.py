"""The commands of `survey`, each of which is a module that `python -m` runs too."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from survey.cli import command_of
from survey.text.terminal import SafeConsole

COMMANDS = {
    "launch": ("survey.launch.__main__:command", "Train what is missing of a search space, and report on it."),
    "status": ("survey.status:status", "Show what is done, how fast it goes, and what is left; or list all surveys."),
    "ui": ("survey.ui:ui", "Show a survey in the MLflow UI."),
    "export": ("survey.export.__main__:command", "Bring the data set of a survey up to date."),
    "report": ("analysis.report.__main__:command", "Write the report on a data set: one page of figures and tables."),
    "explore": ("analysis.explore.__main__:command", "Explore a data set in a browser, on this machine alone."),
    "recommend": ("analysis.recommend.__main__:command", "Recommend settings for a new task from surveyed ones."),
    "combine": ("analysis.combine.__main__:command", "Combine data sets from different places into one."),
    "publish": ("survey.export.publish.__main__:command", "Publish a data set in a folder or an object store."),
    "fetch": ("survey.launch.__main__:fetch", "Fetch the tables of search spaces, for machines without a network."),
    "example": ("survey.launch.__main__:print_example", "Print a search space to start from, with all keys."),
}
"""By name: where its function is, and what it does. A module is imported when its command is run: some take seconds."""


class _LazyCommand(TyperCommand):
    """A command of which only the name and the help are known before it is run."""

    def __init__(self, name: str) -> None:
        self._home, text = COMMANDS[name]
        super().__init__(name, callback=None, help=text)

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Make the context of the command itself, which from then on takes the place of this one."""
        module, _, function = self._home.partition(":")
        return command_of(getattr(import_module(module), function)).make_context(*arguments, **options)


class _Commands(TyperGroup):
    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "commands": {name: _LazyCommand(name) for name in COMMANDS}})


def _version(wanted: bool) -> None:
    if wanted:
        import survey

        SafeConsole().print(survey.__version__)
        raise typer.Exit


app = typer.Typer(cls=_Commands, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def command(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version.")
    ] = False,
) -> None:
    """Survey how a model trains: whole grids of settings, every epoch of every run.

    Each command has options of its own: survey COMMAND --help.
    """
    if context.invoked_subcommand is None:
        SafeConsole().print(context.get_help(), end="")  # typer draws it, and returns nothing
