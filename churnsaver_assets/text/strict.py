"""The strict rules of training: the shield's, and that a message comes to its end."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from churnsaver_assets.text.records import Completion, Prompt
from churnsaver_serving.runtime.verdict import Breach, Verdict

if TYPE_CHECKING:
    from churnsaver_serving.runtime.shield.shield import Shield

UNFINISHED = "unfinished"
"""The rule broken by a completion that was cut at the limit."""

WHOLE_TEXT = frozenset({"language", "shape", UNFINISHED})
"""Rules that no part of a text breaks, only the whole; so no token of it is to blame."""

_SHOWN = 40


def strict_verdicts(
    prompts: Sequence[Prompt], completions: Sequence[Completion], shield: "Shield"
) -> list[Verdict]:
    """Judge each completion as a body for its prompt's context.

    Args:
        prompts: Prompts, one for each completion.
        completions: Completions, in the same order.
        shield: Shield as it is served.

    Raises:
        ValueError: There are not as many completions as prompts.
    """
    if len(prompts) != len(completions):
        raise ValueError(
            f"expected a completion for each prompt, got {len(prompts)} prompts and "
            f"{len(completions)} completions"
        )
    return [
        _strict(shield.check_body(completion.text, prompt.context), completion)
        for prompt, completion in zip(prompts, completions, strict=True)
    ]


def _strict(verdict: Verdict, completion: Completion) -> Verdict:
    if completion.finished:
        return verdict
    cut = Breach(rule=UNFINISHED, found=completion.text[-_SHOWN:])
    return Verdict(breaches=(*verdict.breaches, cut))
