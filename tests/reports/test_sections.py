"""Each kind of section shows what it describes."""

import base64
import io
from typing import Any, get_args
from xml.etree import ElementTree

from unrolled.reports.sections import RENDERERS, png_address, render_section
from unrolled.tasks.sections import (
    ChartSection,
    ConfusionSection,
    Mistake,
    MistakesSection,
    SampleSection,
    Section,
    TableSection,
)

import numpy as np
from PIL import Image


def parse(section: Section) -> ElementTree.Element:
    """The section as a tree; images and lines are closed as XML wants it, entities are plain characters."""
    html = str(render_section(section)).replace("<br>", "<br/>")
    return ElementTree.fromstring("".join(_closed(part) for part in html.split("<img")))


def _closed(part: str) -> str:
    if not part.startswith(" src="):
        return part
    attributes, _, rest = part.partition(">")
    return f"<img{attributes}/>{rest}"


def text_of(element: ElementTree.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def cells(root: ElementTree.Element, row: str = "td") -> list[list[str]]:
    return [[text_of(cell) for cell in line.findall(row)] for line in root.findall(".//tbody/tr")]


def mistake(example: Any, index: int = 7) -> Mistake:
    return Mistake(index=index, example=example, truth="4", predicted="9", probability=0.987)


def test_every_kind_of_section_has_a_renderer() -> None:
    assert set(RENDERERS) == set(get_args(Section))


def test_a_table_has_its_cells_formatted() -> None:
    root = parse(
        TableSection("Classes", ("class", "F1", "examples"), [["<b>", 0.5, 1234], ["two", 0.25, 2]], "A note.")
    )
    assert [text_of(head) for head in root.findall("h2")] == ["Classes"]
    assert [text_of(head) for head in root.findall(".//thead//th")] == ["class", "F1", "examples"]
    assert cells(root) == [["<b>", "0.5000", "1,234"], ["two", "0.2500", "2"]]
    assert [cell.attrib.get("class") for cell in root.findall(".//tbody/tr")[0]] == [None, "number", "number"]
    assert "A note." in text_of(root)


def test_a_confusion_matrix_has_every_count_with_its_classes() -> None:
    root = parse(ConfusionSection("Confusion matrix", ("cat", "dog"), ((40, 2), (0, 58))))
    assert text_of(root.findall("h2")[0]) == "Confusion matrix"
    assert cells(root) == [["40", "2"], ["", "58"]]
    assert cells(root, "th") == [["cat"], ["dog"]]
    assert [text_of(head) for head in root.findall(".//thead//th")] == ["", "cat", "dog"]
    titles = [cell.attrib["title"] for cell in root.findall(".//tbody/tr/td")]
    assert titles[1] == "cat predicted as dog: 2 of 42"
    assert not root.findall(".//*[@class='scroll']"), "the matrix is whole at every width"


def test_long_names_stand_upright_above_the_matrix() -> None:
    names = ("household appliances", "tools", "toys")
    root = parse(ConfusionSection("Confusion matrix", names, np.eye(3, dtype=int).tolist()))
    assert tuple(text_of(name) for name in root.findall(".//*[@class='upright']")) == names
    two = parse(ConfusionSection("Confusion matrix", ("negative", "positive"), ((4, 2), (0, 5))))
    assert [text_of(head) for head in two.findall(".//thead//th")] == ["", "negative", "positive"]
    assert not two.findall(".//*[@class='upright']")


def test_many_classes_get_a_compact_matrix_and_a_list_of_the_busiest_confusions() -> None:
    names = [f"department {number}" for number in range(30)]
    counts = np.diag(np.full(30, 10))
    counts[3, 8], counts[20, 21] = 5, 30
    root = parse(ConfusionSection("Confusion matrix", names, counts.tolist()))
    matrix, busiest = root.findall(".//table")
    assert "compact" in matrix.attrib["class"]
    assert len(matrix.findall("tbody/tr/td")) == 900
    assert text_of(matrix.findall("tbody/tr/th")[3]) == "4 department 3"
    assert cells(busiest)[0] == ["department 20", "department 21", "30", "75 %"]
    assert cells(busiest)[1][:3] == ["department 3", "department 8", "5"]
    assert len(cells(busiest)) == 2


def test_a_matrix_of_very_many_classes_is_the_list_alone() -> None:
    counts = np.diag(np.full(200, 3))
    counts[0, 1] = 2
    root = parse(ConfusionSection("Confusion matrix", [str(number) for number in range(200)], counts.tolist()))
    (busiest,) = root.findall(".//table")
    assert cells(busiest) == [["0", "1", "2", "40 %"]]


def test_mistakes_of_images_are_pictures_with_both_classes() -> None:
    image = np.arange(6, dtype=np.uint8).reshape(2, 3)
    root = parse(MistakesSection("Most confident mistakes", [mistake(image)], total=12))
    (picture,) = root.findall(".//img")
    encoded = picture.attrib["src"].removeprefix("data:image/png;base64,")
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded)))), image)
    assert text_of(root.findall(".//figcaption")[0]) == "4 predicted as 9, 98.7 % (#7)"
    assert "12 mistakes in the test set, the 1 with the highest probability here." in text_of(root)


