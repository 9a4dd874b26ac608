"""The command lines: what options mean, and one clear message and exit status for every misuse."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
import typer

import survey
from survey import __main__ as main_module
from survey import commands
from survey.cli import exit_on_error
from survey.errors import ExportError, InputError, OutputError, SearchSpaceError, TrackingError
from survey.export.__main__ import command as export
from survey.launch.__main__ import command as launch
from survey.launch.options import Options
from survey.launch.parsers import parse_duration, parse_gpus_per_trial, parse_pack
from survey.spaces.yaml_file import load_space
from tests.support.awaiting import HANGS_S
from tests.support.commands import run_here, run_main
from tests.support.paths import ROOT


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("0.5", 0.5),
        ("15m", 900),
        ("1h30m", 5400),
        ("2d", 172800),
        ("1.5h", 5400),
        ("1d2h3m4s", 93784),
        (" 10M ", 600),
    ],
)
def test_durations(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "soon", "0", "0s", "-5", "-5m", "5 m", "m", "1h30", "1e3", "5w", "1..5s", "nan", "inf"]
)
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(typer.BadParameter) as error:
        parse_duration(text)
    assert repr(text) in str(error.value)
    assert "1h30m" in str(error.value)


@pytest.mark.parametrize(
    ("text", "share"), [("auto", "auto"), ("0.25", 0.25), ("1", 1.0), ("1.0", 1.0), ("0.001", 0.001)]
)
def test_shares_of_a_gpu(text, share):
    assert parse_gpus_per_trial(text) == share


def test_a_word_that_is_mistyped_gets_the_one_that_is_meant(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    survey = tmp_path / "surveys" / "widths"
    survey.mkdir(parents=True)
    (survey / "survey.json").write_text("{}")
    (tmp_path / "widths").mkdir()
    (tmp_path / "widths.yaml").write_text("")
    for mistyped, meant in (
        (["lunch"], "'lunch'. Did you mean 'launch'?"),
        (["status", "surveys/width"], "(did you mean 'surveys/widths'?)"),
        (["status", "wdths"], "(did you mean 'surveys/widths'?)"),
        (["status", "widths"], "(did you mean 'surveys/widths'?)"),
        (["explore", "surveys/wdths"], "(did you mean 'surveys/widths'?)"),
        (["launch", "wdiths.yaml"], "(did you mean 'widths.yaml'?)"),
        (["launch", "surveys/width.yaml"], "there is no such file"),
        (["status", "."], "there is no survey here: no"),
        (["status", "widths.yaml/x"], "there is no survey here: no"),
        (["launch", "a\0b/c.yaml"], "there is no such file"),
    ):
        ended = run_main(main_module.main, *mistyped)
        assert ended.returncode == 2
        assert meant in " ".join(ended.stderr.split())


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "2", "half", "", "nan", "inf", "Auto"])
def test_what_is_no_share_of_a_gpu_is_refused(text):
    with pytest.raises(typer.BadParameter) as error:
        parse_gpus_per_trial(text)
    assert repr(text) in str(error.value)
    assert "auto" in str(error.value)


@pytest.mark.parametrize(("text", "found"), [("auto", "auto"), ("1", 1), ("24", 24)])
def test_how_many_experiments_are_packed(text, found):
    assert parse_pack(text) == found


@pytest.mark.parametrize("text", ["0", "25", "-1", "1.5", "all", ""])
def test_what_is_no_number_of_experiments_to_pack_is_refused(text):
    with pytest.raises(typer.BadParameter, match="expected auto, or a number from 1 to 24"):
        parse_pack(text)


@pytest.mark.parametrize(
    ("raised", "status"),
    [
        (SearchSpaceError("x [bold]y[/bold]"), 2),
        (OutputError("x [bold]y[/bold]"), 2),
        (TrackingError("x [bold]y[/bold]"), 1),
        (ExportError("x [bold]y[/bold]"), 1),
        (PermissionError(13, "[bold]y[/bold]", "x [bold]y[/bold]"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_errors_become_a_message_and_a_status(raised, status, capsys):
    with pytest.raises(SystemExit) as exit_, exit_on_error():
        raise raised
    assert exit_.value.code == status
    printed = capsys.readouterr()
    assert printed.out == ""
    assert ("error: x [bold]y[/bold]" in printed.err) == (status != 130), "as it stands, not as markup"
    assert "run the same command again" in printed.err or status != 130


@pytest.mark.parametrize("error", [ZeroDivisionError(), OSError("of no file")])
def test_an_error_that_nobody_foresaw_is_not_hidden(error):
    with pytest.raises(type(error)), exit_on_error():
        raise error


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m ARGUMENTS` in a folder that is empty before, in a narrow terminal as pipes have it."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "COLUMNS": "80",
        "NO_COLOR": "1",
        "TERM": "dumb",
    }
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        check=False,
    )


COMMANDS = {"survey.launch": launch, "survey.export": export}


@pytest.fixture
def here(folder, monkeypatch) -> Callable[..., subprocess.CompletedProcess[str]]:
    """As `command`, within this process: what a command says of its arguments does not depend on that."""
    monkeypatch.chdir(folder)
    return lambda name, *arguments: run_here(COMMANDS[name], *arguments)


def words(text: str) -> str:
    """The text without the box that typer draws and without its line breaks."""
    return " ".join("".join(" " if letter in "│╭╮╰╯─" else letter for letter in text).split())


@pytest.fixture
def folder(tmp_path) -> Path:
    made = tmp_path / "empty"
    made.mkdir()
    return made


def test_the_example_can_be_loaded(folder, here, survey_command):
    result = here("survey.launch", "--example")
    assert result.returncode == 0
    assert result.stderr == ""
    (folder / "mine.yaml").write_text(result.stdout, encoding="utf-8")
    assert load_space(folder / "mine.yaml").experiments()
    assert survey_command("example").stdout == result.stdout


def test_a_dry_run_prints_the_plan_and_leaves_nothing(folder):
    result = command(folder, "survey.launch", "quickstart", "--dry-run", "--repetitions", "3", "--limit", "7")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    lines = {line.rsplit(None, 1)[0].strip(): line.rsplit(None, 1)[1] for line in result.stdout.splitlines()[1:]}
    assert str(folder / "surveys" / "quickstart") in result.stdout.replace("\n", "")
    assert lines["experiments"] == "7"
    assert lines["runs"] == "21"
    assert lines["trials to train"] == "7"
    epochs = {experiment.epochs for experiment in load_space("quickstart").experiments()[:7]}
    assert lines["epochs to train (over all runs)"] == f"{21 * epochs.pop():,}"
    assert not list(folder.iterdir())


def test_the_quickstart_is_the_default(here):
    assert "surveys/quickstart" in here("survey.launch", "--dry-run").stdout.replace("\n", "")


@pytest.fixture
def survey_command(folder, monkeypatch) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command `survey`, within this process."""
    monkeypatch.chdir(folder)
    return lambda *arguments: run_main(main_module.main, *arguments)


