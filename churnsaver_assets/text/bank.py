"""The message bank: candidates drawn for each context, checked and ranked, the best kept."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pandas as pd

from churnsaver_assets.experiments.text_spec import BankSpec, SamplingSpec
from churnsaver_assets.text.model.draws import draw_completions
from churnsaver_assets.text.model.loading import load_tokenizer
from churnsaver_assets.text.prompts.examples import normal_form
from churnsaver_assets.text.prompts.requests import retention_prompts
from churnsaver_assets.text.records import Completion, Prompt
from churnsaver_assets.text.reward.message_reward import Scorer
from churnsaver_assets.text.run import Run
from churnsaver_assets.text.strict import strict_verdicts
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.context import MessageContext
from churnsaver_serving.runtime.messages.bank import BankedMessage, MessageBank, message_id
from churnsaver_serving.runtime.messages.wording import Wording

if TYPE_CHECKING:
    from churnsaver_serving.runtime.shield.shield import Shield

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Ranker:
    """A reward model and the scale that its scores are stated in.

    Attributes:
        reward_model: The reward model that ranks candidates.
        mean: Mean of its raw scores, as in training.
        std: Standard deviation of its raw scores, as in training; above 0.

    Raises:
        ValueError: `std` is not above 0.
    """

    reward_model: Scorer
    mean: float
    std: float

    def __post_init__(self) -> None:
        if not self.std > 0:
            raise ValueError(
                f"expected std above 0, got {self.std}: does the reward model tell any apart?"
            )

    def scores(self, prompts: Sequence[Prompt], completions: Sequence[Completion]) -> Floats:
        """Return normalised scores, shape (n,); missing for an empty reply.

        Raises:
            ValueError: The reward model gives a score that isn't finite.
        """
        written = np.array([bool(completion.text) for completion in completions])
        scores = np.full(len(completions), np.nan)
        if written.any():
            scores[written] = self.reward_model.score(
                [prompt.text for prompt, there in zip(prompts, written, strict=True) if there],
                [completion.text for completion in completions if completion.text],
            )
        if not np.isfinite(scores[written]).all():
            raise ValueError("the reward model gave scores that aren't finite: train it anew")
        return (scores - self.mean) / self.std


def write_candidates(
    model_dir: Path,
    contexts: Sequence[MessageContext],
    spec: BankSpec,
    *,
    sampling: SamplingSpec,
    run: Run,
    shield: "Shield",
    wording: Wording,
    ranker: Ranker,
) -> pd.DataFrame:
    """Draw candidates for each context, check them, rank them, and mark the ones to keep.

    A candidate is usable if its body passes the strict rules, the message rendered around it with
    the facts of its context (without a first name) passes the shield, and no earlier candidate of
    the context has the same words. The best by the reward model are kept, where there are enough.

    Args:
        model_dir: Model directory of the model that writes.
        contexts: Contexts, each once.
        spec: Temperature; number of candidates drawn, needed and kept for each context.
        sampling: Longest body and batch; its temperature isn't used.
        run: Device and threads, seed for the draws, folder of unfinished work, progress.
        shield: The shield that is served.
        wording: The wording that is served.
        ranker: The reward model, with the scale of its scores.

    Returns:
        One row for each candidate: `context` (key), the context's fields, `id`, `body`,
        `body_tokens`, `finished`, `rules` broken (joined by spaces), `duplicate`, the rendered
        `message` and its `tokens`, `score` (missing for an empty body), `rank` among the context's
        usable ones (from 1; missing where not usable), and `kept`.

    Raises:
        ValueError: There is a context twice or none, or scores aren't finite.
    """
    if not contexts or len(set(contexts)) < len(contexts):
        raise ValueError("expected at least one context, and each once")
    tokenizer = load_tokenizer(model_dir)
    per_context = retention_prompts(tokenizer, {context.key: context for context in contexts})
    prompts = [prompt for prompt in per_context for _ in range(spec.candidates)]
    completions = draw_completions(
        model_dir,
        [prompt.text for prompt in prompts],
        sampling.model_copy(update={"temperature": spec.temperature}),
        run,
        chunk=spec.chunk,
    )
    candidates = _checked(prompts, completions, shield, wording)
    candidates["tokens"] = [
        len(tokenizer(message, add_special_tokens=False)["input_ids"])
        for message in candidates["message"]
    ]
    candidates["score"] = ranker.scores(prompts, completions)
    _rank(candidates, spec)
    return candidates


def bank_of(
    candidates: pd.DataFrame, *, checkpoint: str, reward_model: str, shield: str
) -> MessageBank:
    """Put the kept candidates into a bank, the best of each context first.

    Args:
        candidates: Table from `write_candidates`.
        checkpoint: The sha256 of the model that wrote them.
        reward_model: The sha256 of the model that ranked them.
        shield: The sha256 of the rules that they passed.
    """
    kept = candidates[candidates["kept"]].sort_values("rank", kind="stable")
    messages = {
        key: tuple(
            BankedMessage(
                id=row["id"], body=row["body"], tokens=row["tokens"], score=float(row["score"])
            )
            for row in rows.to_dict("records")
        )
        for key, rows in kept.groupby("context", sort=False)
    }
    return MessageBank(
        checkpoint=checkpoint,
        reward_model=reward_model,
        shield=shield,
        contexts={key: messages[key] for key in candidates["context"].unique() if key in messages},
    )


def bank_csv(candidates: pd.DataFrame) -> bytes:
    """Write the candidates for a spreadsheet: UTF-8 with its byte-order mark, every text quoted.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.

    Args:
        candidates: Table from `write_candidates`.
    """
    safe = candidates.copy()
    for name in ("body", "message"):
        risky = safe[name].str.startswith(FORMULA_STARTS)
        safe[name] = safe[name].mask(risky, "'" + safe[name])
    text = safe.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    return str(text).encode("utf-8-sig")


def _checked(
    prompts: Sequence[Prompt],
    completions: Sequence[Completion],
    shield: "Shield",
    wording: Wording,
) -> pd.DataFrame:
    """Return the candidates with the rules they break, as bodies and as whole messages."""
    rows = []
    seen: set[tuple[str, str]] = set()
    verdicts = strict_verdicts(prompts, completions, shield)
    for prompt, completion, verdict in zip(prompts, completions, verdicts, strict=True):
        context = prompt.context
        facts = wording.facts(context)
        message = wording.render(completion.text, facts, context.channel)
        whole = shield.check_message(message, facts, context.channel)
        words = (context.key, normal_form(completion.text))
        rows.append(
            {
                "context": context.key,
                **msgspec.structs.asdict(context),
                "id": message_id(context, completion.text),
                "body": completion.text,
                "body_tokens": completion.tokens,
                "finished": completion.finished,
                "rules": " ".join(dict.fromkeys((*verdict.rules, *whole.rules))),
                "duplicate": words in seen,
                "message": message,
            }
        )
        seen.add(words)
    return pd.DataFrame(rows)


def _rank(frame: pd.DataFrame, spec: BankSpec) -> None:
    """Add `rank` and `kept`; between equal scores, the order of the words decides."""
    usable = frame[(frame["rules"] == "") & ~frame["duplicate"]]
    best = usable.sort_values(["score", "body"], ascending=[False, True], kind="stable")
    groups = best.groupby("context", sort=False)
    frame["rank"] = (groups.cumcount() + 1).reindex(frame.index).astype("Int64")
    enough = groups["body"].transform("size").reindex(frame.index).fillna(0) >= spec.least_usable
    frame["kept"] = (enough & (frame["rank"] <= spec.keep).fillna(value=False)).astype(bool)
