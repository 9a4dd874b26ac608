"""Where the block core keeps what in shared memory."""

from __future__ import annotations

from itertools import pairwise

import pytest

from survey.networks.block.layout import MOST_BYTES, layouts


def laid_out(widths=(18, 18, 18, 7), num_inputs=11, batch_size=256, **options):
    return list(layouts(num_inputs, widths, batch_size=batch_size, **{"keeps_output": True, **options}))


@pytest.mark.parametrize("widths", [(18, 18, 18, 7), (85, 85, 85, 7), (7,), (1, 90, 1)])
@pytest.mark.parametrize("keeps_output", [True, False])
def test_places_do_not_overlap_and_all_is_within_the_memory(widths, keeps_output):
    for layout in laid_out(widths, keeps_output=keeps_output):
        line = 32 * layout.rows_per_lane + 4
        arrays = [(0, layout.size), (layout.targets, widths[-1] * line), (layout.scratch, widths[-1] * line)]
        arrays += [(layout.numbers, line)]
        arrays += [(layout.gradients, layout.num_gradients)] if layout.gradients >= 0 else []
        for layer in layout.layers:
            arrays += [(layer.x, layer.columns * line)]
            arrays += [] if layer.kept == layer.out else [(layer.kept, layer.outputs * line)]
        arrays += [(layout.layers[-1].out, -(-widths[-1] // 4) * 4 * line)]
        arrays.sort()
        assert all(first + size <= after for (first, size), (after, _) in pairwise(arrays))
        assert sum(arrays[-1]) <= layout.floats
        assert layout.totals + 22 * layout.threads <= layout.floats
        assert layout.shared_bytes <= MOST_BYTES
        assert all(place % 4 == 0 for place, _ in arrays), "16 bytes are read at once"


def test_each_layer_reads_what_the_one_below_has_written():
    for layout in laid_out():
        assert [each.out for each in layout.layers[:-1]] == [each.x for each in layout.layers[1:]]


def test_tiles_of_the_last_layer_may_read_beyond_its_weights():
    for layout in laid_out((18, 9)):
        last = layout.layers[-1]
        after = layout.gradients if layout.gradients >= 0 else layout.totals
        assert last.weights + 16 * last.columns + 4 <= after


def test_rows_are_not_half_padding_and_many_come_first():
    assert [each.rows_per_lane for each in laid_out(batch_size=32)] == [1, 1, 1]
    assert max(each.rows_per_lane for each in laid_out(batch_size=64)) == 2
    assert laid_out()[0].rows_per_lane == 4


def test_threads_are_whole_warps_that_have_work():
    assert laid_out()[0].threads == 128
    assert laid_out((85, 85, 85, 7))[0].threads == 512
    assert [each.slices for each in laid_out((85, 85, 85, 7))[0].layers] == [4, 1, 1, 4]


def test_what_does_not_fit_has_no_layout():
    assert not laid_out((251, 251, 251, 7))
    assert not laid_out(most_bytes=10_000)
