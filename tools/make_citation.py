"""Write CITATION.cff: the package, and the works that its measures come from, as `assets/citations.bib` has them.

python tools/make_citation.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "alignbench/assets/citations.bib"
TARGET = ROOT / "CITATION.cff"
PAPER = "hernandez-camara2024"
MEASURES = (  # data sets, distances and methods; what checkpoints come from is told by `report --bibtex`
    *("ponomarenko2015tid2013", "lin2019kadid10k", "zhang2018lpips", "fu2023dreamsim", "hebart2019things"),
    *("hebart2023thingsdata", "muttenthaler2025levels", "cichy2019similarity", "king2019similarity"),
    *("peterson2018similarity", "wang2004ssim", "wang2003msssim", "hepburn2020perceptnet", "muttenthaler2022vice"),
    *("muttenthaler2023human", "muttenthaler2023glocal", "gandelsman2024heads"),
)
_ENTRY = re.compile(r"^@(\w+)\{([^,\s]+),\n(.*?)^\}$", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^  (\w+) = \{(.*)\},?$", re.MULTILINE)
_ACCENTS = {r"{\'a}": "á", r"{\'u}": "ú", r"{\'e}": "é", r"{\"u}": "ü"}


def citation() -> str:
    """Return the content of CITATION.cff."""
    works = dict(_works(SOURCE.read_text(encoding="utf-8")))
    content = {
        "cff-version": "1.2.0",
        "message": "Cite the software, and the works in `references` that your results rest on: "
        "`alignbench report RUNS --output table.tex --bibtex` names them.",
        "type": "software",
        "title": "alignbench",
        "abstract": "Measures the human alignment of vision models, layer by layer, at three levels of abstraction.",
        "authors": [{"name": "the alignbench authors"}],
        "version": version("alignbench"),
        "license": "MIT",
        "references": [works[key] for key in (PAPER, *MEASURES)],
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def _works(bibliography: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for kind, key, body in _ENTRY.findall(bibliography):
        fields = {name: _plain(value) for name, value in _FIELD.findall(body)}
        work: dict[str, Any] = {"type": "article" if kind == "article" else "conference-paper"}
        work |= {"title": fields["title"], "authors": [_person(each) for each in fields["author"].split(" and ")]}
        if "journal" in fields:
            work["journal"] = fields["journal"]
        if "booktitle" in fields:
            work["conference"] = {"name": fields["booktitle"]}
        work |= {name: fields[name] for name in ("volume", "issue") if name in fields}
        yield key, work | {"year": int(fields["year"])}


def _person(name: str) -> dict[str, str]:
    family, comma, given = name.partition(", ")
    return {"family-names": family, "given-names": given} if comma else {"name": family}


def _plain(text: str) -> str:
    for written, letter in _ACCENTS.items():
        text = text.replace(written, letter)
    return text.replace("{", "").replace("}", "")


if __name__ == "__main__":
    TARGET.write_text(citation(), encoding="utf-8")
