"""The evaluation as Markdown: every figure in a table, with what it is of."""

from collections.abc import Iterator, Sequence

from churnsaver_assets.common.markdown import percent, plain, table
from churnsaver_assets.decision.evaluation.checks import (
    above_the_bound,
    behind_today,
    broken_limits,
    said,
)
from churnsaver_assets.decision.evaluation.pictures.styles import customers, named
from churnsaver_assets.decision.evaluation.results import PolicyEvaluation, ServedCell


def evaluation_markdown(evaluation: PolicyEvaluation) -> str:
    """Write tables of all figures.

    Args:
        evaluation: The evaluation.
    """
    return "\n\n".join(_parts(evaluation)) + "\n"


def headline(evaluation: PolicyEvaluation) -> list[str]:
    """Return a few lines that say the most important, for a terminal."""
    default = evaluation.default
    months = evaluation.by_month()
    worst = min(months, key=lambda cell: cell.policies[default].headroom.mean)
    figures = worst.policies[default]
    lines = [
        f"default, by its mean over the prior: {default}",
        (
            f"worst of {len({cell.start_month for cell in months})} starting months: "
            f"{said(worst)}: {figures.headroom.scaled(100):.1f} % of the headroom, "
            f"{100 * worst.spent_share:.1f} % of the budget spent"
        ),
    ]
    lines += [f"broken: {line}" for line in _broken(evaluation)]
    return lines


def _parts(evaluation: PolicyEvaluation) -> Iterator[str]:
    yield "# Policies in service"
    yield (
        f"S{customers(evaluation)[1:]}, after a month of burn-in that is played once. "
        f"M = {evaluation.horizon_months:g} months. Brackets: 95 % intervals over lives of these "
        "customers, on common luck; differences are paired. Default, by rule the best over the "
        f"prior and of what can't be told from it the simplest: **{evaluation.default}**. "
        f"Served before: {evaluation.today}."
    )
    yield "## Percent of headroom by starting month"
    for arrival in dict.fromkeys(cell.arrival for cell in evaluation.by_month()):
        cells = [cell for cell in evaluation.by_month() if cell.arrival == arrival]
        budget = cells[0].budget_per_customer
        yield f"Asked {arrival}, ${budget:.2f} a customer and month, answers prompt."
        yield _headroom(evaluation, cells, [cell.start_month for cell in cells])
    others = [cell for cell in evaluation.served if cell not in evaluation.by_month()]
    if others:
        yield "## Percent of headroom under other conditions"
        yield _headroom(evaluation, others, [said(cell) for cell in others])
    yield "## The default policy"
    yield _default(evaluation)
    yield "## Ahead of the default policy, points of headroom, paired"
    yield _ahead(evaluation)
    yield "## Over the prior"
    yield from _prior(evaluation)
    if evaluation.misspecified:
        yield "## Worlds that policies don't expect"
        yield from _wrong_worlds(evaluation)
    if evaluation.tornado:
        yield "## One assumption at its prior's ends"
        yield _tornado(evaluation)
    if evaluation.causes:
        yield "## Where the headroom goes"
        yield _causes(evaluation)
    if evaluation.contact_share:
        yield "## Share contacted by day"
        yield _contact_share(evaluation)
    yield "## Limits"
    broken = _broken(evaluation)
    yield "\n".join(f"- {line}" for line in broken) or (
        "No policy is above the bound, no limit was broken, none that was served before is ahead."
    )


def _headroom(
    evaluation: PolicyEvaluation, cells: Sequence[ServedCell], heads: Sequence[str]
) -> str:
    return table(
        ("", *(named(name) for name in evaluation.roles)),
        [
            (head, *(percent(cell.policies[name].headroom) for name in evaluation.roles))
            for head, cell in zip(heads, cells, strict=True)
        ],
    )


def _default(evaluation: PolicyEvaluation) -> str:
    head = ("", "headroom, %", "bound, $", "gap", "spent by month, %", "contacts", "NRR, %")
    rows = []
    for cell in evaluation.served:
        own = cell.policies[cell.default]
        rows.append(
            (
                said(cell),
                percent(own.headroom),
                f"{cell.bound_usd:.3f}",
                f"{cell.bound_gap:.2%}",
                ", ".join(f"{100 * share:.1f}" for share in own.spent_by_month),
                f"{own.contacts:.3f}",
                f"{percent(own.nrr)} (without: {100 * cell.nothing_nrr.mean:.1f})",
            )
        )
    return table(head, rows)


