"""Benchmark of the policy's training: ours beside Stable-Baselines3's PPO, in turns.

One process, one number of threads; both learn from the same episodes, inputs and reward, in the
nominal world. Throughput counts customer-steps (days of simulated customers) per CPU second of
rollouts and updates. Time to quality is the training time until the greedy policy reaches a share,
on held-out customers, of the value of the one-step rule that knows the world; looking is not
counted.

`--smoke` goes through all of it in seconds, on made-up customers, and writes no figures.
"""

import argparse
import json
import os
import platform
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from stable_baselines3 import PPO

from churnsaver_assets.decision.ppo.train import train_policy
from churnsaver_assets.decision.simulator.cohort import synthetic_cohort
from churnsaver_assets.decision.simulator.cohort_files import cohort_files
from churnsaver_assets.defs.environment import holdout_setting, training_setting
from churnsaver_assets.defs.experiment import read_experiment
from churnsaver_assets.defs.lib.io import Files
from churnsaver_assets.defs.settings.assets import slice_of
from churnsaver_assets.defs.settings.decision import SimulatorSettings
from churnsaver_assets.experiments.policy_spec import PolicySpec
from churnsaver_assets.experiments.spec import Experiment, experiment_source, parse_experiment
from ops.bench.policy_ours import (
    from_scratch,
    in_updates,
    one_world,
    race_ours,
    time_ours,
)
from ops.bench.policy_race import Judge, Race, Stopwatch
from ops.bench.policy_sb3 import SB3Settings, make_sb3, race_sb3, time_sb3
from ops.bench.policy_settings import FULL, SMOKE, Size, pairs, shrink_training

TARGET = 0.95
MULTIPLIERS = (0.0, 0.2, 0.4)
AIMS = {"throughput_ratio_vs_sb3": 4.0, "time_to_quality_ratio_vs_sb3": 1.0}

# What the headline compares: one network, rollout, minibatch and number of epochs for both.
HEADLINE = "same_settings"
_LOG_WIDTH = 120
_SMOKE_CUSTOMERS = 128


class Bench:
    """Customers, settings and judge that both trainings share.

    Args:
        experiment: The experiment.
        customers: The files of the asset `retention_environment`.
        size: How much is measured.
        console: The console that progress is printed to.
    """

    def __init__(
        self, experiment: Experiment, customers: Files, size: Size, console: Console
    ) -> None:
        self.console = console
        self.size = size
        simulator = slice_of(experiment, SimulatorSettings)
        self.train = training_setting(customers, simulator)
        self.assumptions = experiment.assumptions
        self.spec = one_world(experiment.policy, MULTIPLIERS[-1])
        holdout = holdout_setting(customers, simulator)
        self.judge = Judge(holdout, MULTIPLIERS, experiment.seed)
        # Libraries load parts of themselves at first use. SB3 gets the inputs that we scale.
        tiny = in_updates(self.spec, warm_up=1, ppo=1)
        self.inputs = train_policy(self.train, self.assumptions, tiny, size.seeds[0]).actor.inputs
        one = replace(size.sb3, updates=1)
        time_sb3(self.sb3(one, size.seeds[0]), one)

    def sb3(self, spec: SB3Settings, seed: int) -> PPO:
        torch.set_num_threads(self.spec.threads)
        rollout = self.spec.rollout
        return make_sb3(self.train, self.assumptions, rollout, self.inputs, spec=spec, seed=seed)

    def throughput(self) -> dict[str, Any]:
        """Measure customer-steps per CPU second of each pair, in turns."""
        chosen = pairs(self.spec, self.size)
        rates: dict[str, dict[str, list[float]]] = {
            name: {"ours": [], "sb3": []} for name in chosen
        }
        for turn in range(self.size.rounds):
            for name, pair in chosen.items():
                seed = self.size.seeds[0] + turn
                ours = _rate(*time_ours(self.train, self.assumptions, pair.ours, seed))
                sb3 = _rate(*time_sb3(self.sb3(pair.sb3, seed), pair.sb3))
                rates[name]["ours"].append(ours)
                rates[name]["sb3"].append(sb3)
                self.console.print(
                    f"round {turn + 1}  {name:<20} ours {ours:>9,.0f}   sb3 {sb3:>9,.0f} "
                    "customer-steps/CPU s"
                )
        return {
            name: {
                "says": pair.says,
                "ratio": round(
                    statistics.median(rates[name]["ours"]) / statistics.median(rates[name]["sb3"]),
                    2,
                ),
                "ours": _median(rates[name]["ours"]),
                "sb3": _median(rates[name]["sb3"]) | {"settings": asdict(pair.sb3)},
            }
            for name, pair in chosen.items()
        }

    def time_to_quality(self) -> dict[str, Any]:
        """Train until the target, in turns: from the base, from scratch, SB3."""
        scratch = from_scratch(self.spec)

        def ours(spec: PolicySpec) -> Callable[[int, Race], None]:
            return lambda seed, race: race_ours(self.train, self.assumptions, spec, seed, race)

        def sb3(seed: int, race: Race) -> None:
            race_sb3(self.sb3(self.size.sb3, seed), self.inputs, self.size.sb3, race)

        contestants = {"from_base": ours(self.spec), "from_scratch": ours(scratch), "sb3": sb3}
        races: dict[str, list[Race]] = {name: [] for name in contestants}
        for seed in self.size.seeds:
            for name, run in contestants.items():
                race = Race(self.judge, TARGET, self.size.cap_cpu_seconds)
                run(seed, race)
                races[name].append(race)
                end = race.reached or race.points[-1]
                self.console.print(
                    f"seed {seed}  {name:<12} {end.mean:6.1%} of the informed rule after "
                    f"{end.cpu_seconds:6.1f} CPU s, {end.wall_seconds:6.1f} s"
                )
        return {name: _summary(some, self.size.seeds) for name, some in races.items()}


