from __future__ import annotations

from dataclasses import fields

from alignbench.distances.protocols import CORRECTED, PAPER, PROTOCOLS


def test_the_two_protocols_differ_in_every_rule() -> None:
    rules = [field.name for field in fields(PAPER) if field.name != "name"]
    assert all(getattr(PAPER, rule) != getattr(CORRECTED, rule) for rule in rules)


def test_the_paper_divides_by_norms_and_the_corrected_protocol_does_the_rest() -> None:
    assert PAPER.unit_norm_projections
    assert not any((PAPER.share_ties, PAPER.held_out_means, PAPER.drops_few_votes, PAPER.noise_ceilings))


def test_protocols_are_found_by_name() -> None:
    assert PROTOCOLS == {"paper": PAPER, "corrected": CORRECTED}
