"""What an evaluation tunes and trains itself: baselines for each table, further training seeds."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec

from churnsaver_assets.common.atomic import write_bytes
from churnsaver_assets.common.chunks import ROWS, ChunkStore
from churnsaver_assets.common.fingerprint import fingerprint
from churnsaver_assets.decision.baselines.conditions import Conditions
from churnsaver_assets.decision.baselines.files import Tuning, read_log_models, read_table, to_files
from churnsaver_assets.decision.baselines.trials import tuning_setting
from churnsaver_assets.decision.baselines.tuning import tune_baselines
from churnsaver_assets.decision.evaluation.cells.jobs import Progress
from churnsaver_assets.decision.simulator.setting import Setting
from churnsaver_assets.experiments.baselines_spec import BaselinesSpec
from churnsaver_assets.experiments.policy_spec import PolicySpec
from churnsaver_serving.runtime.policies.learned import LearnedPolicy
from churnsaver_serving.runtime.policies.pacing import PacingRule
from churnsaver_serving.runtime.world.assumptions import Assumptions


@dataclass(frozen=True, slots=True)
class Training:
    """All that baselines are tuned with and learned policies trained with.

    Attributes:
        setting: Training customers, rules and the nominal world.
        assumptions: The priors that training draws its worlds from.
        baselines: Hyperparameters of the baselines, and what they are tuned over.
        policy: Hyperparameters of the learned policy.
        files: The baselines' files, of which the models fitted on the randomised log are taken.
        pacing: The pacing that everyone is under.
        new_share: New customers a month, as a share of those of the first day.
        seed: Seed of the tuning.
    """

    setting: Setting
    assumptions: Assumptions
    baselines: BaselinesSpec
    policy: PolicySpec
    files: Mapping[str, bytes]
    pacing: PacingRule
    new_share: float
    seed: int


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where tuning and training are done.

    Attributes:
        pool: The processes.
        folder: The folder in which what is finished is kept.
        mark: The fingerprint of all that it depends on beside `Training`'s seeds and conditions.
        progress: Called with a line for each that is finished.
    """

    pool: ProcessPoolExecutor
    folder: Path
    mark: str
    progress: Progress

    def tuned(self, training: Training, wanted: Sequence[Conditions]) -> dict[str, bytes]:
        """Tune the baselines to each of some conditions; return their files."""
        store = ChunkStore(self.folder / "tuned", fingerprint(self.mark, wanted), ROWS)
        kept = {place: store.load(place) for place in range(len(wanted))}
        missing = {
            place: self.pool.submit(_tune, training, conditions)
            for place, conditions in enumerate(wanted)
            if kept[place] is None
        }
        for place, future in missing.items():
            kept[place] = [msgspec.to_builtins(future.result())]
            store.save(place, kept[place] or [])
            self.progress(f"baselines tuned to {_said(wanted[place])}")
        tunings = tuple(msgspec.convert(rows[0], Tuning) for rows in kept.values() if rows)
        return to_files(read_log_models(training.files), tunings, read_table(training.files).seed)

    def trained(self, training: Training, seeds: Sequence[int]) -> dict[int, LearnedPolicy]:
        """Train the learned policy with each of some seeds."""
        folder = self.folder / "trained"
        paths = {
            seed: folder / f"{fingerprint(self.mark, training.policy, seed)[:16]}" for seed in seeds
        }
        futures = {
            seed: self.pool.submit(_train, training, seed)
            for seed, path in paths.items()
            if not path.exists()
        }
        for seed, future in futures.items():
            write_bytes(paths[seed], msgspec.msgpack.encode(future.result()))
            self.progress(f"learned policy trained with seed {seed}")
        return {
            seed: LearnedPolicy.from_files(
                msgspec.msgpack.decode(path.read_bytes(), type=dict[str, bytes])
            )
            for seed, path in paths.items()
        }


def _tune(training: Training, conditions: Conditions) -> Tuning:
    tuned = tune_baselines(
        tuning_setting(training.setting, training.baselines.tuning.months),
        conditions,
        read_log_models(training.files),
        training.baselines,
        pacing=training.pacing,
        new_share=training.new_share,
        seed=training.seed,
    )
    return Tuning(conditions, tuned)


def _train(training: Training, seed: int) -> dict[str, bytes]:
    from churnsaver_assets.decision.ppo.fit import fit_policy

    fitted = fit_policy(training.setting, training.assumptions, training.policy, seed)
    return fitted.policy.to_files()


def _said(conditions: Conditions) -> str:
    share = conditions.daily_contacts
    capacity = "" if share is None else f", {share:.2%} a day"
    return f"{conditions.arrival}, ${conditions.budget_usd:.2f}{capacity}"
