"""Decision maps: a policy's decision for each churn risk and monthly charge, all else equal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from churnsaver_assets.common.drawing import GREY, figure, label, plain_style, png
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_serving.runtime.arrays import Floats, Ints
from churnsaver_serving.runtime.belief import SIGNALS
from churnsaver_serving.runtime.calibration import logit, sigmoid
from churnsaver_serving.runtime.effects import RISK_MONTHS, acceptance_shift
from churnsaver_serving.runtime.observation import Observation
from churnsaver_serving.runtime.policy import Policy

# From no contact to the largest discount.
_OFFER_COLOURS = ("#f4f5f7", "#cfe0f3", "#8fb8e0", "#4a86c5", "#1f4f8a", "#12305a", "#0a1c36")


@dataclass(frozen=True, slots=True)
class DecisionMap:
    """Decisions on a day, for customers of median acceptance who were never contacted.

    Attributes:
        risk: p_churn, ascending, shape (K,).
        charge_usd: Monthly, ascending, shape (L,).
        choice: 0 for no contact, else the offer's position plus 1, shape (L, K).
    """

    risk: Floats
    charge_usd: Floats
    choice: Ints


def decision_map(
    policy: Policy, setting: Setting, multiplier: float, *, cells: int = 120
) -> DecisionMap:
    """Ask a policy about a grid that spans the customers' risks and charges.

    Args:
        policy: The policy as it is served.
        setting: Customers, offers and what policies believe.
        multiplier: Multiplier of the budget, dollars of value per dollar.
        cells: Cells along each side.
    """
    cohort, space, world = setting.believed or setting.cohort, setting.space, setting.nominal
    low, high = logit(np.quantile(cohort.p_churn, [0.005, 0.995]))
    risk = sigmoid(np.linspace(float(low), float(high), cells))
    charge = np.linspace(cohort.monthly_charge_usd.min(), cohort.monthly_charge_usd.max(), cells)
    never = np.array([np.inf])
    shift = acceptance_shift(world, space.offers_pct, never, np.zeros(1))[0]
    accept = sigmoid(float(np.median(cohort.accept_logit[:, 0])) + shift)
    n = cells * cells
    observed = Observation(
        risk=np.tile(risk, (len(RISK_MONTHS), cells)).T,
        p_accept=np.broadcast_to(accept, (n, len(accept))).copy(),
        monthly_charge_usd=np.repeat(charge, cells),
        wait_days=np.zeros(n),
        days_since_contact=np.full(n, np.inf),
        contacts_in_window=np.zeros(n),
        multiplier=np.full(n, multiplier),
        belief=np.zeros((n, len(SIGNALS))),
        offers_pct=space.offers_pct,
        world=world,
    )
    choice = policy.preferences(observed).argmax(axis=1)
    return DecisionMap(risk, charge, choice.reshape(cells, cells))


@plain_style
def decision_map_png(
    policies: Mapping[str, Policy], setting: Setting, multipliers: Sequence[float]
) -> bytes:
    """Draw decision maps of policies (rows) at multipliers (columns), customers as dots.

    Args:
        policies: Policies by name.
        setting: Held-out customers and offers.
        multipliers: Multipliers of the budget, such as the bound's under each budget.
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    offers = setting.space.offers_pct
    colours = ListedColormap(_OFFER_COLOURS[: len(offers) + 1])
    drawn = figure(1.0 + 3.1 * len(multipliers), 1.1 + 2.6 * len(policies))
    grid = drawn.subplots(len(policies), len(multipliers), sharex=True, sharey=True, squeeze=False)
    for row, (name, policy) in enumerate(policies.items()):
        for column, multiplier in enumerate(multipliers):
            axes = grid[row, column]
            found = decision_map(policy, setting, multiplier)
            axes.pcolormesh(
                100 * found.risk,
                found.charge_usd,
                found.choice,
                cmap=colours,
                vmin=-0.5,
                vmax=len(offers) + 0.5,
                shading="nearest",
                rasterized=True,
            )
            axes.scatter(
                100 * setting.cohort.p_churn,
                setting.cohort.monthly_charge_usd,
                s=2,
                color="#101418",
                alpha=0.3,
                lw=0,
            )
            label(
                axes,
                f"{name.replace('_', ' ')}, multiplier {multiplier:.2f}",
                "Churn risk within a month, %" if row == len(policies) - 1 else "",
                "Monthly charge, $" if column == 0 else "",
            )
            axes.set_xlim(100 * found.risk[0], 100 * found.risk[-1])
            axes.set_ylim(found.charge_usd[0], found.charge_usd[-1])
            axes.grid(visible=False)
    names = ["no contact", *(f"contact, {offer} % off" for offer in offers)]
    drawn.legend(
        handles=[
            Patch(facecolor=colour, edgecolor=GREY, label=name)
            for colour, name in zip(_OFFER_COLOURS, names, strict=False)
        ],
        loc="outside upper left",
        ncols=len(names),
        frameon=False,
    )
    return png(drawn)
