"""Own samples that pass the strict rules, to fine-tune on (RAFT, Dong et al. 2023, algorithm 1)."""

from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pandas as pd

from churnsaver_assets.experiments.text_spec import RejectionSpec, SamplingSpec
from churnsaver_assets.text.model.draws import draw_completions
from churnsaver_assets.text.model.loading import load_tokenizer
from churnsaver_assets.text.prompts.examples import copied, example_for, normal_form, with_example
from churnsaver_assets.text.prompts.requests import retention_prompts
from churnsaver_assets.text.records import Demonstration
from churnsaver_assets.text.run import Run
from churnsaver_assets.text.strict import strict_verdicts
from churnsaver_serving.runtime.context import MessageContext

if TYPE_CHECKING:
    from churnsaver_serving.runtime.shield.shield import Shield

_MOST_OF_MEAN = 2.0


class TooFewPassing(ValueError):
    """Too few samples pass to learn from; the message has the share that broke each rule."""


def draw_samples(
    model_dir: Path,
    contexts: Mapping[str, MessageContext],
    spec: RejectionSpec,
    sampling: SamplingSpec,
    run: Run,
    *,
    shield: "Shield",
    first_round: bool,
) -> pd.DataFrame:
    """Draw the samples of one round and judge them by the strict rules.

    Prompts take turns in an order drawn by the seed. In the first round a hand-written example of
    another context stands before each request: the model fine-tuned on general chat alone hardly
    ever keeps the rules without. What goes on to fine-tuning is the request without it.

    Args:
        model_dir: Directory of the model that is sampled.
        contexts: Contexts of messages by prompt id.
        spec: The number of samples, their temperature, and how many there are in a chunk.
        sampling: Longest completion and batch; its temperature isn't used.
        run: Hardware, seed of order, examples and draws, folder of unfinished work, progress.
        shield: The rules of the server.
        first_round: Put an example into each prompt.

    Returns:
        One row per sample: sample_id, prompt_id, the fields of its context and its `key`, `prompt`
        (plain), `example` (its body; empty without), `body`, `tokens`, `finished`, `rules` broken
        (joined by spaces), `passed`, and whether the body is `copied` from the example.

    Raises:
        ValueError: There are no contexts.
    """
    if not contexts:
        raise ValueError("no contexts to write for: set prompts.train to 1 or more")
    tokenizer = load_tokenizer(model_dir)
    plain = retention_prompts(tokenizer, contexts)
    turns = np.random.default_rng(run.seed).permutation(len(plain))
    asked = [plain[turns[sample % len(plain)]] for sample in range(spec.samples)]
    seeds = np.random.SeedSequence(run.seed).generate_state(spec.samples)
    examples = [
        example_for(prompt.context, int(own)) if first_round else None
        for prompt, own in zip(asked, seeds, strict=True)
    ]
    texts = [
        prompt.text if example is None else with_example(tokenizer, prompt.context, example).text
        for prompt, example in zip(asked, examples, strict=True)
    ]
    completions = draw_completions(
        model_dir,
        texts,
        sampling.model_copy(update={"temperature": spec.temperature}),
        run,
        chunk=spec.chunk,
    )
    verdicts = strict_verdicts(asked, completions, shield)
    shown = ["" if example is None else example.body for example in examples]
    return pd.DataFrame(
        {
            "sample_id": f"{prompt.id}#{sample}",
            "prompt_id": prompt.id,
            **msgspec.structs.asdict(prompt.context),
            "key": prompt.context.key,
            "prompt": prompt.text,
            "example": example,
            "body": completion.text,
            "tokens": completion.tokens,
            "finished": completion.finished,
            "rules": " ".join(verdict.rules),
            "passed": verdict.passed,
            "copied": copied(completion.text, example),
        }
        for sample, (prompt, example, completion, verdict) in enumerate(
            zip(asked, shown, completions, verdicts, strict=True)
        )
    )


def pass_rates(samples: pd.DataFrame) -> dict[str, float]:
    """Return the share of samples that passed, was copied, and broke each rule.

    Args:
        samples: Samples from `draw_samples`.
    """
    broken = samples["rules"].str.split().explode().dropna()
    shares = broken.value_counts() / max(len(samples), 1)
    return {
        "passed": float(samples["passed"].mean()),
        "copied": float(samples["copied"].mean()),
        **{f"broke {rule}": float(share) for rule, share in shares.items()},
    }


def select(samples: pd.DataFrame, *, least_passing: int) -> list[Demonstration]:
    """Choose what is learnt from: passing, in own words, each body once, contexts in balance.

    No context has more than twice the mean of those that have any. Contexts take turns, so that
    the first rows are balanced too.

    Args:
        samples: Samples from `draw_samples`, one or more rounds below each other.
        least_passing: The least number of bodies, before balancing.

    Raises:
        TooFewPassing: Fewer bodies are fit to learn from.
    """
    usable = samples[samples["passed"] & ~samples["copied"]]
    usable = usable[~usable["body"].map(normal_form).duplicated()]
    if len(usable) < least_passing:
        shares = "; ".join(f"{name} {share:.0%}" for name, share in pass_rates(samples).items())
        raise TooFewPassing(
            f"{len(usable)} of {len(samples)} samples are fit to learn from, expected at least "
            f"{least_passing} ({shares}): draw more samples, lower the temperature, or train the "
            "model longer before"
        )
    if usable.empty:
        return []
    most = ceil(_MOST_OF_MEAN * len(usable) / usable["key"].nunique())
    turn = usable.groupby("key", sort=False).cumcount()
    balanced = usable.assign(turn=turn)[turn < most].sort_values("turn", kind="stable")
    return [
        Demonstration(prompt=str(prompt), reply=str(body))
        for prompt, body in zip(balanced["prompt"], balanced["body"], strict=True)
    ]
