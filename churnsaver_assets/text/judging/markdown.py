"""The evaluation of the text models as Markdown."""

from churnsaver_assets.common import markdown as cells
from churnsaver_assets.text.judging.report import TextEvaluation

_DEMO = (
    "**Demo scale: this shows that the loop works. The figures are not those of a full training.**"
)
_SHOWN = ("sft", "rejection", "ppo")


def evaluation_markdown(evaluation: TextEvaluation) -> str:
    """Write tables of all figures, their definitions, and messages side by side.

    Args:
        evaluation: Evaluation of the text models.
    """
    parts = (
        "# Text models",
        *(_DEMO for _ in range(evaluation.scale == "demo")),
        (
            f"{evaluation.prompts} held-out prompts, one message of each policy for each, at "
            "temperature 1. Brackets: 95 % intervals by prompt."
        ),
        _headline(evaluation),
        "## Policies",
        _policies(evaluation),
        "## Rules broken, % of bodies",
        _breaches(evaluation),
        "## Win-rates, %",
        _win_rates(evaluation),
        "## Reward models, held-out pairs",
        _reward_models(evaluation),
        "## Best of n",
        _best_of_n(evaluation),
        "## Reward hacking",
        _hacking(evaluation),
        "## What would be sent, looked at again",
        _second_look(evaluation),
        "## Messages side by side",
        "Chosen by a hash of the prompt's id.",
        _examples(evaluation),
        "## Definitions",
        "\n".join(f"- `{name}`: {text}" for name, text in evaluation.definitions.items()),
    )
    return "\n\n".join(parts) + "\n"


def _headline(evaluation: TextEvaluation) -> str:
    sft, ppo = evaluation.sft, evaluation.ppo
    return cells.table(
        ("figure", "value"),
        [
            (
                "SFT perplexity, held out (base model)",
                (
                    f"{cells.plain(sft.perplexity_interval)} "
                    f"({cells.plain(sft.base_perplexity_interval)})"
                ),
            ),
            (
                "strict pass, PPO (SFT; before PPO), %",
                (
                    f"{100 * ppo.strict_pass_rate:.1f} ({100 * ppo.sft_strict_pass_rate:.1f}; "
                    f"{100 * ppo.rejection_strict_pass_rate:.1f})"
                ),
            ),
            ("win-rate of PPO over SFT, %", cells.percent(ppo.win_rate)),
            ("the same by the gold judge, %", cells.percent(ppo.gold_win_rate)),
            ("win minus loss, points", cells.percent(ppo.win_minus_loss)),
            ("win-rate of PPO over its start, %", cells.percent(ppo.win_rate_over_rejection)),
            ("the same by the gold judge, %", cells.percent(ppo.gold_win_rate_over_rejection)),
            ("mean tokens of whole messages", f"{ppo.mean_tokens:.1f}"),
            ("KL to its start, nats per token", f"{ppo.kl_per_token:.4f}"),
            (
                "violations in what would be sent",
                (
                    f"{ppo.violations} of {ppo.messages} (under "
                    f"{100 * ppo.violations_upper_bound:.2f} % at 95 %)"
                ),
            ),
        ],
    )


def _policies(evaluation: TextEvaluation) -> str:
    rows = []
    for name, one in evaluation.policies.items():
        varied = one.diversity
        rows.append(
            (
                name,
                cells.percent(one.strict_pass_rate),
                cells.plain(one.reward),
                cells.plain(one.gold),
                "-" if one.kl_per_token is None else cells.plain(one.kl_per_token, 4),
                "-" if one.kl_per_message is None else cells.plain(one.kl_per_message, 2),
                f"{varied.mean_tokens:.1f}",
                f"{one.mean_tokens:.1f}",
                f"{varied.distinct_1:.2f} / {varied.distinct_2:.2f} / {varied.distinct_3:.2f}",
                f"{100 * varied.repeated_share:.1f}",
                f"{100 * varied.self_repetition:.1f}",
                f"{varied.common_opening} ({100 * varied.common_opening_share:.0f} %)",
            )
        )
    return cells.table(
        (
            "policy",
            "strict pass, %",
            "shaped reward",
            "gold score",
            "KL per token",
            "KL per message",
            "tokens, body",
            "tokens, message",
            "distinct-1 / 2 / 3",
            "repeated, %",
            "self-repetition, %",
            "most common opening",
        ),
        rows,
    )


