"""What each address answers: the numbers of the Python functions, pictures by number, and a line for what is wrong."""

from __future__ import annotations

import csv
import json
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alignbench.datasets import DATASETS
from alignbench.interpret.browser.world import BrowserJob, open_world
from alignbench.interpret.decomposing import store_contributions
from alignbench.interpret.head_names import heads_named
from alignbench.interpret.searching.analysis import SearchJob, analyse
from alignbench.interpret.searching.asked import StoredPicture, decomposed_picture
from alignbench.interpret.searching.comparing import DifferenceJob, compare_sides
from alignbench.interpret.searching.explaining import explain
from alignbench.interpret.searching.judged_pairs import JudgedStore, PeopleJob
from alignbench.interpret.searching.picked_texts import PickedTexts
from alignbench.interpret.store_job import StoreJob
from alignbench.interpret.text_cache import unit_embeddings
from alignbench.interpret.text_encoders.loading import load_text_encoder
from alignbench.measurement.sources import TowerRequest, load_ready_tower
from browsers import HOSTILE, OWN, Browsed, Visited, browsed_heads, visiting, write_pictures
from orientations import write_turned

HEADS = ((5, 3), (6, 0))
NAMED = heads_named(HEADS)
ENCODER = load_text_encoder("shapes-clip")


def texts_of(*texts: str) -> list[Any]:
    return list(unit_embeddings(ENCODER, texts))


def items(store: Any, found: Any) -> list[dict[str, Any]]:
    """Neighbours as the page has them, value for value."""
    return [
        {"picture": int(number), "name": store.names[number], "value": float(value)}
        for number, value in zip(found.pictures, found.values, strict=True)
    ]


@pytest.mark.parametrize("measure", ["dot", "cosine", "centred"])
@pytest.mark.parametrize("analysis", ["property", "picture"])
def test_neighbours_of_a_picture_are_those_of_the_function(
    analysis: str, measure: str, visitor: Visited, browsed: Browsed
) -> None:
    asked = {"analysis": analysis, "heads": NAMED, "picture": "3", "measure": measure, "count": "5"}
    answer = visitor.ask("/api/search", **asked)
    job = SearchJob(analysis, HEADS, (), measure, 5)
    wanted = analyse(browsed.store, job, StoredPicture(browsed.store.names[3], 3))
    assert isinstance(wanted, list)
    assert answer["kind"] == "neighbours"
    assert answer["heads"] == NAMED
    assert [each["heads"] for each in answer["groups"]] == [heads_named(each.heads) for each in wanted]
    assert [each["items"] for each in answer["groups"]] == [items(browsed.store, each) for each in wanted]


def test_all_heads_are_asked_where_none_is_named_and_as_many_neighbours_as_published(
    visitor: Visited, browsed: Browsed
) -> None:
    answer = visitor.ask("/api/search", analysis="text", text="a red star")
    wanted = analyse(browsed.store, SearchJob("text", (), ("a red star",)), None, texts_of("a red star"))
    assert isinstance(wanted, list)
    assert len(answer["groups"]) == 24
    assert [each["items"] for each in answer["groups"]] == [items(browsed.store, each) for each in wanted]
    assert answer["unit"] == "dot product"


@pytest.mark.parametrize("given", ["picture", "upload"])
@pytest.mark.parametrize("texts", [("a red star",), ("a red star", "a blue star")])
def test_maps_are_those_of_the_function_on_the_file(
    texts: tuple[str, ...], given: str, visitor: Visited, browsed: Browsed
) -> None:
    file = browsed.pictures / browsed.store.names[5]
    analysis = "topic" if len(texts) == 1 else "contrast"
    about = {"picture": "5"} if given == "picture" else {"upload": visitor.upload(file.read_bytes())["upload"]}
    asked = {"analysis": analysis, "heads": NAMED, **dict(zip(("text", "against"), texts, strict=False)), **about}
    answer = visitor.ask("/api/search", **asked)
    picture = decomposed_picture(browsed.store, file)
    wanted = analyse(browsed.store, SearchJob(analysis, HEADS, texts), picture, texts_of(*texts))
    assert not isinstance(wanted, list)
    assert answer["grid"] == wanted.grid.tolist()
    assert (answer["low"], answer["high"]) == (wanted.grid.min(), wanted.grid.max())
    assert (answer["height"], answer["width"]) == picture.pixels.shape[1:]
    assert answer["unit"] == wanted.unit
    crop = np.asarray(Image.open(BytesIO(visitor.client.get(answer["crop"]).content)))
    assert np.array_equal(crop.transpose(2, 0, 1), picture.pixels), "the overlay lies on what the model saw"


