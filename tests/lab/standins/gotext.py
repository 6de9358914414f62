"""Texts as Go programs write them."""

import re

_ESCAPES = {
    "\\": "\\\\",
    '"': '\\"',
    "\n": "\\n",
    "\t": "\\t",
    "\r": "\\r",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\v": "\\v",
}
_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
DURATION = r"([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+|0"


def quoted(text: str) -> str:
    """`text` like Go's %q."""
    return '"' + "".join(_escape(char) for char in text) + '"'


def _escape(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def parse_duration(text: str) -> int:
    """A duration such as 1m30s in nanoseconds."""
    total = 0.0
    for number, unit in re.findall(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h)", text):
        total += float(number) * _UNITS[unit]
    return int(total)


def format_duration(nanoseconds: int) -> str:
    """A duration as Go prints it: 1m30s, 500ms, 0s."""
    if nanoseconds == 0:
        return "0s"
    for unit, size in (("ns", 1), ("µs", 1_000), ("ms", 1_000_000)):
        if nanoseconds < size * 1_000:
            return f"{_decimal(nanoseconds / size)}{unit}"
    seconds = nanoseconds / _UNITS["s"]
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    parts = f"{_decimal(rest)}s"
    if hours or minutes:
        parts = f"{minutes}m{parts}"
    return f"{hours}h{parts}" if hours else parts


def _decimal(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".")
