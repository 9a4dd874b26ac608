"""Products of float32 numbers by three of TF32 ones: as exact, by TF32 rounding that is emulated on a CPU."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.split_products import error, product_of_parts, split, to_tf32

FLOATS = st.floats(-(2.0**100), 2.0**100, width=32).filter(lambda x: x == 0 or abs(x) > 1e-25)
SHAPES = [(251, 252, 256), (719, 720, 256), (719, 256, 720), (64, 4096, 64)]
"""Of layers of networks of 2^17 and 2^20 parameters, and a long sum."""


@given(FLOATS)
def test_tf32_has_11_bits_of_which_the_first_is_not_stored(x):
    found = to_tf32(torch.tensor([x]))
    assert int(found.view(torch.int32)) % (1 << 13) == 0
    assert abs(float(found) - x) <= 2.0**-11 * abs(x)


def test_numbers_that_tf32_has_stay_and_halves_go_away_from_zero():
    x = torch.tensor([0.0, 1.0, -1.5, 1 + 2**-10, 1 + 2**-11, -1 - 2**-11])
    assert to_tf32(x).tolist() == [0.0, 1.0, -1.5, 1 + 2**-10, 1 + 2**-10, -1 - 2**-10]


@given(FLOATS)
def test_both_parts_make_up_the_number(x):
    high, low = (float(part) for part in split(torch.tensor([x])))
    assert abs(high + low - x) <= 2.0**-22 * abs(x)


@pytest.mark.parametrize(("rows", "inner", "columns"), SHAPES)
def test_three_products_are_as_exact_as_one_in_float32_and_one_is_not(rows, inner, columns):
    random = torch.Generator().manual_seed(0)
    a = torch.randn(2, rows, inner, generator=random)
    b = torch.randn(2, inner, columns, generator=random)
    out = torch.empty(2, rows, columns)
    in_float32 = error(torch.bmm(a, b), a, b)
    assert error(product_of_parts(split(a), split(b), out), a, b) <= min(2.0 * in_float32, 1e-6)
    assert error(torch.bmm(to_tf32(a), to_tf32(b)), a, b) > 1e-5
