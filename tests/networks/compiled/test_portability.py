"""The compiled core by other compilers, for other vectors and processors, and with sanitizers: the same numbers."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from survey.networks.compiled import library

pytestmark = [
    pytest.mark.launch,
    pytest.mark.skipif("avx2" not in [unit.name for unit in library.units()], reason="no unit to compare with"),
]

ROOT = Path(__file__).parents[3]
SOURCES = Path(library.__file__).parent
DRIVER = ROOT / "tests" / "support" / "compiled_core.cpp"
FLAGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["ext-modules"][0][
    "extra-compile-args"
]
STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
SANITIZERS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover")


def trained(folder: Path, compiler: str, unit: str, source: Path, *flags: str, by: Sequence[str] = ()) -> np.ndarray:
    """Compile the driver and a unit, run it, and return its numbers, [settings, numbers]."""
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    program = folder / "trained"
    sources = [str(DRIVER), str(source)]
    command = [compiler, *FLAGS, *flags, f"-DUNIT={unit}", f"-I{SOURCES}", "-o", str(program), *sources]
    subprocess.run(command, check=True)
    done = subprocess.run([*by, str(program)], check=True, capture_output=True, text=True)
    lines = [line.rpartition(":")[2].split() for line in done.stdout.splitlines()]
    return np.array(lines, dtype=float)


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> np.ndarray:
    """The numbers of the unit for AVX2, which the other tests compare with PyTorch."""
    return trained(tmp_path_factory.mktemp("avx2"), "g++", "avx2", SOURCES / "avx2.cpp")


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("lanes", [4, 16])
def test_vectors_of_any_width_give_the_same_numbers(lanes, expected, tmp_path):
    text = (SOURCES / "avx2.cpp").read_text(encoding="utf-8")
    assert "#define LANES 8\n" in text
    source = tmp_path / "unit.cpp"
    source.write_text(text.replace("#define LANES 8\n", f"#define LANES {lanes}\n"), encoding="utf-8")
    assert_same(trained(tmp_path, "g++", "avx2", source, "-Wno-psabi"), expected)


def test_clang_gives_the_same_numbers(expected, tmp_path):
    assert_same(trained(tmp_path, "clang++", "avx2", SOURCES / "avx2.cpp"), expected)


def test_clang_knows_what_the_unit_for_avx512_asks_for(tmp_path):
    if not shutil.which("clang++"):
        pytest.skip("clang++ is not installed")
    source = str(SOURCES / "avx512.cpp")
    subprocess.run(["clang++", *FLAGS, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", source], check=True)


def test_arm_gives_the_same_numbers(expected, tmp_path):
    emulator = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if not emulator:
        pytest.skip("qemu-aarch64 is not installed")
    compiler = "aarch64-linux-gnu-g++"
    assert_same(trained(tmp_path, compiler, "neon", SOURCES / "neon.cpp", "-static", by=[emulator]), expected)


def test_sanitizers_and_warnings_find_nothing(expected, tmp_path):
    assert_same(trained(tmp_path, "g++", "avx2", SOURCES / "avx2.cpp", *STRICT, *SANITIZERS), expected)
