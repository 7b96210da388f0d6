"""Rollouts: an episode played with the actor, and the decisions that updates learn from."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import torch

from churnsaver_assets.decision.ppo.episodes import Episode
from churnsaver_assets.decision.ppo.gae import advantages
from churnsaver_assets.decision.ppo.network import CRITIC_HEADS, ActorCritic
from churnsaver_assets.decision.simulator.environment import Step
from churnsaver_assets.decision.simulator.population import DAYS_A_MONTH
from churnsaver_assets.experiments.policy_spec import PPOSpec
from churnsaver_serving.runtime.arrays import Floats, Ints
from churnsaver_serving.runtime.policies.actor import Inputs, LearnedSpec

# Refusals remembered, to numbers of order one.
_REFUSALS_SCALE = 2.0


@dataclass(frozen=True, slots=True)
class DecisionBatch:
    """n decisions of a part of an episode. Tensors on the device.

    Attributes:
        inputs: The actor's inputs, shape (n, features).
        base: The base's values, in its unit, shape (n, 1 + O).
        context: The critics' further inputs, shape (n, C).
        action: Action taken: 0 for no contact, else 1 plus the offer's position, shape (n,).
        log_probability: Log-probability of the action taken, shape (n,).
        weight: Probability that the customer was still there, scaled to mean 1 over all decisions,
            and times the sure decisions that each one stands for, shape (n,).
        advantage: Advantage of reward net of the multiplier times cost, in units of the spread
            usual at that multiplier, shape (n,).
        target: Target of the critics, in their units, shape (n, 2).
        gain_usd: Expected value over doing nothing, per customer and 30 days.
        cost_usd: Expected spend, per customer and 30 days.
        multiplier: Mean multiplier of the groups.
    """

    inputs: torch.Tensor
    base: torch.Tensor
    context: torch.Tensor
    action: torch.Tensor
    log_probability: torch.Tensor
    weight: torch.Tensor
    advantage: torch.Tensor
    target: torch.Tensor
    gain_usd: float
    cost_usd: float
    multiplier: float

    def __len__(self) -> int:
        return len(self.action)

    def minibatches(self, size: int, rng: np.random.Generator) -> Iterator["DecisionBatch"]:
        """Yield all decisions once, in random order, in parts of about that size."""
        order = torch.from_numpy(rng.permutation(len(self))).to(self.action.device)
        shuffled = {name: getattr(self, name)[order] for name in _BY_DECISION}
        count = max(1, round(len(self) / size))
        parts = {name: tensor.tensor_split(count) for name, tensor in shuffled.items()}
        for part in range(count):
            yield replace(self, **{name: tensors[part] for name, tensors in parts.items()})


_BY_DECISION = tuple(field.name for field in fields(DecisionBatch) if field.type is torch.Tensor)


@dataclass(frozen=True, slots=True)
class _Day:
    """The decisions of one day, k of them, as arrays; names as in `DecisionBatch`."""

    rows: Ints
    inputs: npt.NDArray[np.float32]
    base: npt.NDArray[np.float32]
    context: npt.NDArray[np.float32]
    action: Ints
    log_probability: npt.NDArray[np.float32]
    value: Floats


class Rollout:
    """An episode played with the exploring actor, part by part.

    Args:
        model: Actor and critics, as they are at each part.
        learned: The actor's base, and the scaling of its inputs.
        episode: The episode, about to begin.
        spec: The critics' scale and the estimator's lambda.
        rng: Generator of the actions.
        device: Torch device.
    """

    def __init__(
        self,
        model: ActorCritic,
        learned: LearnedSpec,
        episode: Episode,
        spec: PPOSpec,
        rng: np.random.Generator,
        *,
        device: str = "cpu",
    ) -> None:
        self._model, self._episode = model, episode
        self._learned, self._inputs = learned, Inputs(learned)
        self._spec, self._rng, self._device = spec, rng, device
        self._multiplier = episode.history_multiplier
        while episode.env.day < episode.history_days:
            self._play(self._decide(episode.env.available()))
        self._multiplier = episode.multiplier

    def part(self, days: int) -> DecisionBatch:
        """Play some days and estimate advantages."""
        env = self._episode.env
        shape = (days, env.size)
        reward, cost, discount, weight = (np.zeros(shape) for _ in range(4))
        value = np.zeros((*shape, CRITIC_HEADS))
        choice = np.zeros(shape, dtype=np.bool_)
        decided: list[_Day] = []
        for day in range(days):
            weight[day] = env.weight
            rows = env.available()
            seen = self._decide(rows)
            if len(rows):
                decided.append(seen)
                value[day, rows], choice[day, rows] = seen.value, True
            step = self._play(seen)
            reward[day, step.rows] = step.gain - step.cost
            cost[day, step.rows] = step.cost
            discount[day] = env.dynamics.discount * step.stay
        after = self._after()
        scale = self._spec.value_scale_usd
        estimate = np.stack(
            [
                advantages(
                    flow / scale,
                    value[..., head],
                    after[:, head],
                    discount,
                    choice,
                    self._spec.gae_lambda,
                )[choice]
                for head, flow in enumerate((reward, cost))
            ],
            axis=1,
        )
        monthly = DAYS_A_MONTH / days / env.size
        return self._batch(
            decided,
            estimate,
            estimate + value[choice],
            weight[choice],
            gain_usd=float((weight * reward).sum() * monthly),
            cost_usd=float((weight * cost).sum() * monthly),
        )

    def _batch(
        self,
        days: list[_Day],
        estimate: Floats,
        target: Floats,
        weight: Floats,
        *,
        gain_usd: float,
        cost_usd: float,
    ) -> DecisionBatch:
        """Put decisions together, advantages on one scale, and leave most sure ones out."""
        group = self._episode.env.group[np.concatenate([day.rows for day in days])]
        weight = weight / weight.mean()
        least = self._spec.least_group_spread
        net = estimate[:, 0] - self._multiplier[group] * estimate[:, 1]
        net -= np.average(net, weights=weight)
        net /= _usual_spread(net, weight, group, self._multiplier, least)
        sure = np.concatenate([day.log_probability for day in days]) > np.log(self._spec.sure)
        kept = np.flatnonzero(~sure | (self._rng.random(len(sure)) < self._spec.sure_share))
        counted = np.where(sure, weight / self._spec.sure_share, weight)
        arrays = {
            name: np.concatenate([getattr(day, name) for day in days])[kept]
            for name in ("inputs", "base", "context", "action", "log_probability")
        }
        arrays |= {
            "weight": counted[kept].astype(np.float32),
            "advantage": net[kept].astype(np.float32),
            "target": target[kept].astype(np.float32),
        }
        return DecisionBatch(
            **{name: self._tensor(array) for name, array in arrays.items()},
            gain_usd=gain_usd,
            cost_usd=cost_usd,
            multiplier=float(self._multiplier.mean()),
        )

    def _decide(self, rows: Ints) -> _Day:
        """Draw today's actions of rows from the actor."""
        observation = self._episode.env.observe(rows, self._multiplier)
        seen = self._inputs.of(observation).astype(np.float32)
        base = self._learned.based(observation).astype(np.float32)
        context = self._context(rows)
        with torch.no_grad():
            at = self._tensor(seen)
            logits = self._tensor(base) + self._model.corrections(at)
            log_probabilities = torch.log_softmax(logits, dim=1).cpu().numpy()
            value = self._model.values(at, self._tensor(context)).cpu().numpy()
        probabilities = np.exp(log_probabilities.astype(np.float64))
        action = _draw(probabilities, self._rng.random(len(rows)))
        return _Day(
            rows=rows,
            inputs=seen,
            base=base,
            context=context,
            action=action,
            log_probability=log_probabilities[np.arange(len(rows)), action],
            value=value.astype(np.float64),
        )

    def _play(self, day: _Day) -> Step:
        contact = day.action > 0
        return self._episode.env.step(day.rows[contact], day.action[contact] - 1)

    def _context(self, rows: Ints) -> npt.NDArray[np.float32]:
        world = self._episode.env.dynamics
        refusals = (world.refusal_ends[rows] > world.day).sum(axis=1) / _REFUSALS_SCALE
        told = np.column_stack([self._episode.world[rows], refusals])
        columns = told.shape[1] if self._spec.privileged_critic else 0
        return told[:, :columns].astype(np.float32)

    def _after(self) -> Floats:
        """Return the critics' value of going on from here, in their units, shape (R, 2).

        It is the value on the day on which the rules next allow a contact, discounted by the
        probability to be there; that a hazard may change until then is left out.
        """
        env = self._episode.env
        wait = env.next_chance()
        rows = np.arange(env.size)
        observation = env.observe(rows, self._multiplier, wait)
        with torch.no_grad():
            at = self._tensor(self._inputs.of(observation).astype(np.float32))
            value = self._model.values(at, self._tensor(self._context(rows))).cpu().numpy()
        kept = (env.dynamics.discount * (1.0 - env.dynamics.hazard())) ** wait
        return kept[:, None] * value.astype(np.float64)

    def _tensor(self, array: npt.NDArray[np.generic]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)


