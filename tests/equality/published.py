"""Small models of the package transformers with random weights, and what their tests share."""

import logging
import os

import pytest
import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")
logging.getLogger("transformers").setLevel(logging.ERROR)
transformers = pytest.importorskip("transformers")
transformers.utils.logging.disable_progress_bar()

LEVELS, LENGTH, START = 23, 12, 3
CLOSE = 1e-5  # of log-probabilities, in float32
QUIET = {"bos_token_id": START, "eos_token_id": None, "pad_token_id": None}


def gpt2(**options):
    sizes = {"vocab_size": LEVELS, "n_positions": LENGTH, "n_embd": 16, "n_layer": 2, "n_head": 4}
    config = transformers.GPT2Config(**sizes | QUIET | options)
    return transformers.GPT2LMHeadModel(config)


def llama(**options):
    sizes = {
        "vocab_size": LEVELS, "hidden_size": 16, "intermediate_size": 20, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": LENGTH,
    }  # fmt: skip
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes | QUIET | options))


def spread(model):
    """The same model with weights of which each matters: norms and biases begin at ones and zeros."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def log_probs_of(logits, x):
    """log p(x_t | x_<t) of logits that follow the start and x_<t."""
    return torch.log_softmax(logits, -1).gather(-1, x[..., None])[..., 0]
