"""Adobe .cube tables of colours (Cube LUT Specification 1.0): checked line by line, so that a bad one is
refused with the line."""

from __future__ import annotations

import math

from reelwire.errors import BadParameter

MAX_SIZE_3D = 128
MAX_SIZE_1D = 65536
MAX_CUBE_BYTES = 128 << 20
SIZES = {"LUT_3D_SIZE": MAX_SIZE_3D, "LUT_1D_SIZE": MAX_SIZE_1D}
DOMAINS = ("DOMAIN_MIN", "DOMAIN_MAX")


def check_cube(data: bytes, name: str) -> None:
    """BadParameter: no 3D table in .cube form; the message names the line."""
    size, rows = 0, 0
    for number, line in enumerate(_text(data, name).splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if not words or words[0] == "TITLE":
            continue
        if words[0] in SIZES:
            size = _size(words, name, number)
        elif words[0] in DOMAINS:
            _numbers(words[1:], name, number)
        elif words[0][0].isalpha() and words[0].lower() not in ("nan", "inf"):
            raise _wrong(name, number, f'"{words[0][:32]}" is no keyword of a .cube file')
        else:
            if not size:
                raise _wrong(name, number, "colours before LUT_3D_SIZE")
            _numbers(words, name, number)
            rows += 1
            if rows > size**3:
                raise _wrong(name, number, f"more than {size**3} colours for LUT_3D_SIZE {size}")
    if not size:
        raise BadParameter(f"lut {name!r} has no LUT_3D_SIZE; expected a 3D .cube file", field="lut")
    if rows != size**3:
        raise BadParameter(
            f"lut {name!r} ends after {rows} colours; expected {size**3} for LUT_3D_SIZE {size}", field="lut"
        )


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _wrong(name, line, "not text") from None


def _size(words: list[str], name: str, number: int) -> int:
    if words[0] == "LUT_1D_SIZE":
        raise _wrong(name, number, "a 1D table; only 3D tables are read")
    most = SIZES[words[0]]
    if len(words) != 2 or not words[1].isdecimal() or not 2 <= int(words[1]) <= most:
        raise _wrong(name, number, f"expected {words[0]} and a number from 2 to {most}")
    return int(words[1])


def _numbers(words: list[str], name: str, number: int) -> None:
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) != 3 or not all(math.isfinite(value) for value in values):
        raise _wrong(name, number, f"{' '.join(words)[:60]!r} is not three numbers")


def _wrong(name: str, number: int, what: str) -> BadParameter:
    return BadParameter(f"lut {name!r}, line {number}: {what}", field="lut")
