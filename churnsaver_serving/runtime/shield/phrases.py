"""Phrases as data, matched word by word: linear in the text whatever the number of phrases.

Notation: words are lower case; `(a|b c)` is one of several, `[a]` may be missing, `word*` any word
that starts so, `_` any one word, `^` and `$` the start and end of a sentence.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from churnsaver_serving.runtime.shield.normalise import END, words_of
from churnsaver_serving.runtime.shield.rules import PhraseRule

_MOST_REMEMBERED = 100_000
_PART = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]|([^\s()\[\]]+)")


class Hit(NamedTuple):
    """Words `start` to `end` (excluded) are a phrase of `rule`."""

    rule: str
    start: int
    end: int


class _Part(NamedTuple):
    options: list[tuple[str, ...]]
    optional: bool


class _State:
    """The phrases that may come next, and the rule whose phrase ends here."""

    __slots__ = ("any", "ends", "skips", "stems", "words")

    def __init__(self) -> None:
        self.words: dict[str, list[_State]] = {}
        self.stems: dict[str, list[_State]] = {}
        self.any: list[_State] = []
        self.skips: list[_State] = []
        self.ends: str | None = None

    def link(self, word: str, to: "_State") -> None:
        if word == "_":
            self.any.append(to)
        elif word.endswith("*"):
            self.stems.setdefault(word[:-1], []).append(to)
        else:
            self.words.setdefault(word, []).append(to)


def _words(piece: str) -> tuple[str, ...]:
    if piece in {"^", "$"}:
        return (END,)
    if piece == "_" or piece.endswith("*"):
        return (piece,)
    return tuple(word for word in words_of(piece) if word != END)


def _parts(phrase: str) -> list[_Part]:
    parts = []
    for match in _PART.finditer(phrase):
        group, optional, word = match.groups()
        choices = (
            [word] if word is not None else (group if optional is None else optional).split("|")
        )
        options = [
            tuple(word for piece in choice.split() for word in _words(piece)) for choice in choices
        ]
        parts.append(_Part(options, optional is not None))
    unread = _PART.sub("", phrase).strip()
    empty = any(not option for part in parts for option in part.options)
    if unread or empty or all(part.optional for part in parts):
        raise ValueError(
            f"phrase {phrase!r} can't be read: expected words, (a|b), [a], word* and _, "
            "and at least one word that must be there; mend it in the rules file"
        )
    return parts


class _Step:
    """All states reached by the same words, with the ways on that were taken before."""

    __slots__ = ("ends", "onward", "states")

    def __init__(self, states: tuple[_State, ...]) -> None:
        self.states = states
        self.ends = tuple(dict.fromkeys(state.ends for state in states if state.ends is not None))
        self.onward: dict[str, _Step | None] = {}


class _Automaton:
    """All phrases at once, made deterministic where texts lead it (lazy subset construction)."""

    def __init__(self) -> None:
        self._root = _State()
        self._lengths: tuple[int, ...] = ()
        self._vocabulary: set[str] = set()
        self._stems: set[str] = set()
        self._classes: dict[str, str] = {}
        self._steps: dict[frozenset[int], _Step] = {}
        self._known = 0
        self._start = _Step((self._root,))

    def add(self, rule: str, phrases: Iterable[str]) -> None:
        for phrase in phrases:
            self._add(rule, _parts(phrase))
        self._lengths = tuple(sorted({len(stem) for stem in self._stems}))

    def _add(self, rule: str, parts: Sequence[_Part]) -> None:
        after = _State()
        after.ends = rule
        leading = len(parts) - next(at for at, part in enumerate(parts) if not part.optional) - 1
        for index, part in enumerate(reversed(parts)):
            # The root has no skips: a phrase may start at any of its parts up to a needed one.
            before = _State()
            starts = [before, self._root] if index >= leading else [before]
            for option in part.options:
                for start in starts:
                    self._chain(start, option, after)
            if part.optional:
                before.skips.append(after)
            after = before

    def _chain(self, start: _State, option: Sequence[str], end: _State) -> None:
        at = start
        for position, word in enumerate(option):
            to = end if position == len(option) - 1 else _State()
            at.link(word, to)
            if word.endswith("*"):
                self._stems.add(word[:-1])
            else:
                self._vocabulary.add(word)
            at = to

    def hits(self, words: Sequence[str]) -> Iterator[Hit]:
        """Return every phrase in the words, by where it starts."""
        classes = [self._classes.get(word) or self._class(word) for word in words]
        count, first = len(words), self._start
        for start in range(count):
            step, at = first, start
            while at < count:
                name = classes[at]
                known = step.onward.get(name, first)
                following = self._onward(step, name, words[at]) if known is first else known
                if following is None:
                    break
                step, at = following, at + 1
                for rule in step.ends:
                    yield Hit(rule, start, at)

    def _class(self, word: str) -> str:
        """Return a word's class; words of one class are the same to every phrase."""
        if word in self._vocabulary:
            name = word
        else:
            stems = (word[:length] for length in self._lengths if length <= len(word))
            name = "*" + "|".join(stem for stem in stems if stem in self._stems)
        if len(self._classes) < _MOST_REMEMBERED:
            self._classes[word] = name
        return name

    def _onward(self, step: _Step, name: str, word: str) -> _Step | None:
        reached: dict[int, _State] = {}
        waiting = [to for state in step.states for to in self._following(state, word)]
        while waiting:
            state = waiting.pop()
            if id(state) not in reached:
                reached[id(state)] = state
                waiting.extend(state.skips)
        key = frozenset(reached)
        following = self._steps.get(key)
        if following is None and reached:
            following = _Step(tuple(reached.values()))
        # Odd texts lead to ever new steps; past the limit they are worked out each time.
        if self._known < _MOST_REMEMBERED:
            self._known += 1
            step.onward[name] = following
            if following is not None:
                self._steps[key] = following
        return following

    def _following(self, state: _State, word: str) -> Iterator[_State]:
        yield from state.words.get(word, ())
        if state.stems:
            for length in self._lengths:
                if length <= len(word):
                    yield from state.stems.get(word[:length], ())
        if word != END:
            yield from state.any