def test_the_command_survey_has_these_commands(survey_command):
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert scripts == {"survey": "survey.__main__:main"}
    result = survey_command()
    assert (result.returncode, result.stderr) == (0, "")
    for name, (home, text) in commands.COMMANDS.items():
        assert f" {name} {text}" in words(result.stdout)
        module, _, function = home.partition(":")
        assert callable(getattr(import_module(module), function))
        assert f"Usage: survey {name} " in words(survey_command(name, "--help").stdout)
    assert survey_command("--version").stdout == f"{survey.__version__}\n"


def test_the_status_of_a_command_of_survey_is_its_own(survey_command):
    result = survey_command("status", "nowhere")
    assert (result.returncode, "nowhere: there is no survey here" in result.stderr) == (2, True)
    result = survey_command("lanuch")
    assert (result.returncode, result.stdout) == (2, "")
    assert "No such command 'lanuch'" in words(result.stderr)


def test_what_survey_prints_of_itself_imports_nothing_that_takes_seconds(folder):
    script = """
import sys
from survey.__main__ import main
for arguments in ([], ["status"], ["launch", "--help"], ["ui", "--help"]):
    sys.argv = ["survey", *arguments]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code
heavy = "torch ray mlflow pandas matplotlib sklearn sqlalchemy".split()
print([name for name in heavy if name in sys.modules])
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


INTERRUPTED = "import signal\nsignal.raise_signal(signal.SIGINT)\n"
AGAIN = "interrupted: run the same command again to continue\n"


def test_ctrl_c_in_the_first_moment_gets_the_answer_of_all_others(tmp_path):
    (tmp_path / "typer.py").write_text(INTERRUPTED)
    command = [sys.executable, "-P", "-c", "from survey.__main__ import main; main()"]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, AGAIN)


def test_ctrl_c_while_a_command_is_imported_gets_it_too(survey_command, tmp_path, monkeypatch):
    (tmp_path / "interrupted_command.py").write_text(INTERRUPTED)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(commands.COMMANDS, "status", ("interrupted_command:status", "Is interrupted."))
    result = survey_command("status")
    assert (result.returncode, result.stderr) == (130, AGAIN)


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("survey re", ["report", "recommend"]),
        ("survey launch --dr", ["--dry-run"]),
        ("survey launch opt", ["optimizer_sweep"]),
    ],
)
def test_the_shell_completes_commands_options_and_search_spaces(survey_command, monkeypatch, line, completed):
    monkeypatch.setenv("_SURVEY_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split()) - 1))
    assert survey_command().stdout.split() == completed


BAD_USAGE = {
    "unknown option": (["--dryrun"], ["No such option", "--dryrun", "--dry-run"]),
    "unknown space": (["quickstrat"], ["'quickstrat'", "did you mean 'quickstart'?"]),
    "missing file": (["none.yaml"], ["none.yaml", "there is no such file"]),
    "limit 0": (["--limit", "0", "--dry-run"], ["--limit", "greater than or equal to 1"]),
    "limit text": (["--limit", "few", "--dry-run"], ["--limit", "valid integer"]),
    "repetitions 0": (["--repetitions", "0", "--dry-run"], ["--repetitions", "1"]),
    "time limit": (["--time-limit", "soon", "--dry-run"], ["--time-limit", "'soon' is not a duration", "1h30m"]),
    "gpus per trial": (["--gpus-per-trial", "1.5", "--dry-run"], ["--gpus-per-trial", "'1.5' is not a share of a GPU"]),
    "epochs to log": (["--mlflow-epochs", "some", "--dry-run"], ["--mlflow-epochs", "auto", "all", "log"]),
    "space twice": (["quickstart", "quickstart", "--dry-run"], ["different names", "quickstart, quickstart"]),
    "out that is a file": (["--out", "../file"], ["file", "expected a folder"]),
    "out that is another folder": (["--out", "../foreign"], ["foreign", "survey.json", "empty or new"]),
}


@pytest.mark.parametrize(("arguments", "told"), BAD_USAGE.values(), ids=BAD_USAGE.keys())
def test_misuse_is_told_and_starts_nothing(folder, here, arguments, told):
    (folder.parent / "file").write_text("x")
    (folder.parent / "foreign").mkdir()
    (folder.parent / "foreign" / "thesis.txt").write_text("x")
    result = here("survey.launch", *arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    for part in told:
        assert part in words(result.stderr)
    assert not list(folder.iterdir())
    assert [file.name for file in (folder.parent / "foreign").iterdir()] == ["thesis.txt"]


def test_a_mistake_in_a_search_space_is_told_as_it_stands(folder, here):
    (folder / "bad.yaml").write_text("grids: [{dataset: [mnist], shape: rectangel, size: 8, depth: 2}]\n")
    result = here("survey.launch", "bad.yaml", "--dry-run")
    assert result.returncode == 2
    assert result.stderr.startswith("error: bad.yaml, line 1: grids[0].shape[0]: expected one of ")
    assert result.stderr.count("\n") == 1


def test_an_export_of_nothing_is_refused(folder, here):
    result = here("survey.export", "nowhere")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert words(result.stderr).startswith(f"error: {folder}/nowhere: there is no survey here")
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("program", "status", "told"),
    [
        ("run_app(lambda: wait() or 0, 'x')", 130, "interrupted: run the same command again"),
        ("atexit.register(wait); run_app(lambda: 0, 'x')", 0, ""),
    ],
)
def test_sigterm_interrupts_a_command_until_it_has_done_what_was_asked_for(program, status, told):
    head = (
        "import atexit, sys\nfrom survey.cli import run_app\n"
        "def wait():\n    print('ready', flush=True)\n    sys.stdin.readline()\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", head + program], **pipes, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    if status:
        process.wait(HANGS_S)
    _, errors = process.communicate("\n", timeout=HANGS_S)
    assert process.returncode == status
    assert told in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"repetitions": 0}, "repetitions: expected a number from 1 to 65,535, found 0"),
        ({"repetitions": 100_000}, "repetitions: expected a number from 1 to 65,535, found 100000"),
        ({"limit": 0}, "limit: expected 1 or more, found 0"),
        ({"num_cpus": -3}, "num_cpus: expected 1 or more, found -3"),
        ({"num_gpus": float("inf")}, "num_gpus: expected a number from 0 to 1,000,000, found inf"),
        ({"gpus_per_trial": 7}, "gpus_per_trial: expected a number above 0 and up to 1, found 7"),
        ({"pack": 100}, "pack: expected a number from 1 to 24, found 100"),
        ({"mlflow_epochs": "everything"}, "mlflow_epochs: expected one of auto, all, log, found 'everything'"),
        ({"mlflow_runs": ""}, "mlflow_runs: expected one of auto, experiment, repetition, found ''"),
        ({"time_limit_s": 0}, "time_limit_s: expected a number above 0, found 0"),
        ({"repetitions": "3"}, "repetitions: expected a whole number, found '3'"),
        ({"limit": 2.5}, "limit: expected a whole number, found 2.5"),
        ({"num_cpus": True}, "num_cpus: expected a whole number, found True"),
        ({"num_gpus": "auto"}, "num_gpus: expected a number, found 'auto'"),
        ({"gpus_per_trial": "half"}, "gpus_per_trial: expected a number, found 'half'"),
        ({"time_limit_s": "1h"}, "time_limit_s: expected a number, found '1h'"),
        ({"out": 5}, "out: expected a string or a path, found 5"),
        ({"redo": {"depth": 3}}, "redo: expected a string, found {'depth': 3}"),
    ],
)
def test_what_the_command_line_refuses_is_refused_from_python_too(given, expected):
    with pytest.raises(InputError) as error:
        Options(**given)
    assert str(error.value) == expected


@pytest.mark.parametrize(
    ("arguments", "options", "told"),
    [
        (
            ["quickstart"],
            {"repititions": 3},
            "unknown argument 'repititions' (did you mean 'repetitions'?)",
        ),
        ([5], {}, "search spaces: expected names, paths or SearchSpace, found int"),
        ([["quickstart", None]], {}, "search spaces: expected names, paths or SearchSpace, found NoneType"),
        ([[]], {}, "search spaces: expected one or more of different names, found none"),
    ],
)
def test_what_survey_run_cannot_use_is_told(arguments, options, told):
    with pytest.raises(InputError) as error:
        survey.run(*arguments, **options)
    assert told in str(error.value)
