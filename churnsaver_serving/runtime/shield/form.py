"""The form of a body: shape, repetition, what the prompt left behind, blanks not filled in."""

import re

from churnsaver_serving.runtime.shield.normalise import END
from churnsaver_serving.runtime.shield.reading import Reading
from churnsaver_serving.runtime.shield.rules import Limits

_BLANK = re.compile(
    r"[\[\]{}<>]|_{2,}|\*{2,}|\$[a-z]+|%[a-z_]{2,}%|#{2,}|\bx{2,}\b|\w_\w|\|\w+\||%%"
    r"|\((?:insert|your|phone|company|name|number|details|link|date|customer)\b[^)]{0,40}\)"
)
_LABELS = (
    "tone|service|customer|offer|subject|body|email|message|channel|standing|prompt|instructions?"
    "|system|assistant|user|human|answer|response|output|input|note|text|re|to|from|task|context"
    "|sms|greeting|signature|sentences?|example"
)
_LABEL = re.compile(rf"(?:^|[.!?\n>]\s*)(?:{_LABELS})\s*:|\b(?:system|assistant|user|human)\s*:")
_MARKER = re.compile(r"<\|[^>]{0,40}>?|\[/?inst\]|<</?sys>>|</?s>|###")


def shape(reading: Reading, limits: Limits) -> str | None:
    """Say what is wrong with a body's length, lines, sentences, start or end, if anything."""
    text = reading.raw
    least, most = limits.body_characters
    fewest, sentences_most = limits.body_sentences
    sentences = len(reading.sentences)
    faults = {
        f"{len(text)} characters": not least <= len(text) <= most,
        "line break": "\n" in text or "\r" in text or text != text.strip(),
        f"{sentences} sentences": not fewest <= sentences <= sentences_most,
        "end": not text.endswith((".", "!")) or text.endswith(".."),
        "start": not text[:1].isupper(),
    }
    return next((fault for fault, found in faults.items() if found), None)


def repetition(reading: Reading, limits: Limits) -> str | None:
    """Find a run of words or a sentence that occurs twice, or a word three times in a row."""
    words, size = reading.words, limits.ngram
    sentences = [part.split() for part in " ".join(words).split(END)]
    said = [" ".join(part) for part in sentences if len(part) > 1]
    for sentence in said:
        if said.count(sentence) > 1:
            return sentence
    flat = [word for word in words if word != END]
    seen = set()
    for start in range(len(flat) - size + 1):
        run = tuple(flat[start : start + size])
        if run in seen:
            return " ".join(run)
        seen.add(run)
    return next(
        (
            first
            for first, *rest in zip(flat, flat[1:], flat[2:], strict=False)
            if {first} == {*rest}
        ),
        None,
    )


def placeholder(reading: Reading) -> str | None:
    """Find a blank that nobody filled in, or mark-up."""
    match = _BLANK.search(reading.lower)
    return match[0] if match else reading.phrases.get("placeholder")


def prompt_echo(reading: Reading) -> str | None:
    """Find words of the request, a label, or a turn marker."""
    match = _MARKER.search(reading.lower) or _LABEL.search(reading.lower)
    return match[0] if match else reading.phrases.get("prompt_echo")


def injection(reading: Reading) -> str | None:
    """Find an attempt to give a model orders."""
    match = _MARKER.search(reading.lower)
    return match[0] if match else reading.phrases.get("injection")
