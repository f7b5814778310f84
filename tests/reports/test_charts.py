"""Charts put values where their axis says."""

import re
from xml.etree import ElementTree

from unrolled.reports.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, IntervalRow, interval_chart, line_chart

import pytest


def numbers(svg: str, pattern: str) -> list[float]:
    found = re.search(pattern, svg)
    assert found is not None
    return [float(number) for number in re.split(r"[ ,]", found[1])]


def test_a_line_goes_from_corner_to_corner_of_its_axis() -> None:
    svg = line_chart("loss", {"training": [1.0, 0.5, 0.0]})
    points = numbers(svg, r'<polyline points="([^"]*)"')
    assert points[:2] == [LEFT, TOP]
    assert points[-2:] == [WIDTH - RIGHT, HEIGHT - BOTTOM]
    assert "<polygon" not in svg


def test_a_band_goes_forth_along_its_top_and_back_along_its_bottom() -> None:
    svg = line_chart("loss", {"rows": [0.5, 0.5]}, {"rows": [(0.0, 1.0), (0.25, 0.75)]})
    band = numbers(svg, r'<polygon points="([^"]*)"')
    x, y = band[::2], band[1::2]
    assert x == [LEFT, WIDTH - RIGHT, WIDTH - RIGHT, LEFT]
    assert y[0] < y[1] < y[2] < y[3]


def test_one_epoch_is_drawn_in_the_middle() -> None:
    svg = line_chart("loss", {"training": [0.5]})
    assert numbers(svg, r'<polyline points="([^"]*)"')[0] == pytest.approx((LEFT + WIDTH - RIGHT) / 2)


def test_colours_begin_again_after_the_last() -> None:
    svg = line_chart("loss", {str(n): [0.1 * n, 0.2] for n in range(7)})
    assert svg.count('class="line series-1"') == 2


def test_a_chart_of_intervals_is_well_formed_whatever_names_it_has() -> None:
    rows = [
        IntervalRow('<b> & "c"', 0.9, (0.8, 1.0), [0.88, 0.92], 1),
        IntervalRow("a" * 80, 0.5, None, [0.5], 2),
    ]
    root = ElementTree.fromstring(interval_chart("accuracy", rows))
    groups = root.findall("g")
    assert [len(group.findall("circle")) for group in groups] == [2, 1]
    low, high = (float(groups[0].findall("line")[0].attrib[end]) for end in ("x1", "x2"))
    mean = float(groups[0].findall("line")[1].attrib["x1"])
    assert mean == pytest.approx((low + high) / 2, abs=0.2)
    assert len(groups[1].findall("line")) == 1
    assert groups[0].findall("text")[0].text == '<b> & "c"'
