"""What the two trainings are run with, beside what the experiment says."""

from dataclasses import dataclass, replace

from churnsaver_assets.experiments.policy_spec import PolicySpec
from ops.bench.policy_ours import in_updates
from ops.bench.policy_sb3 import SB3Settings, alike

# Of about 20 tried, the quickest to the target, judged on the held-out customers of the benchmark
# itself, in SB3's favour: environments, minibatch, epochs, learning rate, lambda, entropy, units,
# length of the schedule.
QUALITY = SB3Settings(
    groups=64,
    customers=8,
    n_steps=22,
    batch_size=704,
    n_epochs=2,
    learning_rate=3e-3,
    updates=150,
    gae_lambda=0.95,
    ent_coef=0.003,
    vf_coef=0.5,
    max_grad_norm=0.5,
    hidden=(64, 64),
    value_scale_usd=10.0,
)
# Few gradient steps: each epoch one pass over a whole rollout. For throughput, not for quality.
LARGE_EPOCHS = 2
LARGE_HIDDEN = (32, 32)


@dataclass(frozen=True, slots=True)
class Pair:
    """Settings whose throughputs are compared."""

    says: str
    ours: PolicySpec
    sb3: SB3Settings


def pairs(spec: PolicySpec, updates: int) -> dict[str, Pair]:
    """Of PPO alone, for that many updates: SB3 has no counterpart to the warm start."""
    ours = in_updates(spec, distillation=0, ppo=updates)
    same = alike(ours, QUALITY)
    large = ours.model_copy(
        update={
            "network": ours.network.model_copy(update={"hidden": LARGE_HIDDEN}),
            "ppo": ours.ppo.model_copy(update={"epochs": LARGE_EPOCHS, "minibatch": same.rollout}),
        }
    )
    return {
        "same_settings": Pair("both as the experiment has it", ours, same),
        "each_for_quality": Pair(
            "ours as the experiment has it, SB3 as it learns quickest",
            ours,
            replace(QUALITY, updates=updates),
        ),
        "each_for_throughput": Pair(
            "both with small networks and one minibatch", large, alike(large, same)
        ),
    }
