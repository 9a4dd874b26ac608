"""Where a training function comes from: its module, and the texts of all modules of its folder that it imports.

The texts go to workers, which may lack the files, and their digest to the data set. A function of a notebook or of the
program that runs, which no process can import, goes there by Ray's own serialisation.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from survey.errors import InputError, nearest_path


@dataclass(frozen=True)
class Source:
    """A training function, as another process can have it.

    Attributes:
        folder: The folder that is to be on the import path.
        module: Name of the module in it.
        function: Name of the function in that.
        files: Texts of the module and of those that it imports from the folder, by path below it.
        pickled: The function itself, if no process can import it.
    """

    folder: str
    module: str
    function: str
    files: dict[str, str] = field(default_factory=dict)
    pickled: bytes = b""

    @property
    def name(self) -> str:
        """Its name for people, and in identities: `my_net.train`."""
        return f"{self.module}.{self.function}"

    @property
    def digest(self) -> str:
        """SHA-256, as hex, of all that is known of its source."""
        found = hashlib.sha256(self.pickled)
        for name, text in sorted(self.files.items()):
            found.update(f"{name}\0{text}\0".encode())
        return found.hexdigest()


def source_of(train: str | Callable[..., Any], folder: Path, *, key: str = "train") -> Source:
    """Find a function.

    Args:
        train: `FILE.py:FUNCTION`, `package.module:function`, or the function itself.
        folder: Folder that a relative path starts from.
        key: That of the search space which names the function, for messages.

    Raises:
        InputError: There is no such file or module; the message says what was expected.
    """
    try:
        return _found(train, folder)
    except InputError as error:
        raise InputError(f"{key}: {error}") from None


def _found(train: str | Callable[..., Any], folder: Path) -> Source:
    if not isinstance(train, str):
        return _of_object(train)
    place, colon, function = train.rpartition(":")
    if not colon or not function.isidentifier() or not place:
        raise InputError(f"expected FILE.py:FUNCTION or package.module:function, found {train!r}")
    if not place.endswith(".py"):
        return _importable(place, function, folder)
    file = folder / place
    if not file.is_file():
        raise InputError(f"there is no file {file}{nearest_path(file, fits=Path.is_file)}")
    if not file.stem.isidentifier():
        raise InputError(f"{file.name} cannot be imported, as its name is no word of Python; rename it")
    return _of_module(file.stem, function, file.parent.resolve())


def _of_object(train: Callable[..., Any]) -> Source:
    module, function = getattr(train, "__module__", None), getattr(train, "__qualname__", "")
    if not callable(train) or not module or not function:
        raise InputError(f"expected a function, or where it is as text, found {train!r}")
    loaded = sys.modules.get(module)
    file = getattr(loaded, "__file__", None)
    if module != "__main__" and file and all(part.isidentifier() for part in function.split(".")):
        path = Path(file).resolve()
        parts = module.count(".") + (path.name == "__init__.py")
        return _of_module(module, function, path.parents[parts])
    return Source("", module, function.rpartition(".")[2], _text_of(train), _pickled(train))


def _text_of(train: Callable[..., Any]) -> dict[str, str]:
    try:
        return {"": inspect.getsource(train)}
    except (OSError, TypeError):
        return {}


def _pickled(train: Callable[..., Any]) -> bytes:
    import cloudpickle

    try:
        return cloudpickle.dumps(train)
    except Exception as error:  # of whatever the function refers to
        raise InputError(
            f"{train.__qualname__} cannot be sent to other processes: {type(error).__name__}: {error}; put it "
            "into a file of its own and give FILE.py:FUNCTION"
        ) from None


def _importable(module: str, function: str, folder: Path) -> Source:
    top, *_ = module.split(".")
    spec = PathFinder.find_spec(top, [str(folder.resolve()), *filter(None, sys.path)])
    if spec is None:
        raise InputError(f"there is no module {top!r} on the import path, nor in {folder}")
    # A package has folders, several if it has no `__init__.py`; a module has a file.
    places = [Path(place).resolve() for place in spec.submodule_search_locations or filter(None, [spec.origin])]
    for root in (place.parent for place in places):
        if any(candidate.is_file() for candidate in _candidates(module, root)):
            return _of_module(module, function, root)
    raise InputError(f"there is no module {module!r} in {', '.join(str(place.parent) for place in places)}")


def _of_module(module: str, function: str, root: Path) -> Source:
    """The source of a module, with what it imports from below the root; of installed packages, from its own alone."""
    is_installed = root.name in ("site-packages", "dist-packages")
    texts = dict(_texts(module, root, module.partition(".")[0] if is_installed else ""))
    return Source(str(root), module, function, texts)


def _texts(module: str, root: Path, package: str) -> Iterator[tuple[str, str]]:
    """Yield path below the root, and text, of a module and of all that it imports from there, however deep."""
    waiting = list(_files(module, root))
    seen = set(waiting)
    while waiting:
        current = waiting.pop()
        text = current.read_text(encoding="utf-8", errors="surrogateescape")
        yield str(current.relative_to(root)), text
        for name in _imported(text, current, root):
            for found in _files(name, root) if not package or name.split(".")[0] == package else ():
                if found not in seen:
                    seen.add(found)
                    waiting.append(found)


def _imported(text: str, file: Path, root: Path) -> Iterator[str]:
    """Yield the names of all modules that a module may import; one with a mistake is told where it is imported."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    parts = file.relative_to(root).with_suffix("").parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = parts[: -node.level] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names)


def _files(module: str, root: Path) -> Iterator[Path]:
    """Yield the files below the root that an import of a module runs: its packages', and its own."""
    parts = module.split(".") if module else []
    for count in range(1, len(parts) + 1):
        yield from [file for file in _candidates(".".join(parts[:count]), root) if file.is_file()][:1]


def _candidates(module: str, root: Path) -> tuple[Path, Path]:
    """Where a module may lie below the root: as a package, or as a file."""
    path = root.joinpath(*module.split("."))
    return path / "__init__.py", path.with_suffix(".py")


def one_source(name: str, sources: Mapping[str, Source | None]) -> Source | None:
    """Return the source of some search spaces on one function; None where none of them has any.

    Args:
        name: Name of the workload.
        sources: The source of each search space, by its name.

    Raises:
        InputError: They have different ones.
    """
    distinct = {source.digest: source for source in sources.values() if source}
    if len(distinct) > 1:
        raise InputError(
            f"{', '.join(sources)}: {name} is another function in each; give one of them a name of its own by "
            "`workload`, or launch them by themselves"
        )
    return next(iter(distinct.values()), None)
