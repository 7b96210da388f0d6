"""Benchmark of PPO on text: ours beside TRL's RLOO, in turns.

The same model, prompts, batch, longest completion, reward, adapters, threads and number of gradient
steps for both; what is sampled ends where it ends, so tokens are counted, not assumed. RLOO has no
value head, ours has one. The first iteration of each run is left out of the timings: libraries load
parts of themselves then. What both trainings make is compared on the same held-out prompts: the
share of messages that break no rule, and the mean reward, beside those of the model at which both
begin. A few iterations hardly move a model; `--iterations 60` shows what RLOO is good for.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import torch
from rich.console import Console
from rich.table import Table

from churnsaver_assets.common.bootstrap import mean_by_prompt
from churnsaver_assets.defs.settings.stage import read_stage
from churnsaver_assets.defs.settings.text import BaseModelSettings, PpoSettings
from churnsaver_assets.defs.text.shared import load_reward, message_reward, requests
from churnsaver_assets.text.model.generation import generate
from churnsaver_assets.text.model.loading import load_model, load_tokenizer, prepare
from churnsaver_assets.text.ppo.train import train_ppo
from churnsaver_assets.text.records import Prompt
from churnsaver_assets.text.reward.message_reward import MessageReward
from churnsaver_assets.text.rloo.settings import RlooSpec
from churnsaver_assets.text.rloo.train import train_rloo
from churnsaver_assets.text.run import Run
from churnsaver_serving.runtime.arrays import Floats
from ops.bench.text_smoke import smoke_parts

AIMS = {"generation_ratio_vs_rloo": 1.0, "iteration_ratio_vs_rloo": 1.0}
# RLOO's own hyperparameters; the release graph knows none, as nothing trained by it is served.
GENERATIONS, LEARNING_RATE, BETA = 4, 1e-4, 0.05
HELD_OUT = 128
RESAMPLES = 2000
_LOG_WIDTH = 120
_CEILING_SIZE = {"cpu": 2048, "cuda": 8192}
_CEILING_SECONDS = 3.0


def _files(home: Path, name: str) -> dict[str, bytes]:
    folder = _folder(home, name)
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def _folder(home: Path, name: str) -> Path:
    folder = home / "assets" / name
    if not folder.is_dir():
        raise SystemExit(f"{folder} is not there: run `make demo-text` first")
    return folder


@dataclass(frozen=True)
class Parts:
    """What both trainings share.

    Attributes:
        model: The base model's name.
        start: The model directory at which both begin.
        settings: The settings of the graph's PPO.
        reward: The reward of messages.
        prompts: The prompts to train on.
        held_out: The prompts that the trained models are compared on.
    """

    model: str
    start: Path
    settings: PpoSettings
    reward: MessageReward
    prompts: Sequence[Prompt]
    held_out: Sequence[Prompt]


def graph_parts(home: Path) -> Parts:
    """Read real artefacts of the asset graph.

    Args:
        home: The graph's home, in which the text models were trained.
    """
    settings = read_stage(_files(home, "ppo_settings"), PpoSettings)
    base = read_stage(_files(home, "base_model_settings"), BaseModelSettings)
    start = _folder(home, "rejection_model")
    reward = load_reward(
        _folder(home, "reward_model"), _folder(home, "base_model"), settings.hardware
    )
    table = pd.read_parquet(home / "assets" / "retention_prompts.parquet")
    return Parts(
        model=base.base_model.name,
        start=start,
        settings=settings,
        reward=message_reward(
            reward, _files(home, "reward_scale"), _files(home, "shield_rules"), settings
        ),
        prompts=requests(table[table["split"] == "train"], start),
        held_out=requests(table[table["split"] == "holdout"].head(HELD_OUT), start),
    )


@dataclass(frozen=True)
class Trained:
    """One training's figures.

    Attributes:
        speed: Seconds and tokens.
        passed: Whether each held-out prompt's message breaks no rule, shape (prompts,).
        rewards: Each held-out prompt's reward, shape (prompts,).
    """

    speed: dict[str, Any]
    passed: Floats
    rewards: Floats


@dataclass
class Bench:
    """Both trainings on the same parts.

    Attributes:
        parts: What they share.
        rows: Sequences an iteration.
        iterations: Iterations that are timed, after one that isn't.
        runs: Finished trainings by name.
    """

    parts: Parts
    rows: int
    iterations: int
    runs: dict[str, list[Trained]] = field(default_factory=dict)

    def run(self, seed: int, folder: str) -> Run:
        """Return a run of its own, which keeps its checkpoints in a folder that goes with it."""
        return Run(self.parts.settings.hardware, seed, Path(folder, "checkpoints"))

    def measure(self, name: str, model: Path, speed: dict[str, Any]) -> None:
        """Add a model's messages for the held-out prompts, at temperature 1."""
        parts = self.parts
        hardware = parts.settings.hardware
        completions = generate(
            load_model(model, hardware, dtype=hardware.frozen_dtype),
            load_tokenizer(model),
            [prompt.text for prompt in parts.held_out],
            sampling=parts.settings.sampling.model_copy(update={"temperature": 1.0}),
            seed=parts.settings.seed,
        )
        earned = parts.reward(parts.held_out, completions)
        passed = np.array([float(verdict.passed) for verdict in earned.verdicts])
        self.runs.setdefault(name, []).append(Trained(speed, passed, earned.total))

    def ours(self, seed: int) -> None:
        """Train by our PPO: one epoch, one gradient step an iteration, as RLOO makes."""
        parts = self.parts
        spec = parts.settings.ppo.model_copy(
            update={
                "iterations": self.iterations + 1,
                "batch_rows": self.rows,
                "minibatch_rows": self.rows,
                "epochs": 1,
                "save_every": self.iterations + 2,
            }
        )
        with tempfile.TemporaryDirectory() as folder:
            report = train_ppo(
                parts.start,
                parts.reward,
                parts.prompts,
                spec,
                parts.settings.sampling,
                run=self.run(seed, folder),
                target=Path(folder, "model"),
            )
            timings, figures = report.curves.timings[1:], report.curves.figures[1:]
            tokens = sum(one.tokens for one in figures) * self.rows
            speed = {
                "seconds_per_iteration": statistics.median(one.seconds for one in timings),
                "generated_tokens_per_second": tokens / sum(one.generate for one in timings),
                "tokens_per_iteration": tokens / len(figures),
                "phases": {
                    phase: statistics.median(getattr(one, phase) for one in timings)
                    for phase in ("generate", "score", "forward", "learn")
                },
            }
            self.measure("ours", Path(folder, "model"), speed)

    def rloo(self, seed: int) -> None:
        """Train by TRL's RLOO."""
        parts = self.parts
        spec = RlooSpec(
            steps=self.iterations + 1,
            batch_rows=self.rows,
            generations=GENERATIONS,
            learning_rate=LEARNING_RATE,
            beta=BETA,
            save_every=self.iterations + 2,
        )
        with tempfile.TemporaryDirectory() as folder:
            report = train_rloo(
                parts.start,
                parts.reward,
                parts.prompts,
                spec,
                parts.settings.sampling,
                lora=parts.settings.ppo.lora,
                run=self.run(seed, folder),
                target=Path(folder, "model"),
            )
            speed = {
                "seconds_per_iteration": report.seconds_per_step,
                "generated_tokens_per_second": report.tokens_per_second,
                "tokens_per_iteration": report.generated_tokens / len(report.curve),
            }
            self.measure("rloo", Path(folder, "model"), speed)

    def quality(self, name: str) -> dict[str, Any]:
        """Return pass rate and reward over the held-out prompts, each prompt's mean over runs."""
        runs = self.runs[name]
        return {
            what: msgspec.to_builtins(
                mean_by_prompt(np.mean(values, axis=0), resamples=RESAMPLES, seed=0)
            )
            for what, values in (
                ("strict_pass_rate", [run.passed for run in runs]),
                ("reward", [run.rewards for run in runs]),
            )
        }


