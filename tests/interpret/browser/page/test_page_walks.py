"""Walks over the page: links, back and forward, sessions, uploads, keys, late answers, a busy server, hostile texts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alignbench.interpret.browser.world import BrowserJob, HeadWorld, open_world
from alignbench.interpret.searching.neighbours import HeadRows, property_neighbours
from alignbench.interpret.store import StoreShape
from browsed_pages import Visit, served
from head_stores import write_store
from orientations import write_turned

pytestmark = pytest.mark.slow
Visiting = Callable[..., Visit]
CHOSEN = '[role=gridcell][data-head][aria-selected="true"]'
HOSTILE = '<img src="/nowhere" onerror="window.hit = 1"><b>bold</b> '


def chosen(page: Visit) -> list[str]:
    script = "all => all.map(each => each.dataset.head)"
    return list(map(str, page.tab.eval_on_selector_all(CHOSEN, script)))


def picture_file(colour: tuple[int, int, int]) -> bytes:
    content = BytesIO()
    Image.new("RGB", (80, 60), colour).save(content, "PNG")
    return content.getvalue()


def upload(page: Visit, name: str, content: bytes) -> None:
    page.tab.set_input_files("#upload", {"name": name, "mimeType": "image/png", "buffer": content})
    page.tab.wait_for_function("name => document.querySelector('.pictures .now .name').textContent === name", arg=name)
    page.settled()


def test_back_and_forward_show_what_was_there(visit: Visiting) -> None:
    page = visit()
    page.open(heads="5.3,6.0", picture=1)
    first = page.pictures("#results")
    page.tab.click("#tab-picture")
    page.settled()
    assert page.tab.locator("#results .group").count() == 2
    page.tab.locator("#results [aria-label^='as query']").first.click()
    page.settled()
    third = page.pictures("#results")
    assert third != first
    page.tab.go_back()
    page.settled()
    assert page.tab.get_attribute("#tab-picture", "aria-selected") == "true"
    page.tab.go_back()
    page.tab.wait_for_selector("#tab-property[aria-selected=true]")
    page.settled()
    assert page.pictures("#results") == first
    page.tab.go_forward()
    page.tab.go_forward()
    page.settled()
    assert page.pictures("#results") == third


def test_a_link_shows_the_same_view_to_another_visitor(visit: Visiting) -> None:
    one, other = visit(), visit()
    one.tab.click("#tab-text")
    one.tab.fill("#text", "a red circle")
    one.tab.press("#text", "Enter")
    one.tab.select_option("#measure", "cosine")
    one.tab.click('[data-head="2.0"]', modifiers=["Shift"])
    one.tab.click('[data-head="5.1"]')
    one.tab.fill("#count", "6")
    one.tab.press("#count", "Enter")
    one.settled()
    assert "token" not in one.tab.url
    assert "count=6" in one.tab.url
    other.tab.goto("about:blank")
    other.tab.goto(one.tab.url)
    other.settled()
    for page in (one, other):
        page.tab.wait_for_function("() => document.querySelector('#card-title').textContent === 'Head 5.1'")
    places = ("#results", "#grid .choice", "#form")
    assert [one.text(place) for place in places] == [other.text(place) for place in places]
    assert one.numbers("#results") == other.numbers("#results")
    assert len(one.numbers("#results")) == 6
    fields = "() => [...document.querySelectorAll('[data-setting]')].map(each => each.value)"
    assert one.tab.evaluate(fields) == other.tab.evaluate(fields)


def test_two_sessions_at_once_do_not_mix(visit: Visiting) -> None:
    one, other = visit(), visit()
    one.open(analysis="property", heads="1.0")
    other.open(analysis="picture", heads="2.1")
    upload(one, "red.png", picture_file((255, 0, 0)))
    upload(other, "blue.png", picture_file((0, 0, 255)))
    crops = []
    for page in (one, other):
        crop = page.tab.get_attribute(".pictures .now img", "src")
        assert crop is not None
        answer = page.context.request.get(page.server.origin + crop)
        crops.append(np.asarray(Image.open(BytesIO(answer.body())).convert("RGB")).mean(axis=(0, 1)).round().tolist())
        assert crop.partition("upload=")[2] not in page.tab.url, "an upload is in no link"
        assert "not in the link" in page.text("#export")
    assert crops == [[255, 0, 0], [0, 0, 255]]
    stolen = one.context.request.get(other.server.origin + crop)
    assert not stolen.ok
    assert chosen(one) == ["1.0"]
    assert chosen(other) == ["2.1"]
    assert one.pictures("#results") != other.pictures("#results")
    one.tab.go_back()
    one.tab.wait_for_function("() => !document.querySelector('.pictures .now').textContent.includes('uploaded')")
    one.tab.go_forward()
    one.tab.wait_for_function("() => document.querySelector('.pictures .now').textContent.includes('uploaded')")
    one.settled()


def test_an_upload_that_is_no_picture_is_refused_in_a_line(visit: Visiting) -> None:
    page = visit()
    page.tab.set_input_files("#upload", {"name": "a.svg", "mimeType": "image/svg+xml", "buffer": b"<svg></svg>"})
    fault = page.tab.wait_for_selector(".upload .fault")
    assert "\n" not in fault.inner_text()
    assert page.complaints
    assert all("Failed to load resource" in each for each in page.complaints)
    page.complaints.clear()


def test_heads_are_chosen_and_opened_by_keys(visit: Visiting) -> None:
    page = visit()
    page.tab.focus("#grid [tabindex='0']")
    for key in ("Home", "ArrowRight", "ArrowRight", "ArrowDown", " ", "End", " "):
        page.tab.keyboard.press(key)
    assert chosen(page) == ["2.1", "2.3"]
    page.tab.keyboard.press("ArrowUp")
    page.tab.keyboard.press("Enter")
    page.tab.wait_for_function("() => document.querySelector('#card-title').textContent === 'Head 1.3'")
    assert page.tab.evaluate("document.activeElement.dataset.head") == "1.3"
    page.tab.keyboard.press("ArrowDown")
    page.tab.keyboard.press(" ")
    assert chosen(page) == ["2.1"]
    page.tab.keyboard.press("Home")
    page.tab.keyboard.press(" ")
    assert chosen(page) == ["2.0", "2.1", "2.2", "2.3"], "a layer's number chooses all of its heads"
    page.settled()
    page.tab.focus("#tab-property")
    page.tab.keyboard.press("ArrowRight")
    page.tab.keyboard.press("Enter")
    assert page.tab.get_attribute("#tab-picture", "aria-selected") == "true"
    page.settled()


def test_the_focus_stays_where_it_was(visit: Visiting) -> None:
    page = visit()
    page.open(heads="5.3,6.0", picture=1, head="5.3")
    where = "() => document.activeElement.id || document.activeElement.dataset.head"
    page.tab.focus("#results [aria-label^='as query']")
    page.tab.keyboard.press("Enter")
    page.settled()
    assert page.tab.evaluate(where) == "results"
    page.tab.focus("#grid .chip")
    page.tab.keyboard.press("Enter")
    page.settled()
    assert page.tab.evaluate(where) == "5.3", "the head of the grid where arrows go on"
    page.tab.focus("#card-body button >> text=Close")
    page.tab.keyboard.press("Enter")
    assert page.tab.evaluate(where) == "card-title"


def test_patches_say_their_values_to_keys_and_pointer(visit: Visiting) -> None:
    page = visit()
    page.open(analysis="topic", text="a red circle", picture=2)
    page.tab.focus("#results .patches [tabindex='0']")
    page.tab.keyboard.press("ArrowRight")
    page.tab.keyboard.press("ArrowDown")
    assert page.text("#results .readout").startswith("row 2, column 2: ")
    cell = page.tab.locator("#results .patches [role=gridcell]").nth(2)
    cell.hover()
    assert page.text("#results .readout") == cell.get_attribute("aria-label")


def test_a_picture_is_found_by_its_name(visit: Visiting, world: HeadWorld) -> None:
    page = visit()
    name = world.store.names[9]
    page.tab.click("summary >> text=Choose another picture")
    page.tab.fill("#like", name)
    page.tab.wait_for_function("() => document.querySelectorAll('.choices li').length === 1")
    page.tab.click(".choices button")
    page.settled()
    assert page.tab.url.endswith("#picture=9")
    page.tab.wait_for_function("name => document.querySelector('.pictures .now .name').textContent === name", arg=name)


def test_a_late_answer_is_not_shown(visit: Visiting) -> None:
    page = visit()
    held: list[Any] = []
    page.tab.route("**/api/search?*picture=5*", lambda route: held.append(route))
    page.tab.evaluate("() => { location.hash = '#heads=1.0&picture=5'; }")
    page.tab.wait_for_selector("#results[aria-busy=true]")
    page.tab.evaluate("() => { location.hash = '#heads=1.0&picture=6'; }")
    page.settled()
    found = page.pictures("#results")
    (route,) = held
    route.continue_()
    page.tab.wait_for_timeout(300)
    assert page.pictures("#results") == found
    page.tab.unroute("**/api/search?*picture=5*")
    page.open(heads="1.0", picture=6)
    assert page.pictures("#results") == found


def test_a_busy_server_is_asked_again(visit: Visiting) -> None:
    page = visit()
    refused = [0]
    gate = threading.Event()

    def answer(route: Any) -> None:
        refused[0] += 1
        if refused[0] <= 2:
            route.fulfill(status=503, content_type="application/json", body='{"error": "busy"}')
        else:
            gate.set()
            route.continue_()

    page.tab.route("**/api/search?*picture=8*", answer)
    page.tab.evaluate("() => { location.hash = '#heads=1.0&picture=8'; }")
    page.tab.wait_for_function("() => document.querySelector('#status').textContent.includes('busy')")
    page.settled()
    assert gate.is_set()
    assert len(page.pictures("#results")) == 4
    assert page.text("#status").strip() == ""
    assert all("503" in each for each in page.complaints)
    page.complaints.clear()


def test_what_is_wrong_is_said_in_a_line(visit: Visiting) -> None:
    page = visit()
    page.open(heads="9.9")
    assert page.text("#results .fault") == "“Chosen heads” (heads) has 9.9, and there are 1.0 to 6.3: leave it out"
    assert page.text("#export") == "", "there is nothing to keep"
    page.open(count=201)
    assert page.text("#results .fault").startswith("“How many” (count) takes a whole number from 1 to 200")
    page.open(picture=100_000)
    assert page.text("#results .fault").startswith("there is no picture 100000")
    page.open(analysis="text")
    assert page.text("#results .hint").startswith("Type a text above")
    assert page.text("#export") == ""
    page.complaints.clear()  # a browser notes every answer that is an error


def test_a_store_alone_shows_names_and_says_what_is_lacking(browser: Any, tmp_path: Path) -> None:
    shape = StoreShape(pictures=12, blocks=2, layers=(1, 2), heads=3, width=8, dtype="fp32")
    store = write_store(tmp_path / "own__heads__1", shape)
    with served(open_world(BrowserJob(store.folder))) as server:
        page = Visit(browser, server)
        page.open(picture=3, head="2.1")
        page.tab.wait_for_selector("#card-body .hint")
        heads = [(layer, head) for layer in (1, 2) for head in range(3)]
        rows = [HeadRows(head, store.head(*head), store.head(*head)[3]) for head in heads]
        expected = property_neighbours(rows, 4, "dot", 3)
        names = page.tab.locator("#results .name").all_inner_texts()
        assert names == [store.names[number] for number in expected.pictures]
        np.testing.assert_allclose(page.numbers("#results .strip"), expected.values, rtol=1e-6)
        assert page.tab.locator("#results img").count() == 0
        assert "alignbench interpret" in page.text("#grid .hint")
        assert "pictures are not shown: name their folder with" in page.text(".pictures")
        page.tab.click("#tab-topic")
        assert page.text("#results .hint").strip()
        page.tab.click("#tab-people")
        assert page.text("#results .hint").strip()
        page.settled()
        server.notices.clear()  # the model is looked for meanwhile, and is nowhere
        page.check()


def test_a_colouring_that_is_gone_gives_way_to_the_first(visit: Visiting, world: HeadWorld) -> None:
    page = visit()
    page.open(colouring="label.gone")
    assert world.grid is not None
    first = world.grid.colourings[0]
    page.tab.wait_for_function("id => document.querySelector('#grid').dataset.colouring === id", arg=first.id)
    assert page.tab.locator("#grid .hint").count() == 1
    assert page.tab.input_value("#colouring") == first.id
    assert first.title in page.text("#grid .legend")
    page.tab.select_option("#colouring", world.grid.colourings[-1].id)
    page.tab.wait_for_function("() => !document.querySelector('#grid .hint')")
    page.settled()


def test_html_in_names_labels_and_texts_is_shown_as_text(visit: Visiting) -> None:
    page = visit()
    words = {"name", "text", "label", "title", "note", "unit", "model", "judge", "error"}

    def hostile(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: hostile(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [hostile(each, "text" if key in ("notes", "people") else key) for each in value]
        return HOSTILE + value if isinstance(value, str) and key in words else value

    def answer(route: Any) -> None:
        found = route.fetch()
        route.fulfill(response=found, body=json.dumps(hostile(found.json())))

    page.tab.route("**/api/*", answer)
    page.open(analysis="picture", heads="5.3", head="5.3", why="1@5.3")
    page.tab.wait_for_selector("#card-body .facts, #card-body .fault")
    page.open(analysis="text", heads="5.3", text=HOSTILE + "star", colouring="")
    page.tab.wait_for_timeout(200)
    assert page.tab.locator("b").count() == 0
    assert page.tab.evaluate("window.hit === undefined")
    assert HOSTILE.strip() in page.text("h1")
    assert not any("/nowhere" in each for each in page.requests)
    page.complaints.clear()  # a thumbnail's name goes into no address, but the model may not know the words


def test_what_was_done_to_an_upload_is_said(visit: Visiting, tmp_path: Path) -> None:
    page = visit()
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
    file = write_turned(tmp_path / "mine.png", picture, 6)
    page.tab.set_input_files("#upload", file)
    page.tab.wait_for_selector(".now .said")
    assert page.text(".now .said").strip() == "It was turned upright, as its EXIF orientation says."
    assert "60, uploaded" in page.text(".now"), "it is as wide as it was high"


def test_people_who_are_simulated_are_called_so(visit: Visiting) -> None:
    page = visit()
    page.open(analysis="people", heads="5.3", head="5.3")
    assert "simulated observers, not human data" in page.text("#results .note")
    page.tab.wait_for_selector("#card-body table")
    assert "(simulated observers)" in page.text("#card-body")
    assert "(simulated observers)" in page.text("#grid .legend")


def test_words_that_the_model_does_not_know_are_named(visit: Visiting) -> None:
    page = visit()
    page.open(analysis="text", heads="5.3", text="a red zebra")
    assert page.text("#results .note") == "shapes-clip does not know zebra: write it in other words"


def test_a_part_that_is_gone_to_begins_at_the_top(visit: Visiting) -> None:
    page = visit(viewport={"width": 390, "height": 700})
    page.open(analysis="people", head="5.3")
    page.tab.wait_for_selector("#card-body table")
    page.tab.click("[data-part=asked-title]")
    top = "document.querySelector('#asked-title').getBoundingClientRect().top"
    page.tab.wait_for_function(f"() => {top} >= 0 && {top} < 120")
