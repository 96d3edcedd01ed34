"""The bibliography is BibTeX, and names the works of what was measured, on what, and how."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

import alignbench
from alignbench import LayerCurve
from alignbench.datasets import DATASETS
from alignbench.models.cards import cards
from alignbench.report.citations import HEADER, cite, objectives_of
from alignbench.scoring.scored_run import ScoredRun
from published_runs import BASE_32, curve_like, run_folder
from studies import BIOMED, Made, write_made

BIB = Path(alignbench.__file__).parent / "assets" / "citations.bib"
FIELDS = {
    "article": {"author", "title", "journal", "year"},
    "inproceedings": {"author", "title", "booktitle", "year"},
}


def parse(text: str) -> dict[str, dict[str, str]]:
    """Entries of a BibTeX file by key, read letter by letter: every brace has to be closed, every field known."""
    found: dict[str, dict[str, str]] = {}
    rest = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    while rest.strip():
        head = re.match(r"\s*@([a-z]+)\{([a-zA-Z0-9-]+),", rest)
        assert head, rest[:40]
        kind, key = head.groups()
        assert key not in found, f"{key} stands twice"
        fields, place, depth, begun = {}, head.end(), 1, head.end()
        while depth:
            letter = rest[place]
            depth += (letter == "{") - (letter == "}")
            place += 1
        body = rest[begun : place - 1].strip()
        for name, value in re.findall(r"^\s*([a-z]+) = \{(.*)\},?$", body, re.MULTILINE):
            assert name not in fields
            fields[name] = value
        assert len(body.splitlines()) == len(fields), "each field has a line"
        assert FIELDS[kind] <= set(fields), key
        found[key], rest = fields, rest[place:]
    return found


def run_of(curve: LayerCurve, root: Path) -> ScoredRun:
    return ScoredRun(run_folder(root, "run", curve))


def test_the_file_is_whole() -> None:
    entries = parse(BIB.read_text(encoding="utf-8"))
    for key, fields in entries.items():
        assert fields["year"] == re.findall(r"20[012]\d", key)[0], "the key says the year"
        assert all(", " in name or name == "others" for name in fields["author"].split(" and ")), key
    assert BIB.read_text(encoding="utf-8").isascii()


def test_every_work_of_the_file_is_cited_by_something(tmp_path: Path) -> None:
    entries = parse(BIB.read_text(encoding="utf-8"))
    sources = (Path(alignbench.__file__).parent / "report" / "citations.py").read_text(encoding="utf-8")
    assert all(f'"{key}"' in sources for key in entries)


def test_a_run_of_the_paper(tmp_path: Path) -> None:
    found = cite([run_of(curve_like(BASE_32, "things"), tmp_path)])
    assert set(parse(found.bibtex())) == {
        "hernandez-camara2024",
        "hebart2019things",
        "hebart2023thingsdata",
        "radford2021clip",
    }
    assert found.bibtex().startswith(HEADER)
    assert found.unknown == ()


@pytest.mark.parametrize(("model", "key"), [("ssim", "wang2004ssim"), (BIOMED, "zhang2023biomedclip")])
def test_baselines_and_twins_are_cited(tmp_path: Path, model: str, key: str) -> None:
    label = model if model == "ssim" else f"{model}@random-0"
    folder = write_made(Made(model, "nights", 30, lambda *_: 0.6, label=label), tmp_path)
    assert cite([ScoredRun(folder)]).keys == {"hernandez-camara2024", "fu2023dreamsim", key}


def test_what_nobody_wrote_about_is_named(tmp_path: Path) -> None:
    found = cite([run_of(curve_like(BASE_32, "nights", label="my/own model"), tmp_path)])
    assert found.unknown == ("my/own model",)
    assert "radford2021clip" not in found.keys


def test_simulated_observers_need_no_work(tmp_path: Path) -> None:
    folder = write_made(Made("pixels", "shapes-low", 30, lambda *_: 0.6), tmp_path)
    assert cite([ScoredRun(folder)]).keys == {"hernandez-camara2024"}


def test_published_curves_beside_are_cited() -> None:
    found = cite([], ["lpips", BASE_32, "pixels"])
    assert found.keys == {"hernandez-camara2024", "zhang2018lpips", "radford2021clip"}


@pytest.mark.parametrize(
    ("told", "key"),
    [
        ({"name": "clip_ViT-L/14"}, "muttenthaler2023glocal"),
        ({"name": "mine", "provenance": {"objective": "naive"}}, "muttenthaler2023human"),
        ({"name": "mine", "provenance": {"objective": "global"}}, "muttenthaler2023glocal"),
        ({"name": "mine", "provenance": {}}, None),
        ({"name": ["a list"], "provenance": {}}, None),
    ],
)
def test_transforms_are_cited(tmp_path: Path, told: dict[str, object], key: str | None) -> None:
    folder = write_made(Made("ssim", "tid2013", 30, lambda *_: 0.6, details={"transform": told}), tmp_path)
    usual = {"hernandez-camara2024", "ponomarenko2015tid2013", "wang2004ssim"}
    assert cite([ScoredRun(folder)]).keys == usual | ({key} if key else set())
    judged = SimpleNamespace(record={"settings": {"transform": told}, **told})
    objectives = objectives_of(SimpleNamespace(learned=(), judged=(judged,)))  # type: ignore[arg-type]
    assert cite([], objectives=objectives).keys == {"hernandez-camara2024", *([key] if key else [])}


def test_of_a_teacher_the_embedding_of_its_targets_is_cited_too() -> None:
    works = {"muttenthaler2025levels", "muttenthaler2023glocal", "muttenthaler2022vice"}
    found = cite([], objectives=["soft"])
    assert found.keys == {"hernandez-camara2024", *works}
    assert "{VICE}: Variational Interpretable Concept Embeddings" in found.bibtex()


def test_every_card_and_data_set_of_people_has_its_work(tmp_path: Path) -> None:
    for name, card in cards().items():
        frame = curve_like(BASE_32, "nights").frame.assign(model=name)
        found = cite([run_of(LayerCurve(frame), tmp_path / name.replace("/", "-"))])
        assert found.unknown == (), name
        assert (len(found.keys) > 2) is not bool(card.packaged), name
    for name in DATASETS.names():
        frame = curve_like(BASE_32, "nights").frame.assign(dataset=name)
        found = cite([run_of(LayerCurve(frame), tmp_path / name)])
        assert found.unknown == (), name
        assert (len(found.keys) > 2) is not name.startswith("shapes-"), name
