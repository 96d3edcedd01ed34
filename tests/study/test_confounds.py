"""What differs between models beside a factor is what their cards say and what the loader does."""

import tomllib
from pathlib import Path

import pytest

import alignbench
from alignbench.models.cards import cards
from alignbench.models.transformers_layouts import LAYOUTS
from alignbench.study.study import Study
from factor_grid import by_name, made, study_of
from studies import BASE_16, BIOMED, CHINESE, SIGLIP

CARDS = Path(alignbench.__file__).parent / "models" / "cards.toml"


@pytest.mark.parametrize(
    ("name", "key"), [("architecture", "architecture"), ("activation", "loss"), ("language", "language")]
)
def test_what_else_differs_is_what_the_cards_say(grid: Study, name: str, key: str) -> None:
    factor = by_name(grid)[name]
    written = tomllib.loads(CARDS.read_text())
    of = [written[option.label] for option in factor.options]
    facts = ("family", "architecture", "patch_size", "image_size", "loss", "language", "training_data")
    expected = {fact.replace("_", " "): [str(card[fact]) for card in of] for fact in facts if fact != key}
    expected = {fact: values for fact, values in expected.items() if len(set(values)) > 1}
    table = factor.differs.set_index("factor")
    assert list(table.columns) == [option.shown for option in factor.options]
    shown = set(facts) - {key}
    found = {fact: list(row) for fact, row in table.iterrows() if str(fact).replace(" ", "_") in shown}
    assert found == expected


def test_sizes_of_the_towers_are_on_their_cards(grid: Study) -> None:
    table = by_name(grid)["architecture"].differs.set_index("factor")
    for fact, name in {
        "channels": "hidden_size",
        "blocks": "num_hidden_layers",
        "heads": "num_attention_heads",
    }.items():
        expected = [str(cards()[option.label].vision[name]) for option in by_name(grid)["architecture"].options]
        assert table.loc[fact].tolist() == expected


def test_class_token_and_projection_are_read_as_the_loader_reads_them(grid: Study) -> None:
    for name, other in (("activation", SIGLIP), ("language", CHINESE)):
        table = by_name(grid)[name].differs.set_index("factor")
        layouts = [LAYOUTS[cards()[label].family] for label in (BASE_16, other)]
        assert [text.endswith("divided by its norm") for text in table.loc["projection"]] == [
            layout.unit_norm for layout in layouts
        ]
        tokens = table.loc["class token"].tolist() if "class token" in table.index else ["yes", "yes"]
        assert [text != "none" for text in tokens] == [layout.class_token for layout in layouts]


def test_under_the_corrected_protocol_projections_are_as_they_are(tmp_path: Path) -> None:
    study = study_of(tmp_path, *(made(model, protocol="corrected") for model in (BASE_16, CHINESE, BIOMED)))
    factors = by_name(study)
    assert "projection" not in set(factors["language"].differs["factor"])
    assert "class token" not in set(factors["data"].differs["factor"])


def test_pictures_are_prepared_as_their_processors_do(grid: Study, tmp_path: Path) -> None:
    row = by_name(grid)["language"].differs.set_index("factor").loc["pictures"]
    assert row.tolist() == ["short side resized, centre cropped", "whole, squashed to the square"]
    squashed = study_of(tmp_path, *(made(model, settings={"resize": "squash"}) for model in (BASE_16, CHINESE)))
    assert "pictures" not in set(by_name(squashed)["language"].differs["factor"])
