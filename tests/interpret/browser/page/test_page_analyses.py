"""Every analysis on the page, against what the Python function finds of the same store."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from alignbench.interpret.browser.head_grid import HeadGrid
from alignbench.interpret.browser.world import HeadWorld
from alignbench.interpret.searching.analysis import SearchJob, analyse, head_rows
from alignbench.interpret.searching.asked import StoredPicture, decomposed
from alignbench.interpret.searching.differences import compare_neighbours
from alignbench.interpret.searching.judged_pairs import JudgedStore, PeopleJob
from alignbench.interpret.searching.neighbours import Neighbours
from alignbench.interpret.searching.picked_texts import PickedTexts
from alignbench.interpret.searching.why import why
from alignbench.interpret.store import HeadStore
from alignbench.interpret.text_cache import unit_embeddings
from browsed_pages import Visit

pytestmark = pytest.mark.slow
HEADS = ((5, 3), (6, 0))
NAMES = "5.3,6.0"
Visiting = Callable[..., Visit]


def found(world: HeadWorld, job: SearchJob, picture: int | None = None) -> Any:
    """What the function finds of a picture of the store."""
    texts = [] if world.encoder is None or not job.texts else list(unit_embeddings(world.encoder, job.texts))
    asked: Any = None if picture is None else StoredPicture(world.store.names[picture], picture)
    if job.analysis in ("topic", "contrast", "attention"):
        assert world.pictures is not None
        assert world.tower is not None
        asked = decomposed(world.tower, world.pictures.prepared(asked.number, world.tower))
    return analyse(world.store, job, asked, texts)


def shown(page: Visit, heads: str) -> tuple[list[int], list[float]]:
    """Pictures and values of a group of neighbours."""
    place = f'#results [data-heads="{heads}"] .strip'
    return page.pictures(place), page.numbers(place)


def check(page: Visit, groups: dict[str, Neighbours]) -> None:
    assert page.tab.locator("#results .group").count() == len(groups)
    for heads, each in groups.items():
        pictures, values = shown(page, heads)
        assert pictures == each.pictures.tolist()
        np.testing.assert_allclose(values, each.values, rtol=1e-9)


@pytest.mark.parametrize("measure", ["dot", "cosine", "centred"])
def test_neighbours_by_several_heads_together(visit: Visiting, world: HeadWorld, measure: str) -> None:
    page = visit()
    page.open(analysis="property", heads=NAMES, picture=7, measure=measure, count=5)
    (each,) = found(world, SearchJob("property", HEADS, measure=measure, count=5), 7)
    check(page, {NAMES: each})
    assert page.text("#results .group h3") == "Heads 5.3, 6.0, together"


def test_neighbours_head_by_head_of_all_heads(visit: Visiting, world: HeadWorld) -> None:
    page = visit()
    page.open(analysis="picture", picture=3)
    each = found(world, SearchJob("picture"), 3)
    assert len(each) == 24
    check(page, {f"{group.heads[0][0]}.{group.heads[0][1]}": group for group in each})


def test_pictures_of_a_text(visit: Visiting, world: HeadWorld) -> None:
    page = visit()
    page.open(analysis="text", heads="2.0", text="a red circle", measure="centred")
    (each,) = found(world, SearchJob("text", ((2, 0),), ("a red circle",), "centred"))
    check(page, {"2.0": each})


@pytest.mark.parametrize("texts", [("a red circle",), ("a red circle", "a blue star")])
def test_maps_have_the_value_of_each_patch(visit: Visiting, world: HeadWorld, texts: tuple[str, ...]) -> None:
    analysis = ("topic", "contrast")[len(texts) - 1]
    page = visit()
    page.open(analysis=analysis, heads=NAMES, picture=4, **dict(zip(("text", "against"), texts, strict=False)))
    grid = found(world, SearchJob(analysis, HEADS, texts), 4).grid
    script = "all => all.map(each => Number(each.dataset.value))"
    values = page.tab.eval_on_selector_all(".patches [data-value]", script)
    np.testing.assert_allclose(values, grid.ravel(), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(page.numbers("#results"), [grid.min(), grid.max()], rtol=1e-6)
    assert "dot product" in page.text("#results .colour-bar")


def test_a_map_is_drawn_in_the_colours_of_its_file(visit: Visiting, world: HeadWorld) -> None:
    """Red where patches are above 0, blue where below, and the stronger the farther from 0: at the patches' centres."""
    page = visit()
    page.open(analysis="topic", picture=4, text="a red circle")
    grid = found(world, SearchJob("topic", (), ("a red circle",)), 4).grid
    script = """(canvas, [rows, columns]) => {
        const { data, height, width } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return Array.from({ length: rows * columns }, (_, number) => {
            const [row, column] = [Math.floor(number / columns), number % columns];
            const [y, x] = [Math.floor(((row + 0.5) * height) / rows), Math.floor(((column + 0.5) * width) / columns)];
            return Array.from(data.slice(4 * (y * width + x), 4 * (y * width + x) + 4));
        });
    }"""
    centres = np.array(page.tab.eval_on_selector("#results canvas", script, list(grid.shape))).reshape(*grid.shape, 4)
    np.testing.assert_allclose(centres[..., 3] / 255, np.abs(grid) / np.abs(grid).max(), atol=0.08)
    strong = np.abs(grid) > 0.2 * np.abs(grid).max()
    assert strong.any()
    assert ((centres[..., 0] > centres[..., 2]) == (grid > 0))[strong].all()
    assert float(page.tab.eval_on_selector("#results canvas", "each => each.style.opacity")) == 0.7
    page.tab.fill("#opacity", "25")
    assert float(page.tab.eval_on_selector("#results canvas", "each => each.style.opacity")) == 0.25
    assert "opacity=25" in page.tab.url


