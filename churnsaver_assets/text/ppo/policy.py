"""The policy: a merged model, fresh adapters on it, a value head; adapters off, the reference."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from churnsaver_assets.experiments.text_spec import HardwareSpec, LoraSpec
from churnsaver_assets.text.model.adapters import lora_config
from churnsaver_assets.text.model.loading import load_for_training
from churnsaver_assets.text.ppo.sequences import Sequences, token_logprobs
from churnsaver_assets.text.ppo.value_head import ValueHead

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

ADAPTER = "default"


class TokenFigures(NamedTuple):
    """Figures of each completion token under a model; shape (rows, longest), 0 beyond the end.

    Attributes:
        logprobs: Log-probabilities under the policy at the sampling temperature.
        entropies: Entropies of the tokens' distributions, nats; without gradient.
        values: Expected return before each token.
    """

    logprobs: Tensor
    entropies: Tensor
    values: Tensor


class TextPolicy(nn.Module):
    """Language model with adapters, and a value head on its last hidden states.

    Attributes:
        language_model: Merged model with LoRA; only the adapters are trained.
        value_head: Value head, trained.
        temperature: Temperature of the softmax that log-probabilities are under, as in sampling.
        bf16: Whether autocast computes in bf16.
    """

    def __init__(self, language_model: "PeftModel", *, temperature: float, bf16: bool) -> None:
        super().__init__()
        self.language_model = language_model
        self.temperature, self.bf16 = temperature, bf16
        head = _head(self.inner)
        self.value_head = ValueHead(head.in_features).to(head.weight.device)
        # Not a parameter: the frozen head, in the precision of its products.
        self._head = head.weight.detach().to(torch.bfloat16 if bf16 else torch.float32)

    @property
    def inner(self) -> "PreTrainedModel":
        """Return the causal language model under peft's wrapper."""
        model: Any = self.language_model.get_base_model()
        return cast("PreTrainedModel", model)

    @property
    def device(self) -> torch.device:
        """Return the device of the weights."""
        return self._head.device

    def forward(self, tokens: Tensor, prompt_lengths: Tensor, lengths: Tensor) -> TokenFigures:
        """Compute log-probabilities, entropies and values of completions, in one pass.

        Args:
            tokens: Tokens of `Sequences`, shape (rows, width).
            prompt_lengths: Tokens before the completion, shape (rows,).
            lengths: Tokens of the completion, shape (rows,).
        """
        sequences = Sequences(tokens, prompt_lengths, lengths)
        hidden, chosen, mask = self._states(sequences)
        with self._autocast(enabled=False):
            logprobs, entropies = token_logprobs(hidden, self._head, chosen, self.temperature)
            values = self.value_head(hidden)
        return TokenFigures(*(_spread(part, mask) for part in (logprobs, entropies, values)))

    def reference_logprobs(self, sequences: Sequences) -> Tensor:
        """Compute log-probabilities without adapters, shape (rows, longest)."""
        with torch.no_grad(), self.language_model.disable_adapter():
            hidden, chosen, mask = self._states(sequences)
            with self._autocast(enabled=False):
                logprobs, _ = token_logprobs(hidden, self._head, chosen, self.temperature)
            return _spread(logprobs, mask)

    @torch.no_grad()
    def features(self, sequences: Sequences) -> Tensor:
        """Return the value head's inputs before each completion token, shape (tokens, hidden)."""
        return self._states(sequences)[0]

    def trained(self) -> dict[str, nn.Parameter]:
        """Return adapters and value head, by name."""
        return {
            name: parameter
            for name, parameter in self.named_parameters()
            if parameter.requires_grad
        }

    def adapted(self) -> Iterator[tuple[str, Any]]:
        """Yield layers with adapters, by their names in the language model."""
        from peft.tuners.lora import LoraLayer

        for name, module in self.inner.named_modules():
            if isinstance(module, LoraLayer):
                yield name, module

    def _states(self, sequences: Sequences) -> tuple[Tensor, Tensor, Tensor]:
        """Return hidden states that predict completion tokens, these tokens, and the mask."""
        with self._autocast(enabled=self.bf16):
            body = self.inner.base_model
            hidden = body(input_ids=sequences.tokens, use_cache=False).last_hidden_state
        mask = sequences.mask
        steps = torch.arange(mask.shape[1], device=mask.device)
        row, step = mask.nonzero(as_tuple=True)
        at = sequences.prompt_lengths[row] + steps[step]
        return hidden[row, at - 1].float(), sequences.tokens[row, at], mask

    @contextmanager
    def _autocast(self, *, enabled: bool) -> Iterator[None]:
        # The innermost setting holds: accelerate wraps `forward` in the precision that the first
        # trainer in this process asked for.
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=enabled):
            yield


