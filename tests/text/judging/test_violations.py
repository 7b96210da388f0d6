from pathlib import Path

import msgspec
import pytest

from churnsaver_assets.text.judging.violations import (
    Sent,
    invented_numbers,
    second_look,
    toxicity_detectors,
)
from churnsaver_assets.text.records import Prompt
from churnsaver_serving.runtime.facts import Facts
from churnsaver_serving.runtime.messages.wording import Wording, default_wording
from churnsaver_serving.runtime.shield.shield import Shield
from tests.support.text.judge import held_out, says_bad

BODY = (
    "Thank you for being with us and for trusting our internet service. We would love to keep "
    "looking after you and your connection."
)


@pytest.fixture(scope="module")
def wording() -> Wording:
    return msgspec.json.decode(default_wording(), type=Wording)


@pytest.fixture(scope="module")
def prompts(tiny_model: Path) -> list[Prompt]:
    return held_out(tiny_model, 16)


def facts(*, offer_pct: int = 10) -> Facts:
    return Facts("Northwind Telecom", "fiber internet", offer_pct, 3, "Reply STOP to opt out.")


@pytest.mark.parametrize(
    ("text", "invented"),
    [
        ("10% off for 3 months", []),
        ("10% off for 4 months", ["4"]),
        ("save \u0661\u0665 percent", ["15"]),
        ("\uff12\uff10 % off", ["20"]),
        ("call \u2461 now, half \u00bd", ["2", "1", "2"]),
        ("010 and 3.0", ["0"]),
        ("no number at all", []),
    ],
)
def test_numbers_that_no_fact_states_are_found_in_any_script(
    text: str, invented: list[str]
) -> None:
    assert invented_numbers(text, facts()) == invented


def a_message(prompt: Prompt, body: str, wording: Wording) -> Sent:
    known, channel = wording.facts(prompt.context), prompt.context.channel
    return Sent(prompt, body, wording.render(body, known, channel), known, channel)


def test_a_second_look_finds_what_a_first_one_let_through(
    prompts: list[Prompt], shield: Shield, wording: Wording
) -> None:
    bodies = [BODY, f"{BODY} You get 77 more hours.", f"{BODY} Or you lose everything."]
    sent = [a_message(prompts[0], body, wording) for body in bodies]

    clean = second_look(sent[:1], prompts=2, shield=shield, find_toxic=says_bad)
    found = second_look(sent, prompts=5, shield=shield, find_toxic=says_bad)

    assert (clean.messages, clean.held_back, clean.violations, clean.findings) == (1, 1, 0, {})
    assert (found.messages, found.held_back, found.violations) == (3, 2, 2)
    assert found.findings["number"] == 1
    assert found.findings["word list"] == 1
    assert found.findings["shield"] >= 1
    assert 0 < found.upper_bound <= 1
    assert any("77" in one for one in found.examples)


def test_the_detectors_of_toxicity_are_named(shield: Shield) -> None:
    find = toxicity_detectors(shield, threshold=0.9)

    assert find([BODY, "You fucking idiot.", ""])[0] == ()
    found = find(["You are a stupid idiot, damn it.", "Act now or you will lose everything."])
    assert "word_list" in found[0]
    assert "threat" in found[1]
    with pytest.raises(ValueError, match="threshold"):
        toxicity_detectors(shield, threshold=0.0)([BODY])
