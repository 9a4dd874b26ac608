"""Keeps modules from being imported from the working folder.

A user's folder or file there may have the name of a package of ours or of one that we use.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
"""The folder with this package and those beside it: `analysis` and `search_spaces`."""

SEARCH_SPACES = ROOT / "search_spaces"


def is_installed() -> bool:
    """Whether this package is installed in site-packages, rather than used from a checkout."""
    return str(ROOT) in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))


def forget_working_folder() -> None:
    """Stop importing from the working folder, which `python -m` puts first, in this process and its later children.

    The working folder stays if it is a checkout of this package.
    """
    working = Path.cwd()
    if not sys.flags.safe_path and sys.path and sys.path[0] == str(working) and working.resolve() != ROOT:
        del sys.path[0]
    os.environ["PYTHONSAFEPATH"] = "1"


@contextmanager
def own_package(name: str) -> Iterator[None]:
    """Let a name such as `analysis` mean the package beside this one, even if another module has that name."""
    if is_own(name):
        yield
        return
    theirs = _taken_out(name)
    spec = PathFinder.find_spec(name, [str(ROOT)])
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"the package {name} is not installed beside {ROOT / 'survey'}", name=name)
    try:
        sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
        yield
    finally:
        _taken_out(name)
        sys.modules.update(theirs)


def is_own(name: str) -> bool:
    """Whether this name imports the package beside this one."""
    try:
        spec = find_spec(name)
    except ValueError:  # a module without one, as some programs make
        return False
    origin = spec.origin if spec else None
    return origin is not None and Path(origin).resolve() == ROOT / name / "__init__.py"


def _taken_out(name: str) -> dict[str, ModuleType]:
    """Remove a package and its modules from `sys.modules`; return them."""
    names = [each for each in sys.modules if each == name or each.startswith(f"{name}.")]
    return {each: sys.modules.pop(each) for each in names}