def test_mistakes_of_series_are_charts_of_each_channel() -> None:
    series = np.array([[1.0, 100.0], [2.0, 50.0], [np.nan, 0.0]])
    root = parse(MistakesSection("Most confident mistakes", [mistake(series)], total=1, channels=("x", "load")))
    lines = root.findall(".//polyline")
    assert [line.attrib["class"] for line in lines] == ["line series-1", "line series-2"]
    assert [len(line.attrib["points"].split()) for line in lines] == [2, 3]
    assert [text_of(key) for key in root.findall(".//*[@class='key series-2']")] == ["load"]


def test_mistakes_of_texts_are_quoted_and_cut() -> None:
    root = parse(MistakesSection("Most confident mistakes", [mistake("<b>" + "a" * 400)], total=1))
    (quote,) = root.findall(".//blockquote")
    assert text_of(quote).startswith("<b>aaa")
    assert text_of(quote).endswith("a…")
    assert len(text_of(quote)) == 301


def test_no_mistakes_are_one_sentence() -> None:
    assert "No mistakes" in text_of(parse(MistakesSection("Most confident mistakes", [], total=0)))


def test_charts_have_a_line_for_each_series() -> None:
    nan = float("nan")
    charts = {"passengers": {"actual": [1.0, 2.0, 3.0], "forecast": [nan, 2.5, 2.75]}}
    root = parse(ChartSection("Forecasts on the test set", charts, ("-1", "now", "+1"), "A note."))
    assert [len(line.attrib["points"].split()) for line in root.findall(".//polyline")] == [3, 2]
    assert text_of(root.findall(".//figcaption")[0]) == "passengersactualforecast"
    assert "now" in [text_of(label) for label in root.findall(".//span")]
    assert "A note." in text_of(root)


def test_the_seventh_chart_and_later_ones_are_behind_a_summary() -> None:
    charts = {f"shop {number}": {"actual": [1.0, 2.0]} for number in range(20)}
    root = parse(ChartSection("Forecasts on the test set", charts, ("1", "2")))
    assert len(root.findall(".//figure")) == 20
    (more,) = root.findall("details")
    assert len(more.findall(".//figure")) == 14
    assert text_of(more.findall("summary")[0]) == "14 more"


def test_a_sample_follows_its_prompt() -> None:
    root = parse(SampleSection("Generated text", "It is ", "a truth\nuniversally", "Temperature 0.7."))
    (quote,) = root.findall("blockquote")
    assert "".join(quote.itertext()) == "It is a truth\nuniversally"
    assert text_of(quote.findall("span")[0]) == "It is"
    assert "Temperature 0.7." in text_of(root)


def test_numbers_that_are_no_pixels_are_stretched_to_black_and_white() -> None:
    address = png_address(np.array([[0.0, 0.5], [1.0, 0.25]]))
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))
    assert pixels.tolist() == [[0, 127], [255, 63]]
