"""Shared parts of the tests of training: settings, conversations, answers, an OPT of no size."""

from pathlib import Path
from typing import TYPE_CHECKING

from churnsaver_assets.experiments.text_spec import FineTuneSpec, HardwareSpec, LoraSpec
from churnsaver_assets.text.model.chat import chat_text
from churnsaver_assets.text.records import Demonstration

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

HARDWARE = HardwareSpec(
    device="cpu", threads=1, bf16=False, gradient_checkpointing=False, quantisation="none"
)
LORA = LoraSpec(r=8, alpha=16, dropout=0.05)
FINE_TUNE = FineTuneSpec(
    rows=40,
    max_tokens=96,
    steps=36,
    batch_rows=8,
    learning_rate=1e-2,
    save_every=6,
    evaluated_rows=12,
)
REPLY = "Please stay with us. We would love to keep looking after you."
QUESTIONS = ("Hello", "What now", "Why", "Who is it", "Tell me", "Well", "Go on", "And then")


def demonstrations(
    tokenizer: "PreTrainedTokenizerBase", count: int, *, reply: str = REPLY
) -> list[Demonstration]:
    asked = [QUESTIONS[index % len(QUESTIONS)] + "." * (index % 5) for index in range(count)]
    return [
        Demonstration(
            chat_text(tokenizer, [{"role": "user", "content": one}], system="Say."), reply
        )
        for one in asked
    ]


def greedy(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", prompt: str, tokens: int = 48
) -> tuple[str, bool]:
    """Return the most likely answer, and whether it ended."""
    import torch

    ids = torch.tensor([tokenizer(prompt, add_special_tokens=False)["input_ids"]])
    answer = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=tokens,
    )[0, ids.shape[1] :]
    return tokenizer.decode(answer, skip_special_tokens=True), int(
        answer[-1]
    ) == tokenizer.eos_token_id


def tiny_opt(directory: Path, *, pad: str | None = "<pad>") -> Path:
    """Write an OPT as the hub has it: no chat template, a start token, sampling defaults."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import GPT2Tokenizer, OPTConfig, OPTForCausalLM

    special = ["<s>", "<pad>", "</s>"] if pad else ["<s>", "</s>"]
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.train_from_iterator(
        [REPLY, *QUESTIONS],
        trainers.BpeTrainer(
            vocab_size=300,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    merges = bpe.to_str()
    vocabulary = bpe.get_vocab()
    tokenizer = GPT2Tokenizer(
        vocab=vocabulary,
        merges=[tuple(one) for one in _merges(merges)],
        bos_token="</s>",
        eos_token="</s>",
        unk_token="</s>",
        pad_token=pad,
        add_bos_token=True,
    )
    start = vocabulary["</s>"]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="</s> $A", special_tokens=[("</s>", start)]
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(42)
        model = OPTForCausalLM(
            OPTConfig(
                vocab_size=len(vocabulary),
                hidden_size=32,
                word_embed_proj_dim=16,
                ffn_dim=64,
                num_hidden_layers=2,
                num_attention_heads=4,
                max_position_embeddings=256,
                do_layer_norm_before=False,
                dropout=0.0,
                bos_token_id=start,
                eos_token_id=start,
                pad_token_id=vocabulary.get(pad or "", start),
            )
        )
    model.generation_config.do_sample = True
    model.generation_config.temperature = 0.2
    model.generation_config.top_k = 7
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def _merges(data: str) -> list[list[str]]:
    import json

    found: list[list[str]] = json.loads(data)["model"]["merges"]
    return found
