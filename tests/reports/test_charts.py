"""Charts put values where their axis says."""

import re
from xml.etree import ElementTree

from unrolled.reports.charts import IntervalRow, Mark, choose_labels, interval_chart, line_chart, round_ticks

import pytest


def numbers(html: str, pattern: str) -> list[float]:
    found = re.search(pattern, html)
    assert found is not None
    return [float(number) for number in re.split(r"[ ,]", found[1])]


def position(element: ElementTree.Element, name: str) -> float:
    found = re.search(rf"{name}:([\d.]+)%", element.attrib["style"])
    assert found is not None
    return float(found[1])


def test_a_line_goes_from_corner_to_corner_of_its_axis() -> None:
    html = line_chart("loss", {"training": [1.0, 0.5, 0.0]})
    points = numbers(html, r'<polyline points="([^"]*)"')
    assert points[:2] == [0, 0]
    assert points[-2:] == [100, 100]
    assert "<polygon" not in html


def test_a_band_follows_its_upper_edge_and_returns_along_its_lower_edge() -> None:
    html = line_chart("loss", {"rows": [0.5, 0.5]}, {"rows": [(0.0, 1.0), (0.25, 0.75)]})
    band = numbers(html, r'<polygon points="([^"]*)"')
    x, y = band[::2], band[1::2]
    assert x == [0, 100, 100, 0]
    assert y[0] < y[1] < y[2] < y[3]


def test_one_epoch_is_drawn_in_the_middle() -> None:
    html = line_chart("loss", {"training": [0.5]})
    assert numbers(html, r'<polyline points="([^"]*)"')[0] == 50
    assert 'style="left:50.0%' in html


def test_colors_begin_again_after_the_last() -> None:
    html = line_chart("loss", {str(n): [0.1 * n, 0.2] for n in range(7)})
    assert html.count('class="line series-1"') == 2


def test_a_line_is_broken_where_values_are_missing() -> None:
    nan = float("nan")
    html = line_chart("forecast", {"actual": [1.0, 2.0, nan, 4.0, nan]}, steps=["a", "b", "c", "d", "e"])
    first, second = re.findall(r'<polyline points="([^"]*)"', html)
    assert len(first.split()) == 2
    assert len(set(second.split())) == 1, "a value between two gaps is a dot"


def test_text_is_outside_the_svg_so_that_it_does_not_scale() -> None:
    html = line_chart("loss", {"training": [0.1] * 40}, marks=[Mark(3, "best")])
    root = ElementTree.fromstring(html)
    svg = root.find(".//svg")
    assert svg is not None
    assert svg.attrib["preserveAspectRatio"] == "none"
    assert not svg.findall(".//text")
    assert [mark.text for mark in root.findall(".//span[@class='mark']/b")] == ["best"]


def test_a_narrow_chart_has_fewer_labels_than_a_wide_one() -> None:
    html = line_chart("loss", {"training": [0.1 * n for n in range(60)]})
    labels = re.findall(r'<span class="x (\w*)"[^>]*>(\d+)<', html)
    narrow = [label for width, label in labels if width != "wide"]
    wide = [label for width, label in labels if width != "narrow"]
    assert narrow == ["10", "20", "30", "40", "50", "60"]
    assert wide[:4] == ["5", "10", "15", "20"]


@pytest.mark.parametrize(
    ("labels", "most", "chosen"),
    [
        (["-2", "-1", "now", "+1", "+2"], 3, ["-2", "now", "+2"]),
        (["7", "8", "9", "10", "11"], 2, ["8", "10"]),
        (["Jan", "Feb", "Mar", "Apr"], 2, ["Jan", "Mar"]),
        (["1"], 0, ["1"]),
    ],
)
def test_labels_are_multiples_of_a_round_number(labels: list[str], most: int, chosen: list[str]) -> None:
    assert [labels[index] for index in choose_labels(labels, most)] == chosen


def test_an_axis_of_one_value_begins_at_zero() -> None:
    assert round_ticks([0.36])[0] == 0
    assert round_ticks([-2.0])[-1] == 0
    assert round_ticks([0.0])[0] < round_ticks([0.0])[-1]


def test_a_chart_of_intervals_is_well_formed_whatever_names_it_has() -> None:
    rows = [
        IntervalRow('<b> & "c"', 0.9, (0.8, 1.0), [0.88, 0.92], 1),
        IntervalRow("a" * 80, 0.5, None, [0.5], 2),
    ]
    root = ElementTree.fromstring(interval_chart("accuracy", rows))
    groups = root.findall("div[@title]")
    assert [len(group.findall("div/i[@class='dot']")) for group in groups] == [2, 1]
    (interval,) = groups[0].findall("div/i[@class='interval']")
    (mean,) = groups[0].findall("div/i[@class='mean']")
    assert position(mean, "left") == pytest.approx(
        position(interval, "left") + position(interval, "width") / 2, abs=0.2
    )
    assert not groups[1].findall("div/i[@class='interval']")
    assert groups[0].findall("span")[0].text == '<b> & "c"'
