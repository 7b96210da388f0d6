"""Benchmark of PPO on text: ours beside TRL's RLOO, in turns.

The same model, prompts, batch, longest completion, reward, adapters, threads and number of gradient
steps for both; what is sampled ends where it ends, so tokens are counted, not assumed. RLOO has no
value head, ours has one. The first iteration of each run is left out: libraries load parts of
themselves then.
"""

import json
import os
import platform
import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from rich.console import Console
from rich.table import Table

from churnsaver_assets.defs.text.settings import (
    BaseModelSettings,
    PpoSettings,
    RlooSettings,
    read_stage,
)
from churnsaver_assets.defs.text.shared import load_reward, message_reward, requests
from churnsaver_assets.experiments.text_spec import RlooSpec
from churnsaver_assets.text.model.loading import load_model, load_tokenizer, prepare
from churnsaver_assets.text.ppo.train import train_ppo
from churnsaver_assets.text.rloo.train import train_rloo

ROUNDS = 3
ITERATIONS = 4
AIMS = {"generation_ratio_vs_rloo": 1.0, "iteration_ratio_vs_rloo": 1.0}
GENERATIONS = 4
_LOG_WIDTH = 120
_CEILING_SIZE = {"cpu": 2048, "cuda": 8192}
_CEILING_SECONDS = 3.0


def _files(home: Path, name: str) -> dict[str, bytes]:
    folder = _folder(home, name)
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def _folder(home: Path, name: str) -> Path:
    folder = home / "assets" / name
    if not folder.is_dir():
        raise SystemExit(f"{folder} is not there: run `make demo` first")
    return folder


class Bench:
    """What both trainings share: all of it real artefacts of the asset graph.

    Args:
        home: of the graph.
        rows: sequences an iteration.
        console: for progress.
    """

    def __init__(self, home: Path, rows: int, console: Console) -> None:
        self.settings = read_stage(_files(home, "ppo_settings"), PpoSettings)
        self.peer = read_stage(_files(home, "rloo_settings"), RlooSettings).rloo
        base = read_stage(_files(home, "base_model_settings"), BaseModelSettings)
        self.model, self.rows, self.console = base.base_model.name, rows, console
        self.start = _folder(home, "rejection_model")
        reward = load_reward(
            _folder(home, "reward_model"), _folder(home, "base_model"), self.settings.hardware
        )
        self.reward = message_reward(
            reward, _files(home, "reward_scale"), _files(home, "shield_rules"), self.settings
        )
        table = pd.read_parquet(home / "assets" / "retention_prompts.parquet")
        self.prompts = requests(table[table["split"] == "train"], self.start)
        model = load_model(self.start, self.settings.hardware, dtype="float32")
        self.parameters = sum(one.numel() for one in model.parameters())

    def ours(self, seed: int) -> dict[str, Any]:
        """One run of our PPO: one epoch, one gradient step an iteration, as RLOO makes."""
        settings = self.settings
        spec = settings.ppo.model_copy(
            update={
                "iterations": ITERATIONS + 1,
                "batch_rows": self.rows,
                "minibatch_rows": self.rows,
                "epochs": 1,
                "save_every": ITERATIONS + 2,
            }
        )
        with tempfile.TemporaryDirectory() as folder:
            report = train_ppo(
                self.start,
                self.reward,
                self.prompts,
                spec,
                sampling=settings.sampling,
                hardware=settings.hardware,
                seed=seed,
                target=Path(folder, "model"),
                checkpoints=Path(folder, "checkpoints"),
            )
        timings, figures = report.curves.timings[1:], report.curves.figures[1:]
        tokens = sum(one.tokens for one in figures) * self.rows
        return {
            "seconds_per_iteration": statistics.median(one.seconds for one in timings),
            "generated_tokens_per_second": tokens / sum(one.generate for one in timings),
            "tokens_per_iteration": tokens / len(figures),
            "phases": {
                phase: statistics.median(getattr(one, phase) for one in timings)
                for phase in ("generate", "score", "forward", "learn")
            },
        }

    def rloo(self, seed: int) -> dict[str, Any]:
        """One run of TRL's RLOO."""
        settings = self.settings
        spec = RlooSpec(
            steps=ITERATIONS + 1,
            batch_rows=self.rows,
            generations=GENERATIONS,
            learning_rate=self.peer.learning_rate,
            beta=self.peer.beta,
            save_every=ITERATIONS + 2,
        )
        with tempfile.TemporaryDirectory() as folder:
            report = train_rloo(
                self.start,
                self.reward,
                self.prompts,
                spec,
                settings.sampling,
                settings.ppo.lora,
                settings.hardware,
                seed,
                target=Path(folder, "model"),
                checkpoints=Path(folder, "checkpoints"),
                progress=lambda *_: None,
            )
        return {
            "seconds_per_iteration": report.seconds_per_step,
            "generated_tokens_per_second": report.tokens_per_second,
            "tokens_per_iteration": report.generated_tokens / len(report.curve),
        }


