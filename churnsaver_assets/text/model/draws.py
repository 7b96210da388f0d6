"""Many completions drawn from one model directory, kept on disk as they come."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from churnsaver_assets.common.chunks import ROWS, ChunkStore, Row
from churnsaver_assets.common.fingerprint import fingerprint
from churnsaver_assets.experiments.text_spec import SamplingSpec
from churnsaver_assets.text.model.generation import generate
from churnsaver_assets.text.model.loading import directory_sha256, load_model, load_tokenizer
from churnsaver_assets.text.records import Completion
from churnsaver_assets.text.run import Run

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def draw_completions(
    model_dir: Path, prompts: Sequence[str], sampling: SamplingSpec, run: Run, *, chunk: int
) -> list[Completion]:
    """Draw one completion of each prompt; a killed run goes on at the chunk it was in.

    A finished run started again reads the chunks and loads no model.

    Args:
        model_dir: The model directory; generation is in bf16 where the hardware settings say so.
        prompts: Chat-formatted prompts.
        sampling: Temperature, longest completion, batch.
        run: Hardware and seed, from which each chunk's own is derived. Chunks of another model,
            other prompts or settings in its folder are removed; its progress hears of each batch.
        chunk: The number of prompts between checkpoints.
    """
    hardware = run.hardware
    store = ChunkStore(
        run.checkpoints,
        fingerprint(
            directory_sha256(model_dir),
            list(prompts),
            sampling,
            {"bf16": hardware.bf16, "device": hardware.device, "seed": run.seed, "chunk": chunk},
        ),
        ROWS,
    )
    tokenizer = load_tokenizer(model_dir)
    loaded: list[PreTrainedModel] = []

    def draw(index: int, positions: range) -> list[Row]:
        if not loaded:
            loaded.append(load_model(model_dir, hardware, dtype=hardware.frozen_dtype))

        def told(done: int, _: int, line: str) -> None:
            if run.progress is not None:
                run.progress(positions.start + done, len(prompts), line)

        completions = generate(
            loaded[0],
            tokenizer,
            [prompts[position] for position in positions],
            sampling=sampling,
            seed=int(np.random.SeedSequence([run.seed, index]).generate_state(1)[0]),
            progress=told,
        )
        return [
            {"text": one.text, "tokens": one.tokens, "finished": one.finished}
            for one in completions
        ]

    return [Completion(**row) for row in store.collect(len(prompts), chunk, draw)]
