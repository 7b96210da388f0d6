"""Best-of-n sampling: a baseline that trains nothing, beside PPO at equal KL."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path

import numpy as np
import numpy.typing as npt

from churnsaver_assets.common.bootstrap import mean_by_prompt
from churnsaver_assets.experiments.text_spec import JudgeSpec, SamplingSpec
from churnsaver_assets.text.judging.comparison import Judges, token_counter
from churnsaver_assets.text.judging.judge import Judged, head_to_head, judged
from churnsaver_assets.text.judging.report import BestOf, BestOfN
from churnsaver_assets.text.judging.scores import kept_scores
from churnsaver_assets.text.model.draws import draw_completions
from churnsaver_assets.text.records import Completion, Prompt
from churnsaver_assets.text.reward.message_reward import MessageReward, raw_scores
from churnsaver_assets.text.run import Run
from churnsaver_assets.text.strict import strict_verdicts

_MOST_SAMPLES = 1e6


def best_of_n_kl(n: float) -> float:
    """Bound the KL of the best of n samples to the model they were drawn from, nats per message.

    log n - (n - 1) / n (Stiennon et al. 2020, appendix G.3); an upper bound, reached where no two
    samples tie (Beirami et al. 2024, theorem 1).

    Args:
        n: Number of samples, 1 or more.

    Raises:
        ValueError: The number is below 1.
    """
    if n < 1:
        raise ValueError(f"expected n of at least 1, got {n}")
    return log(n) - (n - 1) / n


def matched_n(kl: float) -> float | None:
    """Return the n whose `best_of_n_kl` equals a KL; None where it is over a million.

    Args:
        kl: KL, nats per message; 1 is the answer for 0 and below.
    """
    from scipy.optimize import brentq

    if kl <= 0:
        return 1.0
    if kl > best_of_n_kl(_MOST_SAMPLES):
        return None
    return float(brentq(lambda n: best_of_n_kl(n) - kl, 1.0, _MOST_SAMPLES))


def best_of_n(
    model: Path,
    prompts: Sequence[Prompt],
    judges: Judges,
    spec: JudgeSpec,
    *,
    sampling: SamplingSpec,
    run: Run,
    sft: Sequence[Judged],
    ppo_kl_per_message: float,
) -> BestOfN:
    """Draw the largest n for each prompt; a smaller n takes the first of them.

    Args:
        model: Model directory of the model that PPO began at.
        prompts: Held-out prompts.
        judges: The reward that chooses the best, as PPO optimises it, and the gold judge.
        spec: Sizes, resamples, prompts between checkpoints.
        sampling: Longest body, batch; the temperature is 1, as for every policy compared.
        run: Device and threads, seed for draws and bootstrap, folder of unfinished work, progress.
        sft: The SFT model's messages for the same prompts.
        ppo_kl_per_message: PPO's KL to the model it began at, nats per message.

    Raises:
        ValueError: There are no sizes, or one is below 1.
    """
    sizes = sorted(set(spec.best_of))
    if not sizes or sizes[0] < 1:
        raise ValueError(f"expected sizes of at least 1, got {list(spec.best_of)}")
    most = sizes[-1]
    reward, gold, count = judges.reward, judges.gold, token_counter(model)
    bootstrap = {"resamples": spec.resamples, "seed": run.seed}
    pool = _draw(model, prompts, judges.reward, most, sampling=sampling, run=run, chunk=spec.chunk)
    rows = []
    for n in sizes:
        completions, total = pool.best(n)
        scores = kept_scores(
            lambda asked, written: {
                "reward": raw_scores(reward.reward_model, asked, written),
                "gold": raw_scores(gold, asked, written),
            },
            prompts,
            completions,
            run.within(f"best-of-{n}"),
            made_by=[reward.reward_model.sha256, gold.sha256],
            chunk=spec.chunk,
            what=f"best of {n}: judged",
        )
        verdicts = strict_verdicts(prompts, completions, reward.shield)
        best = judged(completions, verdicts, scores["reward"], scores["gold"])
        rows.append(
            BestOf(
                n=n,
                kl_bound=best_of_n_kl(n),
                strict_pass_rate=mean_by_prompt(
                    [verdict.passed for verdict in verdicts], **bootstrap
                ),
                reward=mean_by_prompt(total, **bootstrap),
                over_sft=head_to_head(count, best, sft, **bootstrap),
            )
        )
    matched = matched_n(ppo_kl_per_message)
    return BestOfN(
        prompts=len(prompts),
        rows=tuple(rows),
        ppo_kl_per_message=ppo_kl_per_message,
        matched_n=matched,
        nearest_n=min(sizes, key=lambda n: abs(best_of_n_kl(n) - ppo_kl_per_message)),
        within_reach=matched is not None and matched <= most,
    )


@dataclass(frozen=True, slots=True)
class _Pool:
    """All samples, prompt by prompt, and their shaped rewards, shape (prompts, most)."""

    drawn: tuple[Completion, ...]
    total: npt.NDArray[np.float64]

    def best(self, n: int) -> tuple[list[Completion], npt.NDArray[np.float64]]:
        """Return the best of the first n samples of each prompt, and its reward."""
        places, most = self.total[:, :n].argmax(axis=1), self.total.shape[1]
        chosen = [self.drawn[row * most + place] for row, place in enumerate(places.tolist())]
        return chosen, self.total[:, :n].max(axis=1)


def _draw(
    model: Path,
    prompts: Sequence[Prompt],
    reward: MessageReward,
    most: int,
    *,
    sampling: SamplingSpec,
    run: Run,
    chunk: int,
) -> _Pool:
    repeated = [prompt for prompt in prompts for _ in range(most)]
    drawn = draw_completions(
        model,
        [prompt.text for prompt in repeated],
        sampling.model_copy(update={"temperature": 1.0}),
        run.within("samples"),
        chunk=chunk * most,
    )
    total = kept_scores(
        lambda asked, written: {"total": reward(asked, written).total},
        repeated,
        drawn,
        run.within("rewards"),
        made_by=[reward.fingerprint()],
        chunk=chunk * most,
        what=f"best of {most}: rewards",
    )["total"]
    return _Pool(tuple(drawn), total.reshape(len(prompts), most))