def bf16_ceiling(device: torch.device, threads: int) -> float:
    """Floating point operations a second of a large bf16 matrix product, measured."""
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
    """Medians over the runs, of each figure."""
    result: dict[str, Any] = {}
    for name, value in runs[0].items():
        values = [run[name] for run in runs]
        result[name] = (
            median_of(values) if isinstance(value, dict) else round(statistics.median(values), 4)
        )
    return result


def main() -> int:
    """Run the benchmark and write `bench_text.json`."""
    console = Console(width=None if sys.stdout.isatty() else _LOG_WIDTH)
    home = Path(os.environ.get("CHURNSAVER_HOME", ".churnsaver"))
    rows = int(os.environ.get("BENCH_ROWS", "16"))
    bench = Bench(home, rows, console)
    hardware = bench.settings.hardware
    device = prepare(hardware)
    ours, rloo = [], []
    for number in range(ROUNDS):
        ours.append(bench.ours(seed=number))
        rloo.append(bench.rloo(seed=number))
        console.print(f"round {number + 1} of {ROUNDS}: {ours[-1]}\n  RLOO {rloo[-1]}")
    found = {"ours": median_of(ours), "rloo": median_of(rloo)}
    ceiling = bf16_ceiling(device, hardware.threads)
    # Forward and backward with frozen base weights: 4 operations a weight and token.
    prompt_tokens = statistics.mean(
        len(load_tokenizer(bench.start)(one.text, add_special_tokens=False)["input_ids"])
        for one in bench.prompts[:64]
    )
    learnt = (prompt_tokens * rows + found["ours"]["tokens_per_iteration"]) * 4 * bench.parameters
    result = {
        "generation_ratio_vs_rloo": round(
            found["ours"]["generated_tokens_per_second"]
            / found["rloo"]["generated_tokens_per_second"],
            3,
        ),
        "iteration_ratio_vs_rloo": round(
            found["rloo"]["seconds_per_iteration"] / found["ours"]["seconds_per_iteration"], 3
        ),
        "aims": AIMS,
        **found,
        "bf16_ceiling_flops": round(ceiling),
        "learn_share_of_ceiling": round(learnt / found["ours"]["phases"]["learn"] / ceiling, 4),
        "setting": {
            "rows": rows,
            "iterations": ITERATIONS,
            "rounds": ROUNDS,
            "max_new_tokens": bench.settings.sampling.max_new_tokens,
            "model": bench.model,
            "parameters": bench.parameters,
            "device": str(device),
            "threads": hardware.threads,
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "transformers", "trl", "peft")},
        },
    }
    (home / "bench_text.json").write_text(json.dumps(result, indent=2) + "\n")
    table = Table(title=f"median of {ROUNDS} rounds of {ITERATIONS} iterations, {rows} rows")
    for name in ("", "tokens/s sampled", "s an iteration", "tokens an iteration"):
        table.add_column(name, justify="right")
    for who, one in found.items():
        table.add_row(
            who,
            f"{one['generated_tokens_per_second']:.0f}",
            f"{one['seconds_per_iteration']:.2f}",
            f"{one['tokens_per_iteration']:.0f}",
        )
    console.print(table)
    console.print(
        f"generation ratio {result['generation_ratio_vs_rloo']}, iteration ratio "
        f"{result['iteration_ratio_vs_rloo']}, written to {home / 'bench_text.json'}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
