"""The statements of the paper: each told apart, with a rule of its own, and contradictions said beside."""

from alignbench.study.statements import STATEMENTS


def test_every_statement_has_its_own_claim_and_rule_and_says_what_it_rests_on() -> None:
    for each in zip(*((one.claim, one.rule, one.judge) for one in STATEMENTS), strict=True):
        assert len(set(each)) == len(STATEMENTS) == 22
    for one in STATEMENTS:
        for said in (one.claim, one.rule, one.rests_on, *filter(None, [one.aside])):
            assert said.endswith((".", ".)")), said
            assert "  " not in said
        assert set(one.levels) <= {"low", "middle", "high"}


def test_where_the_paper_contradicts_itself_both_sides_are_listed_and_it_is_said() -> None:
    both = [one for one in STATEMENTS if one.aside.startswith("The paper contradicts itself")]
    assert [("abstract" in one.claim, "3.2" in one.claim) for one in both] == [(True, False), (False, True)]
    dips = [one for one in STATEMENTS if "appendix C" in one.aside]
    assert len(dips) == 2