def build_policy(
    policy_dir: Path, lora: LoraSpec, hardware: HardwareSpec, *, temperature: float, seed: int
) -> TextPolicy:
    """Build the policy as training begins: exactly the model in `policy_dir`.

    Args:
        policy_dir: Model directory with everything merged; with adapters off, it is the reference.
        lora: Size of the fresh adapters.
        hardware: Precision and device.
        temperature: Temperature of sampling.
        seed: Seed for the adapters' first matrices; the second ones are 0.

    Raises:
        ValueError: There is dropout in `lora`, or the architecture's logits aren't its head's
            product.
    """
    from peft import get_peft_model

    if lora.dropout:
        raise ValueError(
            f"ppo.lora.dropout is {lora.dropout}; it must be 0, or the ratio to the sampling "
            "policy is not 1 before the first step"
        )
    model = load_for_training(policy_dir, hardware)
    _without_dropout(model)
    if hardware.gradient_checkpointing:
        _recompute_activations(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        adapted = get_peft_model(model, lora_config(lora))
    policy = TextPolicy(adapted, temperature=temperature, bf16=hardware.bf16)
    _check_head(policy)
    # Recomputing activations is for models in training mode only; there is no dropout left.
    policy.train(hardware.gradient_checkpointing)
    return policy


def _head(model: "PreTrainedModel") -> nn.Linear:
    head: Any = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    if not isinstance(head, nn.Linear) or getattr(head, "bias", None) is not None:
        raise ValueError(
            f"{type(model).__name__} has no linear head without bias; PPO needs one for its "
            "log-probabilities"
        )
    return head


@torch.no_grad()
def _check_head(policy: TextPolicy) -> None:
    """Refuse an architecture that scales or caps logits after the head."""
    tokens = torch.arange(8, device=policy.device)[None, :]
    with policy._autocast(enabled=policy.bf16):  # noqa: SLF001 - this module's
        expected = policy.inner(input_ids=tokens, use_cache=False).logits.float()[0, :-1]
        hidden = policy.inner.base_model(input_ids=tokens, use_cache=False).last_hidden_state
    logits = (hidden[0, :-1].to(policy._head.dtype) @ policy._head.T).float()  # noqa: SLF001
    if not torch.allclose(logits, expected, rtol=0.05, atol=0.05 * float(expected.abs().max())):
        raise ValueError(
            f"{type(policy.inner).__name__} changes its logits after the head; PPO can't use it"
        )


def _recompute_activations(model: "PreTrainedModel") -> None:
    # transformers 5.23 renamed it and warns at the old name.
    names = ("activation_checkpointing_enable", "gradient_checkpointing_enable")
    enable = next(getattr(model, name) for name in names if hasattr(model, name))
    enable({"use_reentrant": False})


def _without_dropout(model: nn.Module) -> None:
    """Set dropout to 0, in whichever form the architecture has it."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name in ("dropout", "attention_dropout", "activation_dropout", "layerdrop"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)


def _spread(flat: Tensor, mask: Tensor) -> Tensor:
    """Spread one figure for each token there is to shape (rows, longest)."""
    return torch.zeros(mask.shape, dtype=flat.dtype, device=flat.device).masked_scatter(mask, flat)