def _draw(probabilities: Floats, uniforms: Floats) -> Ints:
    """Return actions at those quantiles, shape (n,); none of probability 0."""
    cumulative = probabilities.cumsum(axis=1)
    drawn: Ints = (cumulative <= (uniforms * cumulative[:, -1])[:, None]).sum(axis=1)
    return drawn


def _usual_spread(
    values: Floats, weights: Floats, group: Ints, multiplier: Floats, floor: float
) -> Floats:
    """Estimate the spread of values that is usual at each decision's multiplier, shape (n,).

    At a high multiplier there is little to win and at 0 a lot; on one scale, what is learnt at low
    budgets would drown in the noise of the others. A line through the groups' log deviations over
    log (1 + multiplier), so that a world in which more is at stake still counts more.

    Args:
        values: Values, shape (n,).
        weights: Weight of each decision, shape (n,).
        group: Group of each decision, shape (n,).
        multiplier: Multiplier of each group, shape (G,).
        floor: Least spread of a group, as a share of the spread within all.
    """
    groups = len(multiplier)
    total = np.bincount(group, weights, groups)
    safe = np.where(total > 0.0, total, 1.0)
    mean = np.bincount(group, weights * values, groups) / safe
    variance = np.bincount(group, weights * (values - mean[group]) ** 2, groups) / safe
    overall = np.sqrt((variance * total).sum() / total.sum())
    least = max(floor * overall, np.finfo(np.float64).tiny)
    height = np.log(np.maximum(np.sqrt(variance), least))
    place = np.log1p(multiplier)
    away = place - place.mean()
    slope = (away * height).sum() / max((away**2).sum(), np.finfo(np.float64).tiny)
    spread: Floats = np.exp(height.mean() + slope * away)[group]
    return spread
