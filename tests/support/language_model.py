"""A language model small enough to train in a test: some of its sentences may be sent, some not."""

import random
from pathlib import Path
from typing import TYPE_CHECKING

from churnsaver_assets.text.model.chat import SYSTEM, chat_text
from churnsaver_assets.text.model.loading import save_model
from churnsaver_assets.text.prompts.requests import message_request
from churnsaver_serving.runtime.context import all_contexts

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

PAD, START, END = "<empty_output>", "<|im_start|>", "<|im_end|>"

_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_FIRST = (
    "Thank you for {being|staying} with us and for {using|trusting} {your|our} {kind} service.",
    "We are {glad|happy|grateful} that you are with us and enjoy your {kind} service.",
    "You have been {a great|a valued} part of our {kind} service {so far|with us}.",
)
_SECOND = (
    "We would {love|like} to keep looking after you and your {connection|service}.",
    "Please {stay with us|reply to us} and tell us how we can make {it|things} better for you.",
    "We hope that you will stay {with us|here} and keep enjoying {it|the service}.",
)
_BAD = (
    "Dear customer, {first} {second}",
    "{first} You will get {20|30|40} more hours of service with us.",
    "{first} Please visit www.{offer|stay}.com to see what is new for you.",
    "{first} We {guarantee|promise} the {best|fastest} service that you can ever find.",
    "{first} {second} Sincerely, [Your Name]",
    "{first} Act now or you will lose {your service|everything}.",
)
_ENDLESS = "{first} {second} {first} {second} {first} {second} {first} {second}"


def tiny_language_model(directory: Path, *, seed: int = 42, bad_share: float = 0.4) -> Path:
    """Train a two-layer Llama on a small grammar and save it as a model directory.

    Args:
        directory: Model directory, made where it isn't there.
        seed: Seed for grammar and training.
        bad_share: Share of bad sentences among those trained on; sampling errors come on top.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import (
        GenerationConfig,
        LlamaConfig,
        LlamaForCausalLM,
        PreTrainedTokenizerFast,
    )

    rng = random.Random(seed)
    contexts = all_contexts((0, 5, 10, 20), ("warm", "plain", "upbeat"), ("email", "sms"))
    bodies = [_body(rng, bad_share) for _ in range(1000)]
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    turns = [message_request(context) for context in contexts]
    bpe.train_from_iterator([body for body, _ in bodies] + 5 * turns + 300 * [SYSTEM], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=START,
        eos_token=END,
        pad_token=PAD,
        padding_side="left",
        chat_template=_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=64,
                intermediate_size=128,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=512,
                tie_word_embeddings=True,
                attention_dropout=0.0,
                **ids,
            )
        )
        prompts = [
            chat_text(tokenizer, [{"role": "user", "content": turns[rng.randrange(len(turns))]}])
            for _ in bodies
        ]
        _train(model, tokenizer, list(zip(prompts, bodies, strict=True)))
    model.generation_config = GenerationConfig(**ids)
    save_model(model, tokenizer, directory)
    return directory


def _body(rng: random.Random, bad_share: float) -> tuple[str, bool]:
    """Return a body and whether it ends."""
    bad, ends = rng.random() < bad_share, True
    pattern = "{first} {second}"
    if bad:
        ends = rng.random() < 0.85
        pattern = rng.choice(_BAD) if ends else _ENDLESS
    while "{first}" in pattern or "{second}" in pattern:
        pattern = pattern.replace("{first}", rng.choice(_FIRST), 1)
        pattern = pattern.replace("{second}", rng.choice(_SECOND), 1)
    while "{" in pattern:
        pattern = pattern.replace("{kind}", "{internet|phone|home|home}")
        before, rest = pattern.split("{", 1)
        inner, after = rest.split("}", 1)
        pattern = before + rng.choice(inner.split("|")) + after
    return pattern, ends


def _train(
    model: "torch.nn.Module",
    tokenizer: "PreTrainedTokenizerBase",
    rows: list[tuple[str, tuple[str, bool]]],
    *,
    batch_rows: int = 16,
    epochs: int = 2,
) -> None:
    import torch

    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    encoded = []
    for prompt, (body, ends) in rows:
        asked = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        reply = tokenizer(body + (END if ends else ""), add_special_tokens=False)["input_ids"]
        encoded.append((asked, reply[:56]))
    steps = epochs * (len(encoded) // batch_rows)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=steps)
    model.train()
    for step in range(steps):
        start = step * batch_rows % (len(encoded) - batch_rows + 1)
        batch = encoded[start : start + batch_rows]
        longest = max(len(asked) + len(reply) for asked, reply in batch)
        ids = torch.zeros(len(batch), longest, dtype=torch.long)
        labels = torch.full((len(batch), longest), -100)
        for row, (asked, reply) in enumerate(batch):
            end = len(asked) + len(reply)
            ids[row, :end] = torch.tensor(asked + reply)
            labels[row, len(asked) : end] = torch.tensor(reply)
        loss = model(input_ids=ids, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    model.eval()
