"""Models whose weights and items are whole-number formulas, so that every machine builds the same ones."""

import torch

import chainrule as cr
from chainrule.models import tiny_model

# Name and domain: of each kind of net and head that steps are made of.
MODELS = {
    "bits": ("made", cr.Domain.binary(20)),
    "recurrent": ("lstm", cr.Domain.sequence(12, 17)),
    "dilated": ("wavenet", cr.Domain.sequence(24, 256)),
    "rows": ("row-lstm", cr.Domain.image(1, 4, 5, levels=2)),
    "logistics": ("pixelcnn-plus-plus", cr.Domain.image(3, 4, 4, levels=256)),
    "attention": ("gpt2", cr.Domain.sequence(10, 11)),
    "rotary": ("llama", cr.Domain.sequence(10, 11)),
    "samples": ("wavenet", cr.Domain.sequence(16, 65536)),
    "estimator": ("nade", cr.Domain.categorical(8, 5)),
}
ROWS, STIR = 12, 2654435761


def numbers(count, seed, below):
    """Whole numbers (count,) in 0 … below - 1, all of int64."""
    mixed = (torch.arange(count) + 1 + 7919 * seed) * STIR % 2**32
    return (mixed * 40503 % 2**32 >> 8) * below >> 24


def fixed(name):
    """A model of `MODELS` and items of its domain."""
    kind, domain = MODELS[name]
    model = tiny_model(kind, domain).eval()
    with torch.no_grad():
        for seed, (_, parameter) in enumerate(sorted(model.named_parameters())):
            own = numbers(parameter.numel(), seed, 4096).reshape(parameter.shape)
            wide = 1 << max(parameter[0].numel().bit_length() // 2 if parameter.ndim > 1 else 1, 1)
            parameter.copy_((own - 2048) / (1024 * wide))
    x = numbers(ROWS * domain.size, 99, domain.levels).reshape(ROWS, *domain.event_shape)
    return model, x
