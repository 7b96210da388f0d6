"""Rollouts: an episode played with the actor, and the decisions that an update learns from."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import torch

from churnsaver_assets.decision.ppo.episodes import Episode
from churnsaver_assets.decision.ppo.gae import advantages
from churnsaver_assets.decision.ppo.network import ActorCritic, masked_log_softmax
from churnsaver_assets.decision.ppo.teacher import Teacher
from churnsaver_assets.experiments.policy_spec import PPOSpec
from churnsaver_serving.runtime.actions import NO_CONTACT
from churnsaver_serving.runtime.actor import Inputs
from churnsaver_serving.runtime.arrays import Floats, Ints

# Refusals in a period, to numbers of order one.
_REFUSALS_SCALE = 2.0


@dataclass(frozen=True, slots=True)
class DecisionBatch:
    """The n decisions of an episode; days with no choice are left out. Tensors on the device.

    Attributes:
        inputs: The actor's inputs, shape (n, features).
        context: The critics' further inputs, shape (n, C).
        allowed: Actions allowed, shape (n, 1 + O).
        action: Action taken, shape (n,).
        log_probability: Log-probability of the action taken, shape (n,).
        weight: Probability that the row was still an open case, scaled to mean 1, shape (n,).
        advantage: Advantage of reward net of the multiplier times cost, in units of the spread
            usual at that multiplier, shape (n,).
        target: Target of the critics, in their units, shape (n, 2).
        label: The teacher's action, shape (n,).
        stake: Cost of missing the label, in units of the spread usual at the multiplier, shape
            (n,).
        gain_usd: Expected value over doing nothing, per customer.
        cost_usd: Expected spend, per customer.
    """

    inputs: torch.Tensor
    context: torch.Tensor
    allowed: torch.Tensor
    action: torch.Tensor
    log_probability: torch.Tensor
    weight: torch.Tensor
    advantage: torch.Tensor
    target: torch.Tensor
    label: torch.Tensor
    stake: torch.Tensor
    gain_usd: float
    cost_usd: float

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


_BY_DECISION = tuple(
    field.name for field in fields(DecisionBatch) if not field.name.endswith("_usd")
)


@dataclass(frozen=True, slots=True)
class _Day:
    """The decisions of one day, k of them, as arrays; names as in `DecisionBatch`."""

    rows: Ints
    inputs: npt.NDArray[np.float32]
    context: npt.NDArray[np.float32]
    allowed: npt.NDArray[np.bool_]
    action: Ints
    log_probability: npt.NDArray[np.float32]
    value: Floats
    label: Ints
    stake: Floats


def play_episode(
    model: ActorCritic,
    inputs: Inputs,
    episode: Episode,
    spec: PPOSpec,
    rng: np.random.Generator,
    *,
    teacher: Teacher | None = None,
    device: str = "cpu",
) -> DecisionBatch:
    """Play a period, drawing every action from the actor, and estimate advantages.

    Args:
        model: Actor and critics.
        inputs: Scaling of observations to the actor's inputs.
        episode: The episode, about to begin.
        spec: The critics' scale and the estimator's lambda.
        rng: Generator of the actions.
        teacher: Teacher that labels the states met; None for none.
        device: Torch device.
    """
    env = episode.env
    shape = (env.setting.calendar.days, env.size)
    reward, cost, stay, weight = (np.zeros(shape) for _ in range(4))
    value = np.zeros((*shape, 2))
    choice = np.zeros(shape, dtype=np.bool_)
    days: list[_Day] = []
    while not env.done:
        today = env.day
        weight[today] = env.weight
        action = np.full(env.size, NO_CONTACT, dtype=np.int64)
        rows = np.flatnonzero(env.available())
        if len(rows):
            seen = _decide(
                model,
                inputs,
                episode,
                rows,
                rng,
                privileged=spec.privileged_critic,
                teacher=teacher,
                device=device,
            )
            days.append(seen)
            action[rows], value[today, rows], choice[today, rows] = seen.action, seen.value, True
        step = env.step(action)
        reward[today], cost[today], stay[today] = step.reward, step.cost, step.stay
    scale = spec.value_scale_usd
    estimate = np.stack(
        [
            advantages(flow / scale, value[..., head], stay, choice, spec.gae_lambda)[choice]
            for head, flow in enumerate((reward, cost))
        ],
        axis=1,
    )
    decided = np.concatenate([day.rows for day in days])
    multiplier, group = episode.multiplier[decided], env.group[decided]
    by_group = episode.multiplier.reshape(env.groups, -1)[:, 0]
    weights = weight[choice] / weight[choice].mean()
    net = estimate[:, 0] - multiplier * estimate[:, 1]
    net -= np.average(net, weights=weights)
    net /= _usual_spread(net, weights, group, by_group, spec.least_group_spread)
    stake = np.concatenate([day.stake for day in days])
    if teacher is not None:  # without one nothing is at stake
        stake /= _usual_spread(stake, weights, group, by_group, spec.least_group_spread)
    return DecisionBatch(
        inputs=_tensor(np.concatenate([day.inputs for day in days]), device),
        context=_tensor(np.concatenate([day.context for day in days]), device),
        allowed=_tensor(np.concatenate([day.allowed for day in days]), device),
        action=_tensor(np.concatenate([day.action for day in days]), device),
        log_probability=_tensor(np.concatenate([day.log_probability for day in days]), device),
        weight=_tensor(weights.astype(np.float32), device),
        advantage=_tensor(net.astype(np.float32), device),
        target=_tensor((estimate + value[choice]).astype(np.float32), device),
        label=_tensor(np.concatenate([day.label for day in days]), device),
        stake=_tensor(stake.astype(np.float32), device),
        gain_usd=float((weight * reward).sum() / env.size),
        cost_usd=float((weight * cost).sum() / env.size),
    )


def _decide(
    model: ActorCritic,
    inputs: Inputs,
    episode: Episode,
    rows: Ints,
    rng: np.random.Generator,
    *,
    privileged: bool,
    teacher: Teacher | None,
    device: str,
) -> _Day:
    env = episode.env
    observation = env.observe(episode.multiplier, rows)
    seen = inputs.of(observation).astype(np.float32)
    told = np.column_stack([episode.world[rows], env.refusals[rows] / _REFUSALS_SCALE])
    context = told[:, : told.shape[1] if privileged else 0].astype(np.float32)
    with torch.no_grad():
        at = _tensor(seen, device)
        allowed = _tensor(observation.eligible, device)
        log_probabilities = masked_log_softmax(model.logits(at), allowed).cpu().numpy()
        value = model.values(at, _tensor(context, device)).cpu().numpy()
    action = _draw(np.exp(log_probabilities.astype(np.float64)), rng.random(len(rows)))
    labels = None if teacher is None else teacher.label(rows)
    return _Day(
        rows=rows,
        inputs=seen,
        context=context,
        allowed=observation.eligible,
        action=action,
        log_probability=log_probabilities[np.arange(len(rows)), action],
        value=value.astype(np.float64),
        label=np.zeros(len(rows), dtype=np.int64) if labels is None else labels.action,
        stake=np.zeros(len(rows)) if labels is None else labels.stake_usd,
    )


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


def _tensor(array: npt.NDArray[np.generic], device: str) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)