def test_neighbours_of_an_upload_are_those_of_the_file(visitor: Visited, browsed: Browsed) -> None:
    file = browsed.pictures / browsed.store.names[5]
    name = visitor.upload(file.read_bytes(), "mine.png")["upload"]
    answer = visitor.ask("/api/search", analysis="property", heads=NAMED, upload=name)
    picture = decomposed_picture(browsed.store, file)
    wanted = analyse(browsed.store, SearchJob("property", HEADS), picture)
    assert isinstance(wanted, list)
    assert answer["groups"][0]["items"] == items(browsed.store, wanted[0])
    assert answer["groups"][0]["items"][0]["picture"] == 5, "which is in the store too"


@pytest.mark.filterwarnings("ignore:.* is turned upright")
def test_an_upload_that_is_turned_has_the_numbers_of_its_file(
    visitor: Visited, browsed: Browsed, tmp_path: Path
) -> None:
    with Image.open(browsed.pictures / browsed.store.names[5]) as picture:
        file = write_turned(tmp_path / "it.png", picture, 6)
    told = visitor.upload(file.read_bytes(), "mine.png")
    assert told["notes"] == ["It was turned upright, as its EXIF orientation says."]
    name = told["upload"]
    answer = visitor.ask("/api/search", analysis="topic", text="a red star", heads=NAMED, upload=name)
    job = SearchJob("topic", HEADS, ("a red star",))
    wanted = analyse(browsed.store, job, decomposed_picture(browsed.store, file), texts_of("a red star"))
    assert not isinstance(wanted, list)
    assert answer["grid"] == wanted.grid.tolist()
    stored = visitor.ask("/api/search", analysis="topic", text="a red star", heads=NAMED, picture="5")
    assert answer["grid"] != stored["grid"]


@pytest.mark.filterwarnings("ignore:.* is taken as it is stored")
def test_a_picture_of_the_store_is_not_turned_by_its_number_nor_by_its_file(tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "pictures", 4)
    with Image.open(pictures / "02.png") as picture:
        write_turned(pictures / "turned.png", picture.convert("RGB").transpose(Image.Transpose.FLIP_LEFT_RIGHT), 6)
    store = browsed_heads(tmp_path / "heads", pictures)
    job, number = SearchJob("topic", HEADS, ("a red star",)), store.names.index("turned.png")
    with visiting(open_world(BrowserJob(store.folder, images=pictures))) as visited:
        answer = visited.ask("/api/search", analysis="topic", text="a red star", heads=NAMED, picture=str(number))
    wanted = analyse(store, job, decomposed_picture(store, pictures / "turned.png"), texts_of("a red star"))
    assert not isinstance(wanted, list)
    assert answer["grid"] == wanted.grid.tolist()


def test_why_and_difference_are_those_of_the_functions(visitor: Visited, browsed: Browsed) -> None:
    why = visitor.ask("/api/why", analysis="property", heads=NAMED, picture="3", neighbour="7")
    assert browsed.world.span is not None
    texts = PickedTexts.read(browsed.world.span, browsed.store, ENCODER)
    picture = StoredPicture(browsed.store.names[3], 3)
    wanted = explain(texts, SearchJob("property", HEADS), 7, picture)
    assert (why["value"], why["rest"]) == (wanted.value, wanted.rest)
    assert [(each["heads"], each["pick"], each["text"], each["value"]) for each in why["shares"]] == [
        (heads_named([each.head]), each.pick, each.text, each.value) for each in wanted.shares
    ]
    assert sum(each["value"] for each in why["shares"]) + why["rest"] == pytest.approx(why["value"], rel=1e-9)
    asked = {"analysis": "difference", "heads": "5.3", "other": "o0", "other_heads": "6.1", "picture": "3"}
    answer = visitor.ask("/api/search", **asked, count="3")
    than = browsed.world.others["o0"].than
    (compared,) = compare_sides(browsed.store, than, DifferenceJob(((5, 3),), ((6, 1),), count=3), picture)
    (group,) = answer["groups"]
    assert answer["kind"] == "difference"
    assert (group["heads"], group["others"]) == ("5.3", "6.1")
    assert group["before"] == items(browsed.store, compared.before)
    assert group["after"] == items(browsed.store, compared.after)
    assert (group["shared"], group["correlation"]) == (compared.shared, compared.correlation)