def _rate(row_days: int, watch: Stopwatch) -> float:
    return row_days / watch.cpu


def _median(rates: list[float]) -> dict[str, Any]:
    return {
        "customer_steps_per_cpu_second": round(statistics.median(rates)),
        "rounds": [round(rate) for rate in rates],
    }


def _summary(races: list[Race], seeds: tuple[int, ...]) -> dict[str, Any]:
    """Return medians over the seeds; a run that missed the target counts with the time it had."""
    ends = [race.reached or race.points[-1] for race in races]
    return {
        "reached": all(race.reached is not None for race in races),
        "cpu_seconds": round(statistics.median(end.cpu_seconds for end in ends), 2),
        "wall_seconds": round(statistics.median(end.wall_seconds for end in ends), 2),
        "best_share": [round(max(point.mean for point in race.points), 4) for race in races],
        "runs": [
            {
                "seed": seed,
                "reached": race.reached is not None,
                "cpu_seconds": round(end.cpu_seconds, 2),
                "wall_seconds": round(end.wall_seconds, 2),
                "curve": [
                    {"cpu_seconds": round(point.cpu_seconds, 2), "shares": point.shares}
                    for point in race.points
                ],
            }
            for seed, race, end in zip(seeds, races, ends, strict=True)
        ],
    }


def ratio(ours: dict[str, Any], sb3: dict[str, Any]) -> float | None:
    """Return SB3's time over ours: a lower bound where SB3 missed the target, None where we did."""
    return round(sb3["cpu_seconds"] / ours["cpu_seconds"], 2) if ours["reached"] else None


