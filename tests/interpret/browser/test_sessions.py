"""Sessions: who has the token gets one, each keeps its own uploads, and neither grows without end."""

from __future__ import annotations

import numpy as np

from alignbench.interpret.browser.sessions import Sessions, VisitorSession
from alignbench.interpret.browser.uploads import Upload
from alignbench.interpret.searching.asked import PreparedPicture


def upload(name: str) -> Upload:
    return Upload(PreparedPicture(name, name, np.zeros((3, 2, 2), dtype=np.uint8)), 2, 2)


def test_only_the_token_begins_a_session_and_each_time_another() -> None:
    sessions = Sessions()
    assert len(sessions.token) >= 43, "256 bits"
    assert Sessions().token != sessions.token
    for wrong in ("", sessions.token[:-1], sessions.token + "x", "é", sessions.token.swapcase()):
        assert sessions.begin(wrong) is None
    first, second = sessions.begin(sessions.token), sessions.begin(sessions.token)
    assert first is not None
    assert second is not None
    assert len({first, second, sessions.token}) == 3, "what is in the cookie is no token of links"
    assert sessions.find(first) is not sessions.find(second)
    assert sessions.find(first) is sessions.find(first)
    assert sessions.find(sessions.token) is None
    assert sessions.find("") is None


def test_uploads_belong_to_a_session_and_the_last_few_are_kept() -> None:
    mine, other = VisitorSession(), VisitorSession()
    names = [mine.keep(upload(str(number))) for number in range(11)]
    assert len(set(names)) == 11
    assert [mine.upload(name) is None for name in names] == [True] * 3 + [False] * 8
    found = mine.upload(names[-1])
    assert found is not None
    assert found.prepared.name == "10"
    assert all(other.upload(name) is None for name in names)


def test_of_many_sessions_the_one_that_was_not_used_for_longest_ends() -> None:
    sessions = Sessions()
    begun = [sessions.begin(sessions.token) or "" for _ in range(64)]
    assert sessions.find(begun[0]) is not None
    sessions.begin(sessions.token)
    assert sessions.find(begun[1]) is None
    assert sessions.find(begun[0]) is not None