def test_pairs_that_people_find_alike_are_those_of_the_function(tmp_path: Path) -> None:
    judgments = DATASETS.load("shapes-low").read(None, ("test",)).limited(60)
    request = TowerRequest("shapes-clip", "all", accelerator="cpu", workers=0, layers=("all",))
    store, _ = store_contributions(StoreJob("all", output=tmp_path), load_ready_tower(request), judgments.images)
    judged = JudgedStore.read(store, "shapes-low")
    with visiting(open_world(BrowserJob(store.folder))) as visited:
        for picture, measure, count in ((None, "dot", None), (3, "centred", 5)):
            settings = {"measure": measure} | (
                {} if picture is None else {"picture": str(picture), "count": str(count)}
            )
            answer = visited.ask("/api/search", analysis="people", heads=NAMED, dataset="shapes-low", **settings)
            wanted = judged.pairs(PeopleJob(HEADS, picture, measure, count))
            assert [each["heads"] for each in answer["groups"]] == [heads_named(each.heads) for each in wanted]
            for group, each in zip(answer["groups"], wanted, strict=True):
                table = [[*(item[side]["picture"] for side in ("first", "second"))] for item in group["items"]]
                assert table == np.stack([each.first, each.second], axis=1).tolist()
                columns = ("people", each.people), ("count", each.counts), ("value", each.values), ("rank", each.ranks)
                for name, values in columns:
                    assert [item[name] for item in group["items"]] == values.tolist(), name
            assert (answer["kind"], answer["people_unit"]) == ("pairs", "mean rating")
            assert answer["notes"] == list(judged.notes)
            assert "simulated observers" in answer["notes"][0]


def test_the_world_says_what_there_is(visitor: Visited, browsed: Browsed) -> None:
    answer = visitor.ask("/api/world")
    assert (answer["model"], answer["pictures"]) == ("shapes-clip", 12)
    assert (answer["layers"], answer["heads"], answer["width"], answer["blocks"]) == ([1, 2, 3, 4, 5, 6], 4, 64, 6)
    assert all(answer["can"][name] is True for name in ("texts", "maps", "pictures", "why"))
    assert answer["can"]["others"] == [{"id": "o0", "title": "shapes-clip"}]
    assert "texts" not in answer["cannot"]
    assert str(browsed.pictures) not in json.dumps(answer)
    assert visitor.ask("/api/busy") == {"waiting": 0}
    colouring = next(each for each in answer["colourings"] if each["id"].startswith("label."))
    grid = visitor.ask("/api/grid", colouring=colouring["id"])
    assert [(each["layer"], each["head"]) for each in grid["cells"]] == [(k, h) for k in range(1, 7) for h in range(4)]
    card = visitor.ask("/api/head", layer="5", head="3")
    assert [each["pick"] for each in card["texts"]] == [1, 2, 3]


def test_pictures_are_listed_and_found_by_a_part_of_their_names(visitor: Visited, browsed: Browsed) -> None:
    names = browsed.store.names
    answer = visitor.ask("/api/pictures", start="2", count="3")
    assert answer == {"total": 12, "items": [{"picture": each, "name": names[each]} for each in (2, 3, 4)]}
    found = visitor.ask("/api/pictures", like="INNER")
    assert [each["name"] for each in found["items"]] == [name for name in names if name.startswith("inner/")]
    assert visitor.ask("/api/pictures", like="nothing") == {"total": 0, "items": []}