def main() -> int:
    """Run the benchmark and write `bench_policy.json`; in smoke mode write nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="seconds long, writes no figures")
    smoke = parser.parse_args().smoke
    console = Console(width=None if sys.stdout.isatty() else _LOG_WIDTH)
    home = Path(os.environ.get("CHURNSAVER_HOME", ".churnsaver"))
    if smoke:
        bench = Bench(_smoke_experiment(), _made_up_customers(), SMOKE, console)
    else:
        experiment = read_experiment(_asset(home, "experiment"))
        bench = Bench(experiment, _asset(home, "retention_environment"), FULL, console)
    throughput, quality = bench.throughput(), bench.time_to_quality()
    result = _result(bench, throughput, quality)
    _print(console, throughput, quality)
    if smoke:
        console.print("smoke: every training ran; figures this short say nothing")
        return 0
    (home / "bench_policy.json").write_text(json.dumps(result, indent=2) + "\n")
    console.print(
        f"throughput ratio {result['throughput_ratio_vs_sb3']}, time to quality ratio "
        f"{result['time_to_quality_ratio_vs_sb3']}, written to {home / 'bench_policy.json'}"
    )
    return 0


def _result(bench: Bench, throughput: dict[str, Any], quality: dict[str, Any]) -> dict[str, Any]:
    """Return everything that is measured, and with what, as the JSON file states it."""
    based, scratch, sb3 = (quality[name] for name in ("from_base", "from_scratch", "sb3"))
    headline = throughput[HEADLINE]
    size = bench.size
    return {
        "throughput_ratio_vs_sb3": headline["ratio"],
        # SB3 starts from scratch too; a base of another world has to be unlearnt in this one.
        "time_to_quality_ratio_vs_sb3": ratio(scratch, sb3),
        "time_to_quality_ratio_vs_sb3_from_base": ratio(based, sb3),
        "customer_steps_per_cpu_second": headline["ours"]["customer_steps_per_cpu_second"],
        "sb3_reached": sb3["reached"],
        "aims": AIMS,
        "throughput": throughput,
        "time_to_quality": {
            "target_share": TARGET,
            "multipliers": MULTIPLIERS,
            "cap_cpu_seconds": size.cap_cpu_seconds,
        }
        | quality,
        "informed_rule_net_usd": [round(float(net), 4) for net in bench.judge.reference],
        "setting": {
            "ours": bench.spec.model_dump(mode="json"),
            "sb3_for_quality": asdict(size.sb3),
            "seeds": size.seeds,
            "rounds": size.rounds,
            "updates_a_round": size.updates,
            "threads": bench.spec.threads,
            "cores": os.cpu_count(),
            "training_customers": len(bench.train.cohort),
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "torch", "stable_baselines3")},
        },
    }


def _asset(home: Path, name: str) -> dict[str, bytes]:
    folder = home / "assets" / name
    if not folder.is_dir():
        raise SystemExit(f"{folder} is not there: run `make demo` first")
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def _smoke_experiment() -> Experiment:
    experiment = parse_experiment(experiment_source())
    return experiment.model_copy(update={"policy": shrink_training(experiment.policy)})


def _made_up_customers() -> Files:
    contacts = parse_experiment(experiment_source()).rules.fatigue_cap
    cohort = synthetic_cohort(_SMOKE_CUSTOMERS, contacts, FULL.seeds[0])
    half = _SMOKE_CUSTOMERS // 2
    return cohort_files(cohort, ("train",) * half + ("holdout",) * half)


def _print(console: Console, throughput: dict[str, Any], quality: dict[str, Any]) -> None:
    table = Table(title="customer-steps per CPU second, median of the rounds")
    for name in ("", "churnsaver", "Stable-Baselines3", "ratio"):
        table.add_column(name, justify="right")
    for one in throughput.values():
        rates = (one[who]["customer_steps_per_cpu_second"] for who in ("ours", "sb3"))
        table.add_row(one["says"], *(f"{rate:,}" for rate in rates), f"{one['ratio']:.2f}")
    console.print(table)
    table = Table(title=f"time to {TARGET:.0%} of the informed rule, median of the seeds")
    for name in ("", "CPU s", "s", "reached", "SB3's time over it"):
        table.add_column(name, justify="right")
    for name, one in quality.items():
        against = ratio(one, quality["sb3"])
        table.add_row(
            name.replace("_", " "),
            f"{one['cpu_seconds']:.1f}",
            f"{one['wall_seconds']:.1f}",
            f"{sum(run['reached'] for run in one['runs'])} of {len(one['runs'])}",
            "-" if against is None else f"{against:.2f}",
        )
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
