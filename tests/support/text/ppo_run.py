"""A run of PPO in a process of its own, which kills itself in the middle."""

import os
import signal
import sys
import warnings
from pathlib import Path

from churnsaver_assets.text.ppo.train import train_ppo
from churnsaver_assets.text.run import Run
from tests.support.text.ppo import FP32, SAMPLING, SEED, SPEC, message_reward, some_prompts

if __name__ == "__main__":
    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`")
    model_dir, folder, killed_after = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

    def progress(done: int, _: int, __: str) -> None:
        if done == killed_after:
            os.kill(os.getpid(), signal.SIGKILL)

    train_ppo(
        model_dir,
        message_reward(),
        some_prompts(model_dir),
        SPEC,
        SAMPLING,
        run=Run(FP32, SEED, folder / "checkpoints", progress),
        target=folder / "target",
    )