@pytest.mark.parametrize(
    ("side", "kind", "size"), [("160", "image/png", 64), ("64", "image/png", 64), ("32", "image/jpeg", 32)]
)
def test_thumbnails_are_pictures_by_their_number(
    side: str, kind: str, size: int, visitor: Visited, browsed: Browsed
) -> None:
    for number in (0, 5):
        answer = visitor.client.get(f"/picture?number={number}&side={side}")
        assert answer.headers["content-type"] == kind
        with (
            Image.open(BytesIO(answer.content)) as found,
            Image.open(browsed.pictures / browsed.store.names[number]) as own,
        ):
            assert found.size == (size, size)
            wanted = np.asarray(own.resize((size, size), Image.Resampling.LANCZOS), dtype=float)
            assert np.abs(np.asarray(found, dtype=float) - wanted).mean() < 4


def test_csv_has_what_json_has_and_no_formula(visitor: Visited, browsed: Browsed) -> None:
    asked = {"analysis": "property", "heads": NAMED, "picture": "5", "count": "11"}
    answer = visitor.client.get("/api/search", params={**asked, "format": "csv"})
    assert answer.headers["content-disposition"] == 'attachment; filename="property.csv"'
    rows = list(csv.DictReader(StringIO(answer.text)))
    wanted = visitor.ask("/api/search", **asked)["groups"][0]["items"]
    assert [float(row["value"]) for row in rows] == [each["value"] for each in wanted]
    names = [each["name"] for each in wanted]
    assert HOSTILE in names
    assert [row["picture"] for row in rows] == [f"'{name}" if name == HOSTILE else name for name in names]
    assert not [cell for row in rows for name, cell in row.items() if name != "value" and cell[0] in "=+-@\t\r"]


@pytest.mark.parametrize(
    "asked",
    [
        {"analysis": "property", "picture": "3"},
        {"analysis": "topic", "picture": "3", "text": "a $\\frac{red}$ star"},
        {"analysis": "difference", "picture": "3", "heads": "5.3", "other": "o0"},
    ],
)
def test_png_is_a_picture_to_keep(asked: dict[str, str], visitor: Visited) -> None:
    answer = visitor.client.get("/api/search", params={**asked, "format": "png"})
    assert answer.headers["content-disposition"] == f'attachment; filename="{asked["analysis"]}.png"'
    with Image.open(BytesIO(answer.content)) as found:
        assert found.format == "PNG"
        assert min(found.size) > 100


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/api/search?analysis=nothing", "unknown analysis 'nothing': valid: "),
        ("/api/search?analysis=property", "Property needs “Picture” (picture): choose one, or upload one"),
        ("/api/search?analysis=property&picture=12", "there is no picture 12: they are counted from 0 to 11"),
        ("/api/search?analysis=topic&picture=99&text=x", "there is no picture 99: they are counted from 0 to 11"),
        (
            "/api/search?analysis=picture&picture=1&heads=9.9",
            "“Chosen heads” (heads) has 9.9, and there are 1.0 to 6.3: leave it out",
        ),
        ("/api/search?analysis=picture&picture=1&heads=x", "“Chosen heads” x names no heads"),
        ("/api/search?analysis=text&text=", "“Text” (text) is empty: write a text"),
        ("/api/search?analysis=text", "Text needs “Text” (text): give it"),
        ("/api/search?analysis=topic&text=x", "Topic map needs “Picture” (picture)"),
        ("/api/search?analysis=text&text=x&picture=1", "Text takes no “Picture” (picture): leave it out"),
        ("/api/search?analysis=picture&picture=1&measure=l2", "unknown “Measure” 'l2'"),
        ("/api/search?analysis=picture&picture=1&upload=x", "are two pictures: give one of them"),
        ("/api/search?analysis=picture&upload=x", "this upload is not kept any more, or never was"),
        ("/api/search?analysis=picture&picture=1&picture=2&x=1", "x is nothing that can be asked"),
        ("/api/search?analysis=picture&picture=1.0", "“Picture” (picture) takes a whole number"),
        (
            "/api/search?analysis=difference&picture=1&other=o7",
            "“Compared with” (other) is none of those that there are",
        ),
        ("/api/search?analysis=difference&other=o0", "Difference needs “Picture” (picture)"),
        ("/api/search?analysis=people&dataset=x", "have judged these pictures: name judgments of them with --dataset"),
        (
            "/api/search?analysis=difference&picture=1&other=o0&heads=5.3&other_heads=x",
            "“Heads there” x names no heads",
        ),
        ("/api/search?analysis=property&picture=1&dataset=x", "Property takes no “Judgments” (dataset): leave it out"),
        ("/api/why?analysis=topic&picture=1&text=x&neighbour=1", "Topic map finds no neighbours that texts explain"),
        ("/api/why?analysis=property&picture=1", "neighbour is missing: give it"),
        ("/api/why?analysis=property&picture=1&neighbour=99", "there is no picture 99"),
        ("/api/grid?colouring=x", "unknown colouring 'x'"),
        ("/api/head?layer=9&head=0", "the store holds no head 9.0"),
        ("/picture?number=12", "there is no picture 12"),
        ("/picture?number=../../etc/passwd", "number takes a whole number from 0, in the digits 0 to 9"),
        ("/crop", "“Picture” (picture) or “Upload a picture” (upload): give one of them"),
        ("/api/world?x=1", "x is nothing that can be asked"),
        ("/api/pictures?count=9999", "“How many” (count) takes a whole number from 1 to 500"),
    ],
)
def test_what_is_wrong_is_one_line(address: str, said: str, visitor: Visited, browsed: Browsed) -> None:
    answer = visitor.client.get(address)
    assert answer.status_code == 400
    (line,) = answer.json().values()
    assert said in line
    assert "\n" not in line
    for place in (browsed.store.folder.parent, browsed.pictures, Path.home()):
        assert str(place) not in line
    assert "--" not in line.replace("with --dataset", "")  # by which the command is started