def test_a_result_is_saved_with_the_numbers_of_the_page(visit: Visiting) -> None:
    page = visit()
    page.open(analysis="property", heads=NAMES, picture=7)
    pictures, values = shown(page, NAMES)
    saved = {}
    for kind in ("PNG", "CSV", "JSON"):
        with page.tab.expect_download() as download:
            page.tab.click(f"#export >> text={kind}")
        assert download.value.suggested_filename == f"property.{kind.lower()}"
        saved[kind] = download.value.path().read_bytes()
    (group,) = json.loads(saved["JSON"])["groups"]
    assert [item["picture"] for item in group["items"]] == pictures
    lines = saved["CSV"].decode().splitlines()
    assert [float(line.rpartition(",")[2]) for line in lines[1:]] == pytest.approx(values)
    assert saved["PNG"].startswith(b"\x89PNG")


def stored(world: HeadWorld, picture: int) -> StoredPicture:
    return StoredPicture(world.store.names[picture], picture)


@pytest.mark.parametrize(("heads", "measure"), [(HEADS, "dot"), (HEADS[:1], "centred")])
def test_why_a_picture_is_near(visit: Visiting, world: HeadWorld, heads: tuple[Any, ...], measure: str) -> None:
    page = visit()
    names = ",".join(f"{layer}.{head}" for layer, head in heads)
    page.open(analysis="property", heads=names, picture=7, measure=measure)
    page.tab.locator("#results [data-why]").nth(1).click()
    page.tab.wait_for_selector("#results table.why")
    assert world.encoder is not None
    (folder,) = world.store.folder.parent.glob("*__textspan__*")
    picks = PickedTexts.read(folder, world.store, world.encoder).of(heads)
    (neighbour, value) = (each[1] for each in shown(page, names))
    rows = head_rows(world.store, heads, stored(world, 7), ())
    expected = why(rows, neighbour, picks, measure)
    shares = [each.value for each in expected.shares]
    np.testing.assert_allclose(
        page.numbers("#results table.why"), [*shares, expected.rest, expected.value], rtol=1e-6, atol=1e-12
    )
    assert expected.value == pytest.approx(value)
    texts = page.tab.eval_on_selector_all("#results .why tbody th", "all => all.map(each => each.textContent)")
    assert texts[:-1] == [each.text for each in expected.shares]
    page.tab.locator("#results [data-why]").nth(1).click()
    page.tab.wait_for_selector("#results table.why", state="detached")


def test_where_heads_look(visit: Visiting, world: HeadWorld) -> None:
    page = visit()
    page.open(analysis="attention", heads=NAMES, picture=4)
    grid = found(world, SearchJob("attention", HEADS), 4).grid
    script = "all => all.map(each => Number(each.dataset.value))"
    values = page.tab.eval_on_selector_all("#results .patches [data-value]", script)
    np.testing.assert_allclose(values, grid.ravel(), rtol=1e-5, atol=1e-9)
    assert "share of attention" in page.text("#results .colour-bar")
    assert "blue" not in page.tab.get_attribute("#results .ramp", "aria-label")


@pytest.mark.parametrize("picture", [None, 3])
def test_pairs_that_people_find_alike(visit: Visiting, world: HeadWorld, picture: int | None) -> None:
    page = visit()
    asked = {} if picture is None else {"pairs": "picture", "picture": picture}
    page.open(analysis="people", heads=NAMES, count=3, measure="cosine", **asked)
    expected = JudgedStore.read(world.store, "shapes-low").pairs(PeopleJob(HEADS, picture, "cosine", 3))
    for heads, each in zip(NAMES.split(","), expected, strict=True):
        place = f'#results [data-heads="{heads}"]'
        sides = np.stack([each.first, each.second], axis=1)
        assert page.pictures(place) == sides.ravel().tolist()
        numbers = np.stack([each.people, each.values, each.ranks], axis=1)
        np.testing.assert_allclose(page.numbers(place), numbers.ravel(), rtol=1e-6)