class Phrasebook:
    """A finder of the phrases of all rules in one pass.

    Args:
        rules: Rules by name.

    Raises:
        ValueError: A phrase can't be read.
    """

    def __init__(self, rules: Mapping[str, PhraseRule]) -> None:
        self._ban, self._allow = _Automaton(), _Automaton()
        self._excused = frozenset(name for name, rule in rules.items() if rule.allow)
        self._single: dict[str, str] = {
            name: " ".join(phrase for phrase in rule.ban if re.fullmatch(r"[a-z]+\*?", phrase))
            for name, rule in rules.items()
        }
        for name, rule in rules.items():
            self._ban.add(name, rule.ban)
            self._allow.add(name, rule.allow)

    def find(self, words: Sequence[str]) -> dict[str, Hit]:
        """Find the first phrase of each rule that no allowed phrase covers.

        Args:
            words: Words as `words_of` gives them.
        """
        found: dict[str, Hit] = {}
        allowed: list[Hit] | None = None
        for hit in self._ban.hits(words):
            rule, start, end = hit
            if rule in found:
                continue
            if rule in self._excused:
                if allowed is None:
                    allowed = list(self._allow.hits(words))
                if any(
                    span.rule == rule and span.start <= start and end <= span.end
                    for span in allowed
                ):
                    continue
            found[rule] = hit
        return found

    def masked(self, rule: str, word: str) -> bool:
        """Return whether a word with letters crossed out may be one that the rule bans.

        Args:
            rule: Name of the rule.
            word: Word in lower case, `*`, `#`, `%` or `&` for a letter.
        """
        pattern = re.sub(r"[*#%&]", "[a-z]", word)
        return bool(re.search(rf"(?<![a-z]){pattern}(?![a-z])", self._single.get(rule, "")))
