"""Stand-ins for the text benchmark's artefacts: a model of no size with weights drawn at random.

They let the benchmark's own code run in seconds, so that it can't rot unnoticed. Nothing that is
measured on them says anything about the models that are trained.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from churnsaver_assets.defs.settings.text import PpoSettings
from churnsaver_assets.experiments.spec import experiment_source, parse_experiment
from churnsaver_assets.experiments.text_spec import LoraSpec
from churnsaver_assets.text.model.loading import load_tokenizer, save_model
from churnsaver_assets.text.prompts.requests import message_request, retention_prompts
from churnsaver_assets.text.reward.message_reward import MessageReward
from churnsaver_serving.runtime.arrays import Floats
from churnsaver_serving.runtime.context import MessageContext, all_contexts
from churnsaver_serving.runtime.shield.rules import default_rules
from churnsaver_serving.runtime.shield.shield import Shield

_PAD, _START, _END = "<empty_output>", "<|im_start|>", "<|im_end|>"
_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_HIDDEN = 32
_TRAINED_ON, _HELD_OUT = 24, 8


class ShortReplies:
    """A reward model that likes short replies."""

    sha256 = "likes short replies"

    def score(self, prompts: Sequence[str], replies: Sequence[str]) -> Floats:
        """Return the replies' lengths in characters, negated, shape (rows,)."""
        return np.array([-float(len(reply)) for reply in replies[: len(prompts)]])

    def value_direction(self) -> tuple[Floats, float]:
        """Return a direction of no meaning, shape (hidden,), and a bias."""
        return np.ones(_HIDDEN), 0.0


def tiny_model(directory: Path, contexts: Sequence[MessageContext]) -> Path:
    """Write a model directory with two small layers, weights drawn at random.

    Args:
        directory: The directory to write.
        contexts: The contexts whose requests the vocabulary is made from.
    """
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(
        [message_request(context) for context in contexts],
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=[_PAD, _START, _END],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=_START,
        eos_token=_END,
        pad_token=_PAD,
        padding_side="left",
        chat_template=_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )
    ids: Any = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=_HIDDEN,
            intermediate_size=2 * _HIDDEN,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
            tie_word_embeddings=True,
            **ids,
        )
    )
    model.generation_config = GenerationConfig(**ids)
    save_model(model, tokenizer, directory)
    return directory


def smoke_parts(folder: Path) -> dict[str, Any]:
    """Make what the benchmark takes from the asset graph otherwise.

    Args:
        folder: An empty folder for the model.
    """
    experiment = parse_experiment(experiment_source())
    text = experiment.text
    offers = experiment.actions.offers_pct
    settings = PpoSettings(
        seed=experiment.seed,
        hardware=text.hardware.model_copy(update={"threads": 1}),
        sampling=text.sampling.model_copy(update={"batch_rows": 8}),
        reward=text.reward,
        offers_pct=offers,
        ppo=text.ppo.model_copy(update={"lora": LoraSpec(r=4, alpha=8, dropout=0.0)}),
    )
    contexts = all_contexts(offers)
    start = tiny_model(folder / "start", contexts)
    prompts = retention_prompts(load_tokenizer(start), {one.key: one for one in contexts})
    return {
        "model": "two random layers",
        "start": start,
        "settings": settings,
        "reward": MessageReward(
            ShortReplies(),
            Shield.from_bytes(default_rules()),
            settings.reward,
            settings.sampling,
            mean=-200.0,
            std=100.0,
        ),
        "prompts": prompts[:_TRAINED_ON],
        "held_out": prompts[_TRAINED_ON : _TRAINED_ON + _HELD_OUT],
    }