def test_a_text_that_is_too_long_for_the_model_is_refused_and_not_cut(visitor: Visited) -> None:
    words = " ".join(["red"] * (ENCODER.tokenizer.context + 1))
    (length,) = ENCODER.tokenizer([words]).lengths
    answer = visitor.client.get("/api/search", params={"analysis": "text", "text": words})
    said = f"“Text” (text) has {length} tokens, and shapes-clip takes {ENCODER.tokenizer.context}: shorten it"
    assert (answer.status_code, answer.json()) == (400, {"error": said})


@pytest.mark.parametrize(
    ("text", "unknown"), [("a red star", ""), ("a red circle", "circle"), ("Zebra, red zebra, Zebra", "Zebra, zebra")]
)
def test_words_that_the_model_does_not_know_are_said(text: str, unknown: str, visitor: Visited) -> None:
    notes = visitor.ask("/api/search", analysis="text", text=text, heads="5.3")["notes"]
    assert notes == ([f"shapes-clip does not know {unknown}: write it in other words"] if unknown else [])


def test_texts_that_are_the_same_to_the_model_are_said(visitor: Visited) -> None:
    asked = {"analysis": "contrast", "picture": "1", "text": "a red star", "against": "a red star"}
    answer = visitor.ask("/api/search", **asked)
    assert answer["notes"] == ["both texts are the same to the model: it does not know all of their words"]
    assert (answer["low"], answer["high"]) == (0.0, 0.0)


@pytest.mark.parametrize(
    "address",
    [
        *("/app/../serving.py", "/app/..%2fserving.py", "/app/%2e%2e/serving.py", "/app//etc/passwd", "/app/"),
        *("/app/..%252f..%252fserving.py", "/app/index.html%00.js", "/app/..\\serving.py", "/etc/passwd"),
        *("/app/%2fetc%2fpasswd", "/page/index.html", "/docs", "/openapi.json", "/redoc", "/../../etc/passwd"),
    ],
)
def test_no_address_leads_to_a_file(address: str, visitor: Visited) -> None:
    answer = visitor.client.get(address)
    assert answer.status_code == 404
    assert list(answer.json()) == ["error"]


