"""Where tiles are: whatever the width, the count and the zoom."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thumbd_gallery.layout import GAP, MARGIN, MAX_EDGE, MIN_EDGE, Box, Layout, Move, anchor_at

layouts = st.builds(
    Layout,
    width=st.integers(60, 4000),
    count=st.integers(0, 100_000),
    edge=st.integers(MIN_EDGE, MAX_EDGE),
    caption=st.integers(11, 40),
)
filled = layouts.filter(lambda layout: layout.count > 0)


@given(filled, st.data())
def test_the_middle_of_each_cell_belongs_to_its_tile(layout: Layout, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, layout.count - 1))
    cell = layout.rect(index)
    assert layout.at(cell.x + cell.width // 2, cell.y + cell.height // 2) == index
    assert layout.at(cell.x, cell.y) == index
    assert layout.at(cell.x - 1, cell.y) != index
    assert layout.at(cell.x, cell.bottom) != index


@given(filled, st.data())
def test_neighbouring_cells_keep_a_gap_and_stay_inside(layout: Layout, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, layout.count - 1))
    cell = layout.rect(index)
    assert cell.bottom + MARGIN <= layout.height
    if layout.columns > 1:
        assert cell.x >= MARGIN
        assert cell.right + MARGIN <= layout.width
    if index + 1 < layout.count:
        after = layout.rect(index + 1)
        assert after.y >= cell.bottom + GAP or after.x >= cell.right + GAP


@given(filled, st.integers(-500, 200_000), st.integers(1, 3000))
def test_what_is_on_screen_is_found_by_arithmetic_as_by_looking_at_each(layout: Layout, top: int, height: int) -> None:
    layout = Layout(layout.width, min(layout.count, 500), layout.edge, layout.caption)
    seen = layout.span(top, top + height)
    looked = [i for i in range(layout.count) if layout.rect(i).y < top + height and layout.rect(i).bottom > top]
    assert set(looked) <= set(seen)
    assert all(layout.rect(i).bottom + GAP > top and layout.rect(i).y < top + height for i in seen)


@given(
    filled,
    st.builds(Box, st.integers(-100, 4000), st.integers(-100, 5000), st.integers(0, 3000), st.integers(0, 3000)),
)
def test_a_rubber_band_takes_the_tiles_it_touches(layout: Layout, area: Box) -> None:
    layout = Layout(layout.width, min(layout.count, 300), layout.edge, layout.caption)
    found = [index for tiles in layout.touching(area) for index in tiles]
    assert found == sorted(set(found))

    def touches(index: int) -> bool:
        cell = layout.rect(index)
        across = cell.x < area.right and cell.right > area.x
        return across and cell.y < area.bottom and cell.bottom > area.y

    wanted = {index for index in range(layout.count) if area.width and area.height and touches(index)}
    assert wanted <= set(found)


@given(filled, st.data(), st.integers(200, 3000))
def test_no_key_leads_out_of_the_folder(layout: Layout, data: st.DataObject, page: int) -> None:
    index = data.draw(st.integers(0, layout.count - 1))
    for move in Move:
        assert 0 <= layout.moved(index, move, page) < layout.count
    assert layout.moved(index, Move.HOME, page) == 0
    assert layout.moved(index, Move.END, page) == layout.count - 1


@given(filled, st.data(), st.integers(200, 1500), st.integers(MIN_EDGE, MAX_EDGE))
def test_zooming_leaves_the_tile_where_it_was_unless_an_end_is_in_the_way(
    layout: Layout, data: st.DataObject, height: int, edge: int
) -> None:
    index = data.draw(st.integers(0, layout.count - 1))
    scroll = layout.scroll_into_view(index, 0, height)
    before = anchor_at(layout, index, scroll)
    zoomed = Layout(layout.width, layout.count, edge, layout.caption)
    after = before.scroll(zoomed, height)
    cell = zoomed.rect(index)
    there = cell.y + before.across * cell.height - after
    at_an_end = after in (0, max(0, zoomed.height - height))
    assert at_an_end or abs(there - before.y) <= 1


@pytest.mark.parametrize(
    ("move", "start", "wanted"),
    [
        (Move.DOWN, 0, 4),
        (Move.UP, 5, 1),
        (Move.DOWN, 7, 9),  # below is a shorter last row
        (Move.DOWN, 9, 9),
        (Move.UP, 2, 2),
        (Move.LEFT, 4, 3),
        (Move.RIGHT, 3, 4),
    ],
)
def test_arrows_in_ten_tiles_of_four_columns(move: Move, start: int, wanted: int) -> None:
    layout = Layout(width=4 * 112 + 3 * GAP + 2 * MARGIN, count=10, edge=96, caption=14)
    assert layout.columns == 4
    assert layout.moved(start, move, 500) == wanted


def test_an_empty_folder_has_no_tile_anywhere() -> None:
    layout = Layout(1000, 0, 128, 14)
    assert layout.height == 0
    assert layout.at(50, 50) is None
    assert layout.nearest(50, 50) is None
    assert not layout.span(0, 1000)
    assert layout.touching(Box(0, 0, 1000, 1000)) == []
