r"""Tables in LaTeX, with booktabs, whose texts any engine takes: names from folders hold whatever a file may be called.

Letters beyond ASCII are written by their accents or names, since pdfLaTeX has no letters of most scripts: an \'e, an
$\alpha$. One that LaTeX has no plain name for stands as its number, e.g. `U+4E2D`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

_PLAIN: Final = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
    "`": r"\textasciigrave{}",
    **{mark: f"\\{mark}" for mark in "{}$&#_%"},
    "\N{EN DASH}": r"\textendash{}",
    "\N{EM DASH}": r"\textemdash{}",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{MICRO SIGN}": r"$\mu$",
    "\N{DEGREE SIGN}": r"\textdegree{}",
    "\N{LATIN SMALL LETTER SHARP S}": r"\ss{}",
    "\N{LATIN SMALL LETTER AE}": r"\ae{}",
    "\N{LATIN CAPITAL LETTER AE}": r"\AE{}",
    "\N{LATIN SMALL LETTER O WITH STROKE}": r"\o{}",
    "\N{LATIN CAPITAL LETTER O WITH STROKE}": r"\O{}",
    "\N{LATIN SMALL LIGATURE OE}": r"\oe{}",
    "\N{LATIN CAPITAL LIGATURE OE}": r"\OE{}",
    "\N{LATIN SMALL LETTER L WITH STROKE}": r"\l{}",
    "\N{LATIN CAPITAL LETTER L WITH STROKE}": r"\L{}",
    "\N{LATIN SMALL LETTER DOTLESS I}": r"\i{}",
}
_ACCENTS: Final = {
    "\N{COMBINING GRAVE ACCENT}": "`",
    "\N{COMBINING ACUTE ACCENT}": "'",
    "\N{COMBINING CIRCUMFLEX ACCENT}": "^",
    "\N{COMBINING TILDE}": "~",
    "\N{COMBINING DIAERESIS}": '"',
    "\N{COMBINING MACRON}": "=",
    "\N{COMBINING DOT ABOVE}": ".",
    "\N{COMBINING CEDILLA}": "c",
    "\N{COMBINING CARON}": "v",
    "\N{COMBINING BREVE}": "u",
    "\N{COMBINING RING ABOVE}": "r",
    "\N{COMBINING DOUBLE ACUTE ACCENT}": "H",
}
_MINUS: Final = re.compile(r"(?<![^\s\[])-(?=\d+\.\d{3}(?!\d))")  # of a number, as `sheet.number` writes it
_GREEK: Final = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lamda mu nu xi pi rho sigma tau phi chi psi omega"
)


def latex_table(told: str, columns: Sequence[tuple[str, bool]], rows: Iterable[Sequence[str]], last: int = 0) -> str:
    """A floating table over the whole width of the page, for a document that uses booktabs.

    Args:
        told: The caption.
        columns: Name of each column, and whether it holds numbers, which stand at the right.
        rows: Cells of each row.
        last: How many rows at the end stand below a rule.
    """
    lines = [_line(row) for row in rows]
    rule = [r"\midrule"] if last else []
    return "\n".join(
        [
            r"% \usepackage{booktabs,textcomp}",
            r"\begin{table*}",
            r"\centering",
            r"\small",
            rf"\caption{{{escape_latex(told)}}}",
            r"\label{tab:alignbench}",
            rf"\begin{{tabular}}{{{''.join('r' if numbers else 'l' for _, numbers in columns)}}}",
            r"\toprule",
            _line(name for name, _ in columns),
            r"\midrule",
            *lines[: len(lines) - last],
            *rule,
            *lines[len(lines) - last :],
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table*}",
            "",
        ]
    )


def _line(cells: Iterable[str]) -> str:
    line = " & ".join(map(escape_latex, cells)) + r" \\"
    return f"{{}}{line}" if line[0] in "[*" else line  # which would be an option of the end of the line above


def escape_latex(text: str) -> str:
    """A text in one line that stands as it is in LaTeX, in ASCII alone."""
    pieces = _MINUS.split(unicodedata.normalize("NFC", " ".join(text.split())))
    escaped = "$-$".join("".join(map(_escape, piece)) for piece in pieces)
    return re.sub("-(?=-)", "-{}", escaped)  # hyphens that would run together to a dash


def _escape(letter: str) -> str:
    if letter in _PLAIN:
        return _PLAIN[letter]
    if letter.isascii():
        return letter
    parts = unicodedata.normalize("NFD", letter)
    if len(parts) == 2 and parts[0].isascii() and parts[1] in _ACCENTS:
        return f"\\{_ACCENTS[parts[1]]}{{{parts[0]}}}"
    kind, _, name = unicodedata.name(letter, "").lower().partition(" letter ")
    if kind == "greek small" and name in _GREEK.split():
        return rf"$\{name.replace('lamda', 'lambda')}$"
    return rf"\texttt{{U+{ord(letter):04X}}}"
