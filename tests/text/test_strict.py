"""Tests for churnsaver_assets.text.strict."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from churnsaver_assets.text.prompts.examples import EXAMPLES
from churnsaver_assets.text.records import Completion, Prompt
from churnsaver_assets.text.strict import UNFINISHED, strict_verdicts

if TYPE_CHECKING:
    from churnsaver_serving.runtime.shield.shield import Shield

EXAMPLE = EXAMPLES[0]
PROMPT = Prompt(id="one", context=EXAMPLE.context, text="asked")
GOOD = Completion(text=EXAMPLE.body, tokens=40, finished=True)


def test_a_finished_body_is_judged_by_the_shield_alone(shield: Shield) -> None:
    bad = replace(GOOD, text=f"{EXAMPLE.body} Call 555-0134 now.")
    good, broken = strict_verdicts([PROMPT, PROMPT], [GOOD, bad], shield)
    assert good.passed
    assert broken == shield.check_body(bad.text, PROMPT.context)
    assert not broken.passed


def test_a_body_cut_at_the_limit_breaks_a_rule_of_its_own(shield: Shield) -> None:
    (verdict,) = strict_verdicts([PROMPT], [replace(GOOD, finished=False)], shield)
    assert verdict.rules == (UNFINISHED,)
    assert EXAMPLE.body.endswith(verdict.breaches[0].found)
    bad = replace(GOOD, text=f"{EXAMPLE.body} Call 555-0134", finished=False)
    (both,) = strict_verdicts([PROMPT], [bad], shield)
    assert both.rules[-1] == UNFINISHED
    assert len(both.rules) > 1


def test_verdicts_keep_the_order(shield: Shield) -> None:
    cut = replace(GOOD, finished=False)
    passed = [one.passed for one in strict_verdicts([PROMPT] * 3, [GOOD, cut, GOOD], shield)]
    assert passed == [True, False, True]


def test_every_prompt_has_a_completion(shield: Shield) -> None:
    with pytest.raises(ValueError, match="got 1 prompts and 2 completions"):
        strict_verdicts([PROMPT], [GOOD, GOOD], shield)