def _breaches(evaluation: TextEvaluation) -> str:
    rules = sorted({rule for one in evaluation.policies.values() for rule in one.breaches})
    return cells.table(
        ("rule", *evaluation.policies),
        [
            (
                rule,
                *(
                    f"{100 * one.breaches.get(rule, 0.0):.1f}"
                    for one in evaluation.policies.values()
                ),
            )
            for rule in rules
        ],
    )


def _win_rates(evaluation: TextEvaluation) -> str:
    return cells.table(
        (
            "policies",
            "sent",
            "gold judge",
            "gold, as scored",
            "rules alone",
            "reward model alone",
            "strict pass, points",
            "wins / ties / losses",
        ),
        [
            (
                name.replace("_", " "),
                cells.percent(one.sent.win_rate),
                cells.percent(one.gold.length_controlled.win_rate),
                cells.percent(one.gold.as_scored.win_rate),
                cells.percent(one.rules.win_rate),
                cells.percent(one.reward_model.win_rate),
                cells.percent(one.strict_pass_difference),
                f"{one.sent.wins} / {one.sent.ties} / {one.sent.losses}",
            )
            for name, one in evaluation.comparisons.items()
        ],
    )


def _reward_models(evaluation: TextEvaluation) -> str:
    models = {
        "reward model": evaluation.reward_model,
        "linear probe": evaluation.reward_probe,
        "gold judge": evaluation.gold_judge,
    }
    return cells.table(
        ("model", "data set", "pairs", "accuracy, %", "length alone, %", "AUC", "length's AUC"),
        [
            (
                model,
                name,
                one.pairs,
                cells.percent(one.accuracy),
                cells.percent(one.length_only_interval),
                f"{one.auc:.3f}",
                f"{one.length_only_auc:.3f}",
            )
            for model, figures in models.items()
            for name, one in figures.items()
        ],
    )


def _best_of_n(evaluation: TextEvaluation) -> str:
    found = evaluation.best_of_n
    if found is None:
        return "Not run."
    matched = "over a million" if found.matched_n is None else f"{found.matched_n:.1f}"
    within = "within reach" if found.within_reach else "beyond the largest n tried"
    table = cells.table(
        ("n", "KL at most, nats", "strict pass, %", "shaped reward", "over SFT, %", "gold, %"),
        [
            (
                row.n,
                f"{row.kl_bound:.2f}",
                cells.percent(row.strict_pass_rate),
                cells.plain(row.reward),
                cells.percent(row.over_sft.sent.win_rate),
                cells.percent(row.over_sft.gold.length_controlled.win_rate),
            )
            for row in found.rows
        ],
    )
    return (
        f"PPO spent {found.ppo_kl_per_message:.2f} nats per message; the best of {matched} samples "
        f"may spend as much ({within}); nearest of the rows: n = {found.nearest_n}.\n\n{table}"
    )


def _hacking(evaluation: TextEvaluation) -> str:
    found = evaluation.hacking
    table = cells.table(
        (
            "degenerate text",
            "above its good body, %",
            "by the reward model alone, %",
            "mean lead",
            "passes the rules, %",
        ),
        [
            (
                name.replace("_", " "),
                f"{100 * one.above_good:.1f}",
                f"{100 * one.above_good_by_reward_model:.1f}",
                f"{one.mean_lead:.2f}",
                f"{100 * one.passed_rules:.1f}",
            )
            for name, one in found.kinds.items()
        ],
    )
    verdict = "No degenerate text out-scores its good body" if found.passed else "HACKED"
    return (
        f"{verdict}: {100 * found.above_good:.1f} % above after shaping, "
        f"{100 * found.above_good_by_reward_model:.1f} % by the reward model alone; "
        f"{found.good} good bodies.\n\n{table}"
    )


def _second_look(evaluation: TextEvaluation) -> str:
    table = cells.table(
        ("policy", "would be sent", "held back", "violations", "found", "toxic bodies"),
        [
            (
                name,
                one.second_look.messages,
                one.second_look.held_back,
                one.second_look.violations,
                cells.counts(one.second_look.findings),
                cells.counts(one.toxic_bodies),
            )
            for name, one in evaluation.policies.items()
        ],
    )
    found = [
        f"- {name}: {cells.written(line)}"
        for name, one in evaluation.policies.items()
        for line in one.second_look.examples
    ]
    return "\n".join([table, *(["", *found] if found else [])])


def _examples(evaluation: TextEvaluation) -> str:
    return cells.table(
        ("context", *_SHOWN),
        [
            (
                one.context,
                *(
                    cells.written(one.bodies[name])
                    + (f" **[{', '.join(one.broken[name])}]**" if one.broken[name] else "")
                    for name in _SHOWN
                ),
            )
            for one in evaluation.examples
        ],
    )
