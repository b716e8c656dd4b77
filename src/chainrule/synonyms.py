"""Other words for names: what other libraries and papers call a hyperparameter or a model."""

from __future__ import annotations

from collections.abc import Collection

# In each group any word leads to the others, the first ones first.
SYNONYMS = (
    "channels width hidden units size filters hidden_size hidden_dim hidden_channels d_model n_embd embed_dim dim",
    "depth layers blocks num_layers n_layers n_layer num_blocks n_blocks num_hidden_layers hidden",
    "heads num_heads n_heads n_head nhead num_attention_heads",
    "dropout drop drop_rate dropout_rate p_dropout resid_pdrop",
    "kernel_size kernel filter_size kernel_width memory",
    "components mixtures n_components num_components num_mixtures n_mixtures mixture",
    "transforms flows num_flows n_flows num_transforms n_transforms layers depth",
    "classes num_classes n_classes",
    "latent latent_dim latent_size z_dim n_latent",
    "codes num_embeddings n_codes codebook_size",
    "bins num_bins n_bins",
    "ordering order",
    "lr learning_rate rate step_size",
    "batch_size batch bs batchsize",
    "weight_decay wd decay l2",
    "epochs num_epochs n_epochs max_epochs",
    "steps max_steps num_steps iterations",
    "optimizer optimiser opt optim",
    "warmup warmup_steps",
    "cosine schedule scheduler lr_schedule annealing",
    "clip grad_clip gradient_clip clip_norm max_norm gradient_clip_val",
    "ema ema_decay averaging",
    "patience early_stopping",
    "minutes time max_time time_limit",
    "precision dtype amp fp16 bf16 mixed_precision",
    "seed random_state random_seed",
    "gpt2 gpt gpt-1 gpt-3 nanogpt",
    "llama llama-2 llama2 mistral qwen",
    "transformer attention decoder image-transformer",
    "lstm rnn-lstm char-rnn",
    "causal-conv1d cnn conv conv1d causal-conv causal-cnn",
    "made mlp dense masked-autoencoder",
    "maf flow normalizing-flow normalising-flow masked-autoregressive-flow",
    "realnvp glow real-nvp",
    "nsf spline neural-spline-flow",
    "diagonal-bilstm row-lstm pixelrnn pixel-rnn",
    "pixelcnn-plus-plus pixelcnn++ pixelcnnpp",
    "gated-pixelcnn pixelsnail conditional-pixelcnn",
    "vae autoencoder",
    "vq-vae vqvae vq",
    "count-table ngram n-gram bigram markov",
    "wavenet samplernn",
    "mnist handwritten",
    "cifar-10 cifar",
    "tinyshakespeare shakespeare",
)
WORDS = frozenset(word for group in SYNONYMS for word in group.split())


def synonyms(name: str, known: Collection[str]) -> list[str]:
    """The known names that a name is another word for; or, first, those that differ from it in case and hyphens alone.

    Example:
        >>> synonyms("hidden_size", ["channels", "depth", "width"])
        ['channels', 'width']
        >>> synonyms("PixelCNN_plus", ["pixelcnn", "pixelcnn-plus"])
        ['pixelcnn-plus']
    """
    plain = _plain(name)
    same = [word for word in known if _plain(word) == plain]
    groups = [group.split() for group in SYNONYMS]
    of_one = [words for words in groups if plain in map(_plain, words)]
    return same or list(dict.fromkeys(word for words in of_one for word in words if word in known))


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
