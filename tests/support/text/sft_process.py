"""Runs a fine-tuning that is killed after a step. Arguments: model directory, folder, step."""

import os
import signal
import sys
from pathlib import Path

from churnsaver_assets.text.model.loading import load_tokenizer
from churnsaver_assets.text.run import Run
from churnsaver_assets.text.tuning.sft import fine_tune
from tests.support.text.models import FINE_TUNE, HARDWARE, LORA, demonstrations


def main() -> None:
    model_dir, folder, last = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

    def stop(done: int, steps: int, line: str) -> None:
        if done == last:
            os.kill(os.getpid(), signal.SIGKILL)

    rows = demonstrations(load_tokenizer(model_dir), 48)
    fine_tune(
        model_dir,
        rows,
        rows[:12],
        FINE_TUNE,
        LORA,
        run=Run(HARDWARE, 42, folder / "checkpoints", stop),
        target=folder / "target",
    )


if __name__ == "__main__":
    main()
