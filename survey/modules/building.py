"""The function that builds a module: imported from its source, in whatever process, and called.

It is imported from the texts that its search space was launched with, so that a machine that lacks the files, or has
others, trains the same; and under its own names for no longer than an import or a call takes, as another survey of this
process may have other files of the same names.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.abc import ExecutionLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from survey.errors import InputError
from survey.functions.signature import SignatureError, describe
from survey.functions.source import Source

if TYPE_CHECKING:
    from torch import nn

GIVEN = ("inputs", "outputs")
"""Parameters of the function that are no axes: what goes into the module, and how many numbers come out."""

Shape = int | tuple[int, ...]
"""What goes into a module for each row: so many columns of a table, or an array of this shape."""


class _Texts(MetaPathFinder, ExecutionLoader):
    """Finds and loads the modules of a source, whatever is on disk."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = self._file(fullname)
        return spec_from_loader(fullname, self) if file else None

    def _file(self, fullname: str) -> str:
        base = fullname.replace(".", "/")
        return next((each for each in (f"{base}/__init__.py", f"{base}.py") if each in self._source.files), "")

    def is_package(self, fullname: str) -> bool:
        return self._file(fullname).endswith("__init__.py")

    def get_source(self, fullname: str) -> str:
        return self._source.files[self._file(fullname)]

    def get_filename(self, fullname: str) -> str:
        return str(Path(self._source.folder, self._file(fullname)))

    @property
    def names(self) -> list[str]:
        """Names of the modules."""
        paths = (Path(file).with_suffix("") for file in self._source.files if file)  # the text of a notebook has none
        return [".".join(path.parent.parts if path.name == "__init__" else path.parts) for path in paths]


@dataclass(frozen=True)
class Setting:
    """What a module is built for.

    Attributes:
        axes: The values of its axes.
        inputs: What goes in for each row.
        outputs: How many numbers come out.
    """

    axes: Mapping[str, Any]
    inputs: Shape
    outputs: int

    def __str__(self) -> str:
        given = {"inputs": self.inputs, "outputs": self.outputs, **self.axes}
        return ", ".join(f"{name}={value!r}" for name, value in given.items())


class Builder:
    """The function that builds a module.

    Args:
        source: Where it comes from.

    Raises:
        InputError: From every method: the function cannot be imported, fails, or builds something else than a module
            that can be trained. The message has the line of the user's file.
    """

    def __init__(self, source: Source) -> None:
        self._source, self._finder = source, _Texts(source)
        self._loaded: dict[str, ModuleType] = {}
        with self._blamed(source.name), self._importable():
            self._function = self._load()

    def _load(self) -> Callable[..., Any]:
        source = self._source
        if source.pickled:
            import pickle

            return pickle.loads(source.pickled)  # the function of a notebook, which this survey itself has sent
        module = import_module(source.module)
        function: Any = module
        for name in source.function.split("."):
            function = getattr(function, name, None)
        if not callable(function):
            there = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
            raise SignatureError(f"there is no function {source.function!r} in it; it has {', '.join(there) or 'none'}")
        return function

    @property
    def signature(self) -> dict[str, Any]:
        """What the function asks for, see `survey.functions.signature.describe`."""
        with self._blamed(self._source.name):
            return signature_of(self._function)

    def build(self, setting: Setting) -> nn.Module:
        """Build a module, whose parameters are drawn by PyTorch's global generator.

        Args:
            setting: What it is for.
        """
        from torch import nn

        what = f"{self._source.name}({setting})"
        with self._blamed(what), self._importable():
            given = {"inputs": setting.inputs, "outputs": setting.outputs, **setting.axes}
            module = self._function(**given)
        if not isinstance(module, nn.Module):
            raise InputError(f"model: {what}: expected an nn.Module, it returned {type(module).__name__}")
        if not any(parameter.requires_grad for parameter in module.parameters()):
            raise InputError(f"model: {what}: the module has no parameters to train")
        return module

    @contextmanager
    def _blamed(self, what: str) -> Iterator[None]:
        """Tell whatever goes wrong in the user's code as one message, with the line where it did."""
        try:
            yield
        except (KeyboardInterrupt, InputError):
            raise
        except SignatureError as error:
            raise InputError(f"model: {what}: {error}") from None
        except BaseException as error:  # which may even want to exit
            raise InputError(f"model: {what}: {self.told(error)}") from None

    def told(self, error: BaseException) -> str:
        """Say an error in the user's code: file and line, its class, and its text."""
        where, text = "", " ".join(str(error).split())
        trace = error.__traceback__
        while trace:
            file = Path(trace.tb_frame.f_code.co_filename)
            if any(str(file) == str(Path(self._source.folder, each)) for each in self._source.files):
                where = f"{file.name}, line {trace.tb_lineno}: "
            trace = trace.tb_next
        if isinstance(error, SyntaxError) and error.filename:
            where, text = f"{Path(error.filename).name}, line {error.lineno}: ", error.msg
        return f"{where}{type(error).__name__}{': ' if text else ''}{text}"

    @contextmanager
    def _importable(self) -> Iterator[None]:
        """Let the modules of the source, and those beside them, be imported by their names."""
        names = self._finder.names
        before = {name: sys.modules.pop(name) for name in names if name in sys.modules}
        sys.modules.update(self._loaded)
        sys.meta_path.insert(0, self._finder)
        sys.path.insert(0, self._source.folder)
        try:
            yield
        finally:
            sys.path.remove(self._source.folder)
            sys.meta_path.remove(self._finder)
            self._loaded = {name: sys.modules.pop(name) for name in names if name in sys.modules}
            sys.modules.update(before)


def signature_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Describe the parameters of a function that builds a module, see `survey.functions.signature.describe`.

    Raises:
        SignatureError: It cannot be surveyed.
    """
    found = describe(function, GIVEN)
    if missing := [name for name in GIVEN if name not in found["given"]]:
        raise SignatureError(
            f"it has no parameter {' and '.join(map(repr, missing))}; expected build(*, inputs, outputs, ...): what "
            "goes into the module, and how many numbers come out"
        )
    return found


_builders: dict[tuple[str, str, str], Builder] = {}


def builder_of(source: Source) -> Builder:
    """Return the builder of a source, which is imported once in a process.

    Raises:
        InputError: It cannot be imported.
    """
    key = source.folder, source.name, source.digest
    if key not in _builders:
        _builders[key] = Builder(source)
    return _builders[key]
