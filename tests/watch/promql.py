"""As much of PromQL as it takes to see what an expression names, and to run it over seconds instead of minutes.

What a newcomer would get wrong: an alert's expression brings nothing as long as all is well, and so does one that is
misspelt. To tell them apart each comparison is made to answer 0 or 1 (`> bool`) instead of leaving series out: what
then still brings nothing names a metric, a word or a label that does not exist, or joins what has different labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

STRING = r'"(?:[^"\\]|\\.)*"'
BRACES = rf"\{{(?:{STRING}|[^}}\"])*\}}"
PIECES = re.compile(rf"{BRACES}|{STRING}|\[[^\]]*\]|==|!=|<=|>=|<|>|[a-zA-Z_:][\w:]*|.", re.DOTALL)
LABELS = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
DELAY = re.compile(r"\boffset\s+\w+")
MATCHER = re.compile(rf"(\w+)\s*(=~|!~|!=|=)\s*({STRING})")
NAME = re.compile(r"[a-zA-Z_:][\w:]*")

COMPARISONS = {"==", "!=", "<=", ">=", "<", ">"}
WORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left", "group_right"}


@dataclass(frozen=True)
class Selector:
    """A metric, and what its labels must be."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...]

    def words(self) -> Iterator[tuple[str, str]]:
        """Each label with a value that is named; the values of a variable of Grafana's are not."""
        for label, operator, value in self.matchers:
            if "$" in value:
                continue
            yield from ((label, word) for word in (value.split("|") if operator in ("=~", "!~") else [value]))


def selectors(expression: str) -> list[Selector]:
    """Every metric that an expression reads."""
    bare = DELAY.sub(" ", LABELS.sub(" ", expression))
    pieces = [piece for piece in PIECES.findall(bare) if not piece.isspace()]
    found = []
    for piece, following in zip(pieces, [*pieces[1:], ""], strict=True):
        if NAME.fullmatch(piece) and piece not in WORDS and following != "(":
            braces = following if following.startswith("{") else ""
            matchers = tuple((label, how, value[1:-1]) for label, how, value in MATCHER.findall(braces))
            found.append(Selector(piece, matchers))
    return found


def answering(expression: str) -> str:
    """The expression with comparisons that answer 0 or 1."""
    bare = re.sub(r"\bbool\b", "", expression)  # those that answer so already
    return "".join(f"{piece} bool" if piece in COMPARISONS else piece for piece in PIECES.findall(bare))


def hastened(expression: str, window: str, delay: str) -> str:
    """The expression over short windows."""
    expression = expression.replace("$__rate_interval", window)
    return DELAY.sub(f"offset {delay}", re.sub(r"\[\d+[smhd]\]", f"[{window}]", expression))


def bound(expression: str, variables: Mapping[str, str]) -> str:
    """The expression with values for the variables of a dashboard."""
    for name, value in variables.items():
        expression = expression.replace(f"${name}", value)
    return expression
