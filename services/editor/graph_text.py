"""libavfilter's graph syntax → filters and how they are linked.

As https://ffmpeg.org/ffmpeg-filters.html#Filtergraph-syntax-1 has it: chains with ";", filters with ",",
links in brackets, a name with "@id", escapes with a backslash and single quotes. It is read here and not by
libavfilter, so that every name is known before anything is opened.
"""

from __future__ import annotations

import string
from dataclasses import dataclass, field

from reelwire.errors import BadParameter

BLANKS = " \n\t\r"
KEY_LETTERS = string.ascii_letters + string.digits + "-_/."


@dataclass(frozen=True, slots=True)
class Node:
    """One filter. ``args`` as libavfilter's own option parser takes them. ``inputs`` and ``outputs``: labels,
    those of the chain not among them. ``follows``: what the filter before it leaves is its input."""

    name: str
    args: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    follows: bool = False


@dataclass(slots=True)
class _Reader:
    """Where in the text reading has come to."""

    text: str
    at: int = 0
    nodes: list[Node] = field(default_factory=list)

    def skip(self) -> str:
        """The next character that is no blank, not taken; "" at the end."""
        while self.at < len(self.text) and self.text[self.at] in BLANKS:
            self.at += 1
        return self.text[self.at : self.at + 1]

    def token(self, stops: str) -> str:
        """Up to one of ``stops`` outside quotes, without escapes and quotes (av_get_token)."""
        self.skip()
        out: list[str] = []
        solid = 0  # what was quoted or escaped is kept at the end, blanks too
        while self.at < len(self.text) and self.text[self.at] not in stops:
            letter = self.text[self.at]
            self.at += 1
            if letter == "\\" and self.at < len(self.text):
                out.append(self.text[self.at])
                self.at += 1
                solid = len(out)
            elif letter == "'":
                end = self.text.find("'", self.at)
                end = len(self.text) if end < 0 else end
                out += self.text[self.at : end]
                self.at = end + 1
                solid = len(out)
            else:
                out.append(letter)
        while len(out) > solid and out[-1] in BLANKS:
            out.pop()
        return "".join(out)

    def labels(self) -> tuple[str, ...]:
        """[a][b]"""
        found: list[str] = []
        while self.skip() == "[":
            self.at += 1
            label = self.token("]")
            if not label or self.at >= len(self.text):
                raise wrong(f"a link at character {self.at} has no name or no closing bracket")
            self.at += 1
            found.append(label)
        return tuple(found)


def wrong(what: str) -> BadParameter:
    """A graph that cannot be."""
    return BadParameter(f"graph: {what}", field="graph")


def parse_graph(text: str, max_filters: int) -> list[Node]:
    """The filters in order. BadParameter: not such a text, or too many."""
    reader = _Reader(text)
    follows = False
    while True:
        inputs = reader.labels()
        name = reader.token("=,;[").partition("@")[0].strip(BLANKS)
        if not name:
            raise wrong(f"a filter's name is missing at character {reader.at}")
        args = ""
        if reader.skip() == "=":
            reader.at += 1
            args = reader.token("[],;")
        outputs = reader.labels()
        reader.nodes.append(Node(name, args, inputs, outputs, follows))
        if len(reader.nodes) > max_filters:
            raise wrong(f"more than {max_filters} filters")
        separator = reader.skip()
        if not separator:
            return reader.nodes
        if separator not in ",;":
            raise wrong(f'"{separator}" at character {reader.at}; expected "," or ";"')
        reader.at += 1
        follows = separator == ","
        if not reader.skip():
            return reader.nodes if not follows else _trailing()


def _trailing() -> list[Node]:
    raise wrong('nothing after the last ","')


def parse_options(args: str) -> tuple[list[str], dict[str, str]]:
    """A filter's options: values without a name, and values by name (av_opt_get_key_value)."""
    unnamed: list[str] = []
    named: dict[str, str] = {}
    reader = _Reader(args)
    while reader.skip():
        start = reader.at
        key = start
        while key < len(args) and args[key] in KEY_LETTERS:
            key += 1
        after = key
        while after < len(args) and args[after] in BLANKS:
            after += 1
        if key > start and args[after : after + 1] == "=":
            reader.at = after + 1
            named[args[start:key]] = reader.token(":")
        else:
            unnamed.append(reader.token(":"))
        reader.at += 1
    return unnamed, named
