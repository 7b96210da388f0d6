"""Gradient steps on a fixed batch, shared out over as many processes as there are."""

import sys
import warnings
from pathlib import Path

import numpy as np
import torch  # noqa: TID253 - a script, and what is tested works on tensors
from accelerate import Accelerator  # noqa: TID253 - likewise
from safetensors.torch import save_file

from churnsaver_assets.text.ppo.learn import LearnFigures, TokenBatch, learn
from churnsaver_assets.text.ppo.policy import build_policy
from churnsaver_assets.text.ppo.rollout import recompute
from churnsaver_assets.text.ppo.sequences import pad_sequences
from tests.support.text.ppo import FP32, SEED, SPEC

# One minibatch is the whole batch, so that it is the same one however many processes share it.
ONE_STEP = SPEC.model_copy(update={"batch_rows": 6, "minibatch_rows": 6, "epochs": 2})


def steps_on_a_batch(model_dir: Path) -> tuple[dict[str, torch.Tensor], LearnFigures]:
    """Adapters and value head after two steps, and the steps' figures."""
    rng = np.random.default_rng(SEED)
    rows = [
        (rng.integers(3, 500, 20).tolist(), rng.integers(3, 500, length).tolist())
        for length in (4, 20, 7, 13, 1, 9)
    ]
    advantages = torch.tensor(rng.normal(size=(6, 20)), dtype=torch.float32)
    accelerator = Accelerator(cpu=True)
    share = slice(accelerator.process_index, None, accelerator.num_processes)
    sequences = pad_sequences(
        [prompt for prompt, _ in rows[share]],
        [reply for _, reply in rows[share]],
        padding=0,
        device=torch.device("cpu"),
    )
    policy = build_policy(model_dir, SPEC.lora, FP32, temperature=1.0, seed=SEED)
    groups = [
        {"params": [one for name, one in policy.trained().items() if ("lora" in name) == adapter]}
        for adapter in (True, False)
    ]
    optimiser = torch.optim.SGD(groups, lr=0.02)
    prepared, optimiser = accelerator.prepare(policy, optimiser)
    old, _ = recompute(policy, sequences, 6)
    gains = advantages[share, : sequences.mask.shape[1]] * sequences.mask
    batch = TokenBatch(sequences, old.logprobs, old.values, gains, gains)
    figures = learn(
        prepared, optimiser, batch, ONE_STEP, rng=np.random.default_rng(0), accelerator=accelerator
    )
    return {name: one.detach() for name, one in policy.trained().items()}, figures


if __name__ == "__main__":
    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`")
    weights, _ = steps_on_a_batch(Path(sys.argv[1]))
    accelerator = Accelerator(cpu=True)
    if accelerator.num_processes != 2:
        sys.exit(f"expected 2 processes, got {accelerator.num_processes}")
    if accelerator.is_main_process:
        save_file(weights, sys.argv[2])