def test_files_of_the_page_come_as_what_they_are(visitor: Visited) -> None:
    for name, kind in (("main.js", "text/javascript"), ("app.css", "text/css"), ("icon.svg", "image/svg+xml")):
        answer = visitor.client.get(f"/app/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
    page = visitor.client.get("/").text
    assert "<script>" not in page
    assert "onclick" not in page


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b"", 400, "the upload is empty"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', 400, "is not a picture"),
        (bytes(20_000_001), 413, "more than 20,000,000 bytes"),
    ],
)
def test_an_upload_that_is_no_picture_or_too_large_is_refused(
    content: bytes, status: int, said: str, visitor: Visited
) -> None:
    answer = visitor.client.post("/api/upload", content=content, headers=OWN)
    assert answer.status_code == status
    assert said in answer.json()["error"]


def test_an_upload_whose_length_is_not_said_is_bounded_too(visitor: Visited) -> None:
    sent = 0

    def pieces() -> Any:
        nonlocal sent
        for _ in range(40):
            sent += 1
            yield bytes(1_000_000)

    answer = visitor.client.post("/api/upload", content=pieces(), headers=OWN)
    assert answer.status_code == 413


def test_two_visitors_do_not_see_each_others_uploads_and_nothing_is_written(
    browsed: Browsed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALIGNBENCH_CACHE", str(tmp_path / "cache"))
    before = {path: path.stat().st_mtime_ns for path in browsed.store.folder.parent.parent.rglob("*")}
    content = (browsed.pictures / browsed.store.names[2]).read_bytes()
    with visiting(browsed.world) as first, first.another() as second:
        mine, theirs = first.upload(content), second.upload(content)
        assert mine["upload"] != theirs["upload"]
        assert first.client.get(f"/crop?upload={mine['upload']}").status_code == 200
        for visited, other in ((first, theirs), (second, mine)):
            answer = visited.client.get(f"/crop?upload={other['upload']}")
            assert answer.status_code == 400
            assert "this upload is not kept" in answer.json()["error"]
        first.ask("/api/search", analysis="topic", text="a text of mine", upload=mine["upload"])
    after = {path: path.stat().st_mtime_ns for path in browsed.store.folder.parent.parent.rglob("*")}
    assert before == after
    assert not (tmp_path / "cache").exists(), "texts of visitors are kept nowhere"


def test_the_token_is_exchanged_for_a_cookie_and_leaves_no_trace(browsed: Browsed) -> None:
    with visiting(browsed.world) as visited:
        visited.client.cookies.clear()
        assert visited.client.get("/").status_code == 401
        assert visited.client.get("/api/world").status_code == 401
        for wrong in ("", "x", visited.doors.sessions.token[:-1]):
            answer = visited.client.get("/", params={"token": wrong}, follow_redirects=False)
            assert answer.status_code == 401
            assert "set-cookie" not in answer.headers
        answer = visited.client.get("/", params={"token": visited.doors.sessions.token}, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert visited.doors.sessions.token not in cookie
        assert "HttpOnly" in cookie
        assert "samesite=lax" in cookie.lower()
        assert "Path=/" in cookie
        assert visited.client.get("/").status_code == 200


def test_names_of_uploads_and_texts_stay_data(visitor: Visited, browsed: Browsed) -> None:
    content = (browsed.pictures / browsed.store.names[2]).read_bytes()
    name = "<script>alert(1)</script>.png"
    assert visitor.upload(content, name)["name"] == name
    answer = visitor.client.get("/api/search", params={"analysis": "text", "text": name, "heads": "5.3"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_what_fails_unexpectedly_is_a_line_here_and_nothing_there(
    browsed: Browsed, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []

    def fails(*given: object) -> None:
        raise KeyError("/home/ann/secret")

    monkeypatch.setattr("alignbench.interpret.browser.asking.analyse", fails)
    with visiting(browsed.world, heard) as visited:
        answer = visited.client.get("/api/search?analysis=property&picture=1")
        assert answer.status_code == 500
        assert "ann" not in answer.text
        assert heard[0].startswith("unexpected KeyError")
        assert visited.ask("/api/busy") == {"waiting": 0}