def bf16_ceiling(device: torch.device, threads: int) -> float:
    """Measure the floating point operations a second of a large bf16 matrix product."""
    size = _CEILING_SIZE[device.type]
    torch.set_num_threads(threads)
    left = torch.randn(size, size, dtype=torch.bfloat16, device=device)
    right = torch.randn(size, size, dtype=torch.bfloat16, device=device)
    left @ right
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < _CEILING_SECONDS:
        left @ right
        if device.type == "cuda":
            torch.cuda.synchronize()
        done += 1
    return done * 2 * size**3 / (time.perf_counter() - start)


def median_of(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return medians over the runs, of each figure."""
    result: dict[str, Any] = {}
    for name, value in runs[0].items():
        values = [run[name] for run in runs]
        result[name] = (
            median_of(values) if isinstance(value, dict) else round(statistics.median(values), 4)
        )
    return result


def learn_share(bench: Bench, ours: dict[str, Any], parameters: int, ceiling: float) -> float:
    """Return the learning steps' share of the machine's ceiling.

    Forward and backward with frozen base weights take 4 operations a weight and token.
    """
    tokenizer = load_tokenizer(bench.parts.start)
    prompt_tokens = statistics.mean(
        len(tokenizer(one.text, add_special_tokens=False)["input_ids"])
        for one in bench.parts.prompts[:64]
    )
    learnt = (prompt_tokens * bench.rows + ours["tokens_per_iteration"]) * 4 * parameters
    return round(float(learnt / ours["phases"]["learn"] / ceiling), 4)


def compare(
    parts: Parts, *, rows: int, iterations: int, rounds: int, console: Console
) -> dict[str, Any]:
    """Train in turns and return all figures, as `bench_text.json` holds them."""
    hardware = parts.settings.hardware
    device = prepare(hardware)
    parameters = sum(
        one.numel() for one in load_model(parts.start, hardware, dtype="float32").parameters()
    )
    bench = Bench(parts, rows, iterations)
    bench.measure("start", parts.start, {})
    for number in range(rounds):
        bench.ours(seed=number)
        bench.rloo(seed=number)
        shown = {name: runs[-1].speed for name, runs in bench.runs.items() if name != "start"}
        console.print(f"round {number + 1} of {rounds}: {shown}")
    found = {name: median_of([run.speed for run in bench.runs[name]]) for name in ("ours", "rloo")}
    ours, rloo = found["ours"], found["rloo"]
    ceiling = bf16_ceiling(device, hardware.threads)
    return {
        "generation_ratio_vs_rloo": round(
            ours["generated_tokens_per_second"] / rloo["generated_tokens_per_second"], 3
        ),
        "iteration_ratio_vs_rloo": round(
            rloo["seconds_per_iteration"] / ours["seconds_per_iteration"], 3
        ),
        "aims": AIMS,
        **found,
        "held_out": {
            "prompts": len(parts.held_out),
            **{name: bench.quality(name) for name in bench.runs},
        },
        "bf16_ceiling_flops": round(ceiling),
        "learn_share_of_ceiling": learn_share(bench, ours, parameters, ceiling),
        "setting": {
            "rows": rows,
            "iterations": iterations,
            "rounds": rounds,
            "max_new_tokens": parts.settings.sampling.max_new_tokens,
            "model": parts.model,
            "parameters": parameters,
            "device": str(device),
            "threads": hardware.threads,
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "transformers", "trl", "peft")},
        },
    }


def show(result: dict[str, Any], console: Console) -> None:
    """Print the figures as tables."""
    setting = result["setting"]
    speed = Table(
        title=f"median of {setting['rounds']} rounds of {setting['iterations']} iterations, "
        f"{setting['rows']} rows"
    )
    for name in ("", "tokens/s sampled", "s an iteration", "tokens an iteration"):
        speed.add_column(name, justify="right")
    for who in ("ours", "rloo"):
        one = result[who]
        speed.add_row(
            who,
            f"{one['generated_tokens_per_second']:.0f}",
            f"{one['seconds_per_iteration']:.2f}",
            f"{one['tokens_per_iteration']:.0f}",
        )
    quality = Table(title=f"{result['held_out']['prompts']} held-out prompts, 95 % intervals")
    for name in ("", "strict pass", "reward"):
        quality.add_column(name, justify="right")
    for who in ("start", "ours", "rloo"):
        found = result["held_out"][who]
        quality.add_row(
            who,
            *(
                "{mean:.3f} [{low:.3f}, {high:.3f}]".format(**found[what])
                for what in ("strict_pass_rate", "reward")
            ),
        )
    console.print(speed)
    console.print(quality)
    console.print(
        f"generation ratio {result['generation_ratio_vs_rloo']}, iteration ratio "
        f"{result['iteration_ratio_vs_rloo']}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and write `bench_text.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=4, help="timed iterations of each run")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each training")
    parser.add_argument(
        "--smoke", action="store_true", help="a model of no size, in seconds; writes nothing"
    )
    asked = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else _LOG_WIDTH)
    if asked.smoke:
        with tempfile.TemporaryDirectory() as folder:
            parts = Parts(**smoke_parts(Path(folder)))
            show(compare(parts, rows=8, iterations=1, rounds=1, console=console), console)
        return 0
    home = Path(os.environ.get("CHURNSAVER_HOME", ".churnsaver"))
    result = compare(
        graph_parts(home),
        rows=int(os.environ.get("BENCH_ROWS", "16")),
        iterations=asked.iterations,
        rounds=asked.rounds,
        console=console,
    )
    target = home / "bench_text.json"
    target.write_text(json.dumps(result, indent=2) + "\n")
    show(result, console)
    console.print(f"written to {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
