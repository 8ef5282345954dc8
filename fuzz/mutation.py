"""Other inputs that still have the form of their kind: trees of data, and texts made of words."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 255, 256, 65535, 65536, 1 << 31, (1 << 32) - 1, 1 << 64, 1 << 70, 10**400),
    *(0.5, -0.0, 1e308, float("inf"), float("nan"), "", " ", "0", "-1", "0x", "0xff", "XDP_PASS", "$", "${", "${x}"),
    *("\0", "\ud800", "ä", "\u202e", "a" * 5000, "../x", "/dev/zero", ".", "[]", "*", "..", "1..9", "10.0.0.1/33"),
    *([], {}, [[]], [{}], {"": ""}, {"a": None}, ["x"] * 300),
)
_WORD = re.compile(r"\w+|\s+|.", re.DOTALL)
LONGEST = 40  # words that are moved at once


class Trees:
    """Mutations of documents of one kind, JSON or YAML, with what other documents of the kind say of the same key."""

    def __init__(self, documents: Iterable[bytes]) -> None:
        self._said = defaultdict[str, list[Any]](list)
        for document in documents:
            for container, key in _spots(_read(document)):
                if isinstance(key, str):
                    self._said[key].append(container[key])
        self._keys = sorted(self._said) or [""]

    def mutated(self, data: bytes, random: Random) -> bytes:
        """*data* with one change, as JSON; as it is, where it is no document."""
        spots = list(_spots(tree := _read(data)))
        if not spots:
            return data
        container, key = random.choice(spots)
        change = random.randrange(5)
        if change == 0:
            del container[key]
        elif change == 1:
            container[key] = random.choice(ODD)
        elif change == 2:
            container[key] = self._other(key, random)
        elif isinstance(container, dict):
            new = random.choice(self._keys)
            container[new] = self._other(new, random)
        else:
            other, its = random.choice(spots)
            container.insert(random.randrange(len(container) + 1), other[its])
        try:
            return json.dumps(tree, ensure_ascii=False).encode("utf-8", "surrogatepass")
        except ValueError:  # it stands inside itself now
            return data

    def _other(self, key: object, random: Random) -> Any:
        """What another document says of *key*; of an index, what one says of any key."""
        said = self._said.get(key if isinstance(key, str) else random.choice(self._keys))
        return random.choice(said or ODD)


def _read(data: bytes) -> Any:
    try:
        return yaml.load(data, yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError, TypeError):
        return None


def _spots(tree: Any) -> Iterable[tuple[Any, Any]]:
    """Each (mapping or list, key or index) inside *tree*."""
    waiting = [tree]
    while waiting:
        container = waiting.pop()
        if not isinstance(container, (dict, list)):
            continue
        for key in container if isinstance(container, dict) else range(len(container)):
            yield container, key
            waiting.append(container[key])


class Texts:
    """Mutations of texts, with the words of other texts."""

    def __init__(self, texts: Iterable[bytes]) -> None:
        self._texts = [_WORD.findall(text.decode("utf-8", "replace")) for text in texts]

    def mutated(self, data: bytes, random: Random) -> bytes:
        """*data* with some words taken out, or some of another text put in."""
        words = _WORD.findall(data.decode("utf-8", "replace"))
        start = random.randrange(len(words) + 1)
        end = min(start + random.randrange(4), len(words))
        other = random.choice([*self._texts, words])
        first = random.randrange(len(other) + 1)
        words[start:end] = other[first : first + random.choice((0, 1, 1, 1, 3, LONGEST))]
        return "".join(words).encode("utf-8", "replace")
