r"""A strict reader of the little LaTeX that tables need finds every text again, and nothing that would not compile."""

import re
import unicodedata

import pytest

from alignbench.report.tables.latex import escape_latex, latex_table

HOSTILE = (
    *("a_b%c&d#e~f^g\\h{i}j$k", "100 % & more", "[x] first", "* star", "a--b---c", '<p> | "q" `r\' s'),
    *("M\N{LATIN SMALL LETTER U WITH DIAERESIS}ller", "Hern\N{LATIN SMALL LETTER A WITH ACUTE}ndez", "-0.123"),
    *(
        "\N{GREEK SMALL LETTER LAMDA}=0.1",
        "\N{CJK UNIFIED IDEOGRAPH-4E2D} model",
        "stra\N{LATIN SMALL LETTER SHARP S}e",
    ),
    *("0.500 [-0.100, 0.200]", "clip-vit-base", "$", "\\", "e\N{COMBINING ACUTE ACCENT}", "line\nbreak"),
)
_COMMANDS = {  # what a document without further packages but textcomp knows
    **{"textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^", "textless": "<", "textgreater": ">"},
    **{"textbar": "|", "textasciigrave": "`", "ss": "\N{LATIN SMALL LETTER SHARP S}"},
}
_ACCENTS = {'"': "\N{COMBINING DIAERESIS}", "'": "\N{COMBINING ACUTE ACCENT}"}
_TOKEN = re.compile(
    r"\\char34\{\}|\\texttt\{U\+(?P<code>[0-9A-F]{4,6})\}|\\(?P<accent>['\"])\{(?P<base>[A-Za-z])\}"
    r"|\\(?P<word>[A-Za-z]+)\{\}|\\(?P<mark>[{}$&#_%])|\$(?P<math>-|\\[a-z]+)\$|\{\}|(?P<plain>[^\\{}$&#_%~^<>|\"`])"
)


def read_back(text: str) -> str:
    """The letters that a piece of LaTeX stands for; fails at whatever is not in its small language."""
    found, place = [], 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        assert token, f"not LaTeX that is known: {text[place : place + 20]!r}"
        place = token.end()
        if token["code"]:
            found.append(chr(int(token["code"], 16)))
        elif token["accent"]:
            found.append(unicodedata.normalize("NFC", token["base"] + _ACCENTS[token["accent"]]))
        elif token["word"]:
            found.append(_COMMANDS[token["word"]])
        elif token["math"]:
            word = token["math"].removeprefix("\\")
            found.append(
                "-" if word == "-" else unicodedata.lookup(f"GREEK SMALL LETTER {word}".replace("lambda", "lamda"))
            )
        elif token.group().startswith("\\char34"):
            found.append('"')
        else:
            found.append(token["mark"] or token["plain"] or "")
    return "".join(found)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_comes_back_and_is_ascii(text: str) -> None:
    escaped = escape_latex(text)
    assert escaped.isascii()
    assert read_back(escaped) == unicodedata.normalize("NFC", " ".join(text.split()))
    assert "--" not in escaped, "which would be a dash"


def test_a_minus_of_a_number_is_one() -> None:
    assert escape_latex("-0.123 [-0.200, 0.100]") == "$-$0.123 [$-$0.200, 0.100]"
    assert escape_latex("model-0.123") == "model-0.123"


def test_a_table_is_whole() -> None:
    rows = [[text, "0.500"] for text in HOSTILE]
    text = latex_table("Told: 5 % of_it.", [("model & name", False), ("score", True)], rows, last=2)
    lines = text.splitlines()
    begun = re.findall(r"\\begin\{([a-z*]+)\}", text)
    assert begun == list(reversed(re.findall(r"\\end\{([a-z*]+)\}", text))) == ["table*", "tabular"]
    assert r"\begin{tabular}{lr}" in lines
    first, last = lines.index(r"\toprule") + 1, lines.index(r"\bottomrule")
    body = [line for line in lines[first:last] if line != r"\midrule"]
    assert lines[first:last].count(r"\midrule") == 2
    assert lines[last - 3] == r"\midrule", "the last two rows stand apart"
    assert len(body) == len(rows) + 1
    for line, row in zip(body, [["model & name", "score"], *rows], strict=True):
        assert line.endswith(r" \\")
        assert line[0] not in "[*", "it would be an option of the line's end above"
        cells = re.split(r"(?<!\\)&", line.removesuffix(r"\\"))
        assert [read_back(cell.strip()) for cell in cells] == [
            unicodedata.normalize("NFC", " ".join(cell.split())) for cell in row
        ]
    [caption] = [line for line in lines if line.startswith(r"\caption{")]
    assert read_back(caption.removeprefix(r"\caption{").removesuffix("}")) == "Told: 5 % of_it."
    unescaped = re.sub(r"\\[{}]", "", text)
    depth = 0
    for letter in unescaped:
        depth += (letter == "{") - (letter == "}")
        assert depth >= 0
    assert depth == 0
    assert all(not re.search(r"(?<!\\)%", line) for line in lines[1:]), "the rest of a line would be lost"