def test_a_difference_of_two_models(visit: Visiting, world: HeadWorld) -> None:
    page = visit()
    page.open(analysis="difference", heads="5.3", picture=4, count=5)
    (folder,) = world.store.folder.parent.glob("*random-0__heads__*")
    sides = [head_rows(store, HEADS[:1], stored(world, 4), ()) for store in (world.store, HeadStore.open(folder))]
    expected = compare_neighbours(sides[0], sides[1], 5, "dot", 4)
    assert page.pictures("#results") == [*expected.before.pictures.tolist(), *expected.after.pictures.tolist()]
    numbers = [expected.shared, expected.correlation, *expected.before.values, *expected.after.values]
    np.testing.assert_allclose(page.numbers("#results"), numbers, rtol=1e-6)
    both = set(expected.before.pictures.tolist()) & set(expected.after.pictures.tolist())
    assert page.tab.locator("#results .both").count() == 2 * len(both)


def test_the_grid_says_what_is_known_of_each_head(visit: Visiting, world: HeadWorld) -> None:
    page = visit()
    grid = HeadGrid.read(world.store)
    assert {each.kind for each in grid.colourings} == {"number", "name"}
    options = page.tab.eval_on_selector_all(
        "#colouring option", "all => all.map(each => [each.value, each.textContent])"
    )
    assert options == [[each.id, each.title] for each in grid.colourings]
    for each in grid.colourings:
        page.tab.select_option("#colouring", each.id)
        page.tab.wait_for_selector(f'#grid[data-colouring="{each.id}"]')
        for cell in each.cells:
            place = page.tab.locator(f'[role=gridcell][data-head="{cell.layer}.{cell.head}"]')
            label = place.get_attribute("aria-label")
            assert label.startswith(f"Head {cell.layer}.{cell.head}: ")
            assert cell.note in label
            classes = place.get_attribute("class").split()
            assert ("grey" in classes) == cell.is_grey
            assert ("empty" in classes) == (cell.value is None)
            if each.kind == "name":
                assert cell.text in label
            elif cell.value is not None:
                told = label.partition(": ")[2].split()[0].rstrip(";")
                assert float(told.replace("\u2212", "-")) == pytest.approx(cell.value, rel=0.005)
    labels = next(each for each in grid.colourings if each.kind == "name")
    page.tab.select_option("#colouring", labels.id)
    page.tab.wait_for_selector("#grid .names button")
    name = page.text("#grid .names button >> nth=0").splitlines()[-1].rpartition(" (")[0]
    page.tab.click("#grid .names button >> nth=0")
    heads = [f"{cell.layer}.{cell.head}" for cell in labels.cells if cell.value is not None and cell.text == name]
    assert heads
    assert f"heads={','.join(heads)}" in page.tab.url
    page.settled()


def test_the_card_of_a_head(visit: Visiting, world: HeadWorld) -> None:
    page = visit()
    grid = HeadGrid.read(world.store)
    head = next(head for head in grid.heads if grid.card(head).label)
    card = grid.card(head)
    page.open(head=f"{head[0]}.{head[1]}", picture=4)
    page.tab.wait_for_selector("#card .looks .patches")
    page.tab.wait_for_selector("#card .nearest .strip")
    assert page.text("#card .facts strong") == card.label
    rows = page.tab.locator("#card table").nth(1).locator("tbody tr")
    assert rows.count() == len(card.texts)
    script = "all => all.map(each => Number(each.value))"
    values = page.tab.locator("#card table").nth(1).locator("data").evaluate_all(script)
    np.testing.assert_allclose(values, [x for each in card.texts for x in (each.deviation, each.margin)], rtol=1e-6)
    said = page.text("#card table >> nth=0")
    assert all(each.title in said for each in card.people)
    first = page.numbers("#card table:nth-of-type(1)")
    assert first[: len(card.people)] == pytest.approx([each.value for each in card.people])
    (near,) = found(world, SearchJob("text", (head,), (card.texts[0].text,), count=6))
    assert page.pictures("#card .nearest") == near.pictures.tolist()
    page.tab.click("#card button >> text=Choose it alone")
    page.tab.click(f'#card tbody button >> text="{card.texts[0].text}"')
    page.settled()
    assert page.tab.get_attribute("#tab-text", "aria-selected") == "true"
    assert page.pictures("#results")[:3] == near.pictures.tolist()[:3]


def test_neighbours_come_nearest_first(visit: Visiting) -> None:
    page = visit()
    page.open(analysis="property", picture=0, count=12)
    values = page.numbers("#results .strip")
    assert len(values) == 12
    assert all(one >= other for one, other in pairwise(values))