def _ahead(evaluation: PolicyEvaluation) -> str:
    others = [name for name in evaluation.roles if name != evaluation.default]
    return table(
        ("", *(named(name) for name in others)),
        [
            (said(cell), *(plain(cell.policies[name].ahead_of_default, 1) for name in others))
            for cell in evaluation.served
        ],
    )


def _prior(evaluation: PolicyEvaluation) -> Iterator[str]:
    yield (
        f"{evaluation.prior_worlds} worlds drawn from the priors, each under every arrival "
        f"pattern, {evaluation.prior_customers} customers. USD for each customer of the first day."
    )
    order = sorted(evaluation.prior, key=lambda name: -evaluation.prior[name].mean)
    yield table(
        ("policy", "mean", "5th percentile", "behind the best"),
        [
            (named(name), f"{one.mean:.3f}", f"{one.p05:.3f}", plain(one.behind_best, 3))
            for name, one in ((name, evaluation.prior[name]) for name in order)
        ],
    )
    if evaluation.training_seeds:
        yield table(
            ("trained with several seeds", "seeds", "means", "lowest to highest"),
            [
                (
                    named(name),
                    one.seeds,
                    ", ".join(f"{mean:.3f}" for mean in one.means),
                    f"{one.lowest:.3f} to {one.highest:.3f}",
                )
                for name, one in evaluation.training_seeds.items()
            ],
        )


def _wrong_worlds(evaluation: PolicyEvaluation) -> Iterator[str]:
    worlds = [one for by in evaluation.misspecified.values() for one in by.values()]
    shown = list(worlds[0].policies)
    yield "Percent of headroom, each under pacing."
    yield table(
        ("true world", "asked", *(named(name) for name in shown)),
        [
            (
                one.says,
                one.arrival,
                *(f"{100 * one.policies[name].headroom.mean:.1f}" for name in shown),
            )
            for one in worlds
        ],
    )
    yield "Pacing on less off (the multiplier that it begins with, kept), points of headroom."
    paced = list(worlds[0].pacing)
    yield table(
        ("true world", "asked", *(named(name) for name in paced)),
        [
            (
                one.says,
                one.arrival,
                *(plain(one.pacing[name].difference, 1) for name in paced),
            )
            for one in worlds
        ],
    )


def _tornado(evaluation: PolicyEvaluation) -> str:
    head = (
        "assumption",
        "low",
        "headroom, points",
        "contacts",
        "value, $",
        "high",
        "headroom, points",
        "contacts",
        "value, $",
    )
    rows = []
    for name, moved in evaluation.tornado.items():
        cells: list[str] = []
        for end in (moved.low, moved.high):
            cells += [
                " ".join(f"{one:g}" for one in end.value),
                f"{end.headroom:+.1f}",
                f"{end.contacts:+.3f}",
                f"{end.value_usd:+.2f}",
            ]
        known = ", known to policies" if moved.believed else ""
        rows.append((f"{named(name)} ({moved.unit}{known})", *cells))
    return table(head, rows)


def _causes(evaluation: PolicyEvaluation) -> str:
    parts = list(evaluation.causes[0].gained)
    return table(
        (
            "",
            "headroom, %",
            *(f"without {named(part)}, points" for part in parts),
            "best fixed multiplier",
            "left, points",
        ),
        [
            (
                f"{one.start_month}, {one.arrival}, {one.outcomes}",
                percent(one.headroom),
                *(plain(one.gained[part], 1) for part in parts),
                f"{one.best_multiplier:.2f}",
                f"{one.left:.1f}",
            )
            for one in evaluation.causes
        ],
    )


def _contact_share(evaluation: PolicyEvaluation) -> str:
    rows = []
    for multiplier, by_day in evaluation.contact_share.items():
        working = [share for share in by_day.values() if share > 0.0]
        rows.append(
            (
                multiplier,
                len(by_day),
                f"{min(working, default=0.0):.3f}",
                f"{max(working, default=0.0):.3f}",
            )
        )
    return table(("multiplier", "days", "smallest share", "largest share"), rows)


def _broken(evaluation: PolicyEvaluation) -> list[str]:
    return [
        *above_the_bound(evaluation),
        *broken_limits(evaluation),
        *(f"{evaluation.today} is ahead: {line}" for line in behind_today(evaluation)),
    ]
