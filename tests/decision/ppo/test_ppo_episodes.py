"""The episodes trained on: what is drawn, and how their parts follow each other."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from churnsaver_assets.decision.ppo.episodes import Episode, draw_episode
from churnsaver_assets.decision.ppo.network import ActorCritic
from churnsaver_assets.decision.ppo.pricing import priced
from churnsaver_assets.decision.ppo.rollout import Rollout
from churnsaver_serving.runtime.policies.actor import LearnedSpec
from churnsaver_serving.runtime.policies.policy import OneStepPolicy
from churnsaver_serving.runtime.policies.policy_features import feature_names
from tests.support.decision.cohort import indistinct, packaged_assumptions, small_setting
from tests.support.decision.ppo import small_spec

SETTING = small_setting(100)


def draw(seed: int = 42, **rollout: object) -> Episode:
    spec = small_spec(rollout=rollout).rollout
    return draw_episode(SETTING, packaged_assumptions(), spec, np.random.default_rng(seed))


def play(
    episode: Episode, unit_usd: float = 1.0, sure_share: float = 1.0, seed: int = 2
) -> Rollout:
    """Begin with an untrained correction: it plays as its base does."""
    offers = SETTING.space.offers_pct
    names = feature_names(offers)
    learned = LearnedSpec(
        offers_pct=offers,
        features=names,
        mean=(0.0,) * len(names),
        scale=(1.0,) * len(names),
        clip=5.0,
        hidden=(8,),
        activation="relu",
        base=OneStepPolicy(),
        unit_usd=unit_usd,
    )
    model = ActorCritic(learned, 1 + episode.world.shape[1], np.random.default_rng(1))
    spec = small_spec(ppo={"sure_share": sure_share}).ppo
    return Rollout(model, learned, episode, spec, np.random.default_rng(seed))


def test_an_episode_is_as_its_spec_says() -> None:
    plain = draw(multipliers={"high": 2.0, "zero_share": 0.0})
    env = plain.env
    assert env.mode == "integrated"
    assert env.size == 16 * 48
    assert env.setting.calendar.days == 4 * 14
    assert plain.history_days == 0
    assert ((plain.multiplier > 0.0) & (plain.multiplier <= 2.0)).all()
    assert np.ptp(plain.multiplier) > 0.5
    # One and the same world, the nominal one, in which nobody hides anything.
    assert (plain.world == plain.world[0]).all()
    assert set(env.dynamics.worlds) == {SETTING.nominal}
    assert (draw(multipliers={"high": 2.0, "zero_share": 1.0}).multiplier == 0.0).all()


def test_randomised_episodes_differ_in_world_start_age_and_history() -> None:
    episode = draw(nominal_share=0.0, groups=40)
    worlds = episode.env.dynamics.worlds
    assert len({world.disturbance for world in worlds}) == 40
    assert len({world.effect_days for world in worlds}) == 40
    assert (np.abs(episode.world[:, :-1]) <= 1.0).all()
    assert np.ptp(episode.world[:, -1]) > 0.1
    assert len(np.unique(episode.env.dynamics.population.age_days)) > 10
    several = [draw(seed, history_days=30) for seed in range(30)]
    assert len({one.env.setting.calendar.first.month for one in several}) > 6
    assert len({one.history_days for one in several}) > 10
    for one in several:
        assert one.env.setting.calendar.days == one.history_days + 4 * 14


def test_believed_customers_are_drawn_with_the_true_ones() -> None:
    blind = replace(SETTING, believed=indistinct(SETTING.cohort))
    spec = small_spec().rollout
    env = draw_episode(blind, packaged_assumptions(), spec, np.random.default_rng(42)).env
    assert env.setting.believed is not None
    np.testing.assert_array_equal(env.setting.believed.customer_id, env.setting.cohort.customer_id)
    assert len(np.unique(env.setting.believed.p_churn)) == 1
    assert len(np.unique(env.setting.cohort.p_churn)) > 1


def test_parts_go_on_where_the_last_one_ended() -> None:
    """History comes first, at other multipliers; all parts together are the episode."""
    drawn = [draw(seed, history_days=40) for seed in range(5)]
    episode = max(drawn, key=lambda one: one.history_days)
    rollout = play(episode)
    assert episode.env.day == episode.history_days > 10
    assert (episode.env.dynamics.contact_days[:, 0] >= 0).any()
    sizes = [len(rollout.part(14)) for _ in range(4)]
    assert episode.env.done
    assert min(sizes) > 0


def test_a_part_holds_the_decisions_of_whoever_may_be_contacted() -> None:
    episode = draw()
    env, rollout = episode.env, play(episode)
    first = env.available()
    batch = rollout.part(7)
    working = int(env.setting.calendar.working[:7].sum())
    assert len(first) <= len(batch) <= working * env.size
    assert float(batch.weight.mean()) == pytest.approx(1.0, rel=1e-5)
    assert 0.1 < float(batch.advantage.std()) < 10.0
    assert ((batch.action >= 0) & (batch.action <= 4)).all()
    assert batch.cost_usd > 0.0


def test_some_sure_decisions_stand_for_all_of_them() -> None:
    full, thinned = (play(draw(), unit_usd=0.05, sure_share=share).part(14) for share in (1.0, 0.1))
    unsure = full.log_probability < np.log(0.99)
    assert int(unsure.sum()) < len(thinned) < 0.5 * len(full)
    # The same actions were taken, so all that isn't sure is there, with its own weight.
    assert int((thinned.log_probability < np.log(0.99)).sum()) == int(unsure.sum())
    # One in ten is kept, with ten times its weight: within four standard errors of all of them.
    error = float(np.sqrt(9.0 * (len(full) - int(unsure.sum()))))
    assert abs(float(thinned.weight.sum()) - len(full)) < 4.0 * error < 0.2 * len(full)
    assert (full.gain_usd, full.cost_usd) == (thinned.gain_usd, thinned.cost_usd)


def test_without_exploration_the_exploring_actor_plays_its_base() -> None:
    """In a tiny unit what is worth most is as good as certain."""
    batch = play(draw(), unit_usd=1e-3).part(14)
    assert (batch.action == batch.base.argmax(dim=1)).float().mean() > 0.999
    assert batch.gain_usd > 0.0


def test_what_is_beyond_an_episode_is_the_critics_estimate() -> None:
    """A constant critic's value after a part is that value, discounted over the wait."""
    import torch

    episode = draw()
    rollout = play(episode)
    critics = rollout._model.critics
    with torch.no_grad():
        for layer in critics:
            if isinstance(layer, torch.nn.Linear):
                layer.weight.zero_()
                layer.bias.fill_(3.0)
    rollout.part(14)
    wait = episode.env.next_chance()
    assert (wait == 0).any()
    assert (wait > 0).any()
    after = rollout._after()
    assert after[wait == 0] == pytest.approx(3.0)
    assert (after[wait > 0] < 3.0).all()
    kept = (episode.env.dynamics.discount * (1 - episode.env.dynamics.hazard())) ** wait
    np.testing.assert_allclose(after, 3.0 * np.column_stack([kept, kept]))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rollout": {"multipliers": {"high": 0.0, "zero_share": 0.0}}}, "greater than 0"),
        ({"rollout": {"start_dates": ["2026-02-01", "2026-01-01"]}}, "first <= last"),
        ({"rollout": {"part_days": 6}}, "greater than or equal to 7"),
        ({"warm_up": {"updates": 0}, "ppo": {"updates": 0}}, "at least one"),
        ({"network": {"layers": 3}}, "Extra inputs"),
        ({"network": {"unit_usd": 0.0}}, "greater than 0"),
    ],
)
def test_specs_that_contradict_themselves_are_refused(changed: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_spec(**changed)


def test_where_more_is_accepted_the_same_budget_is_dearer() -> None:
    nominal = SETTING.nominal
    more, less = (
        msgspec.structs.replace(nominal, acceptance_offset=offset) for offset in (0.7, -0.7)
    )
    believed = packaged_assumptions().prior_mean()
    worlds = [nominal, more, less]
    for multiplier in (0.2, 0.5):
        given = np.full(3, multiplier)
        same, dearer, cheaper = priced(SETTING, believed, worlds, given).tolist()
        assert same == pytest.approx(multiplier, abs=1e-6)
        assert cheaper < same < dearer
    # What doesn't change what is spent doesn't change what a budget is worth.
    other = msgspec.structs.replace(nominal, disturbance=0.9, effect_days=30.0)
    assert priced(SETTING, believed, [other], np.full(1, 0.3)) == pytest.approx(0.3, abs=1e-6)
    # Money that isn't short stays free where even less is spent.
    assert priced(SETTING, believed, [less], np.zeros(1)) == pytest.approx(0.0)
