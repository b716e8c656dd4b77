"""Published models give the numbers of the libraries that they come from, by every verb."""

import json
import os

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import chainrule as cr
from chainrule.engine import exact_arithmetic
from chainrule.errors import ChainruleError
from chainrule.importers import read_pretrained
from chainrule.testing import check_model
from published import CLOSE, LENGTH, LEVELS, START, gpt2, llama, log_probs_of, spread, transformers

SCALED = {
    "rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8,
}  # fmt: skip
TEXTS = {
    "gpt2": lambda: gpt2(),
    "gpt2, untied": lambda: gpt2(tie_word_embeddings=False, n_inner=24),
    "gpt2, exact gelu": lambda: gpt2(activation_function="gelu", layer_norm_epsilon=1e-3),
    "llama": lambda: llama(),
    "llama, tied": lambda: llama(tie_word_embeddings=True, num_key_value_heads=1),
    "llama, a head of keys for each": lambda: llama(num_key_value_heads=4, rms_norm_eps=1e-3),
    "llama, scaled": lambda: llama(rope_parameters=SCALED),
    "llama, another base": lambda: llama(rope_parameters={"rope_type": "default", "rope_theta": 77.0}),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Name → (their model, the folder they saved it in)."""
    made = {}
    for name, build in TEXTS.items():
        folder = tmp_path_factory.mktemp("published")
        theirs = spread(build())
        theirs.save_pretrained(folder)
        made[name] = theirs, folder
    return made


def tokens(n=5, length=LENGTH, levels=LEVELS):
    return torch.randint(levels, (n, length), generator=torch.Generator().manual_seed(1))


def difference(ours, theirs):
    return (ours - theirs).abs().max().item()


def compare(saved, name, equal):
    theirs, folder = saved[name]
    ours, x = read_pretrained(folder).model, tokens()
    with torch.no_grad():
        logits = theirs(F.pad(x[:, :-1], (1, 0), value=START)).logits
        equal(ours.log_prob(x, reduce=False), log_probs_of(logits, x))
    assert log_probs_of(logits, x).std() > 0.5


@pytest.mark.proves("transformers", "GPT2LMHeadModel", "gpt2", "conditionals of all tokens")
@pytest.mark.parametrize("name", [name for name in TEXTS if name.startswith("gpt2")])
def test_conditionals_of_gpt2(saved, name, equal):
    """Row `gpt2`: read from its saved folder, tied or not, both GELUs."""
    compare(saved, name, equal)


@pytest.mark.proves("transformers", "LlamaForCausalLM", "llama", "conditionals of all tokens")
@pytest.mark.parametrize("name", [name for name in TEXTS if name.startswith("llama")])
def test_conditionals_of_llama(saved, name, equal):
    """Row `llama`: read from its saved folder, grouped heads or not, tied or not, scaled positions or not."""
    compare(saved, name, equal)


@pytest.mark.parametrize("name", TEXTS)
def test_greedy_continuations_are_the_sources(saved, name):
    theirs, folder = saved[name]
    ours, prompt = read_pretrained(folder).model, tokens(3, 4)
    given = F.pad(prompt, (1, 0), value=START)
    generated = theirs.generate(
        given,
        attention_mask=torch.ones_like(given),
        do_sample=False,
        max_new_tokens=LENGTH - 4,
        pad_token_id=0,
    )
    x = F.pad(prompt, (0, LENGTH - 4))
    completed = ours.complete(x, torch.arange(LENGTH) < 4, 1, top_k=1)[:, 0]
    assert completed.equal(generated[:, 1:])


@pytest.mark.parametrize("name", ["gpt2", "llama", "llama, tied"])
def test_samples_of_all_runners_are_one(saved, name):
    ours = read_pretrained(saved[name][1]).model
    eager, native = (
        ours.sample(40, generator=torch.Generator().manual_seed(2), runner=runner)
        for runner in ("eager", "native")
    )
    assert eager.equal(native) and len(eager.unique()) > LEVELS // 2
    outcome = check_model(lambda: ours, laws=["captured_steps_are_eager"])
    assert outcome == {"captured_steps_are_eager": "holds"}


def test_steps_give_the_sources_numbers(saved):
    theirs, folder = saved["llama"]
    ours, x = read_pretrained(folder).model, tokens()
    state = ours.init_state(len(x))
    with torch.no_grad(), exact_arithmetic(ours):
        logits = theirs(F.pad(x[:, :-1], (1, 0), value=START)).logits
        for t in range(LENGTH):
            prev = x[:, t - 1, None] if t else torch.zeros(len(x), 1, dtype=torch.int64)
            params, state = ours.step(prev, state, torch.tensor(t))
            assert difference(params.log_softmax(-1), logits[:, t].log_softmax(-1)) < CLOSE


@pytest.mark.proves(
    "transformers", "ImageGPTForCausalImageModeling", "gpt2 of images", "conditionals of all pixels"
)
def test_images_of_clusters(tmp_path, equal):
    """Row `gpt2` of images of colour clusters."""
    config = transformers.ImageGPTConfig(vocab_size=10, n_positions=16, n_embd=16, n_layer=2, n_head=4)
    theirs = spread(transformers.ImageGPTForCausalImageModeling(config))
    theirs.save_pretrained(tmp_path)
    ours = read_pretrained(tmp_path).model
    assert ours.domain == cr.Domain.image(1, 4, 4, levels=9)
    x = tokens(6, 16, 9)
    with torch.no_grad():
        logits = theirs(input_ids=F.pad(x[:, :-1], (1, 0), value=9)).logits
    equal(ours.log_prob(x.view(-1, 1, 4, 4), reduce=False).flatten(1), log_probs_of(logits, x))
    native = ours.sample(9, generator=torch.Generator().manual_seed(0), runner="native")
    assert native.equal(ours.sample(9, generator=torch.Generator().manual_seed(0), runner="eager"))


class Norm(nn.Module):
    """nanoGPT's LayerNorm with an optional bias."""

    def __init__(self, size, bias):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size)) if bias else None

    def forward(self, x):
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, 1e-5)


class Attention(nn.Module):
    def __init__(self, size, heads, bias):
        super().__init__()
        self.c_attn, self.c_proj = nn.Linear(size, 3 * size, bias=bias), nn.Linear(size, size, bias=bias)
        self.heads = heads

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (p.view(b, t, self.heads, -1).transpose(1, 2) for p in self.c_attn(x).split(c, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(y.transpose(1, 2).reshape(b, t, c))


class MLP(nn.Module):
    def __init__(self, size, bias):
        super().__init__()
        self.c_fc, self.c_proj = nn.Linear(size, 4 * size, bias=bias), nn.Linear(4 * size, size, bias=bias)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x)))


class Block(nn.Module):
    def __init__(self, size, heads, bias):
        super().__init__()
        self.ln_1, self.attn = Norm(size, bias), Attention(size, heads, bias)
        self.ln_2, self.mlp = Norm(size, bias), MLP(size, bias)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class NanoGPT(nn.Module):
    """nanoGPT's model.py, as its checkpoints name the parts."""

    def __init__(self, block_size, vocab_size, n_layer, n_head, n_embd, bias, dropout):
        super().__init__()
        blocks = nn.ModuleList(Block(n_embd, n_head, bias) for _ in range(n_layer))
        wte, wpe = nn.Embedding(vocab_size, n_embd), nn.Embedding(block_size, n_embd)
        self.transformer = nn.ModuleDict({"wte": wte, "wpe": wpe, "h": blocks, "ln_f": Norm(n_embd, bias)})
        self.lm_head = nn.Linear(n_embd, vocab_size, bias=False)
        self.transformer.wte.weight = self.lm_head.weight

    def forward(self, idx):
        x = self.transformer.wte(idx) + self.transformer.wpe(torch.arange(idx.shape[1]))
        for block in self.transformer.h:
            x = block(x)
        return self.lm_head(self.transformer.ln_f(x))


@pytest.mark.proves("nanoGPT, written afresh", "GPT", "gpt2 with exact GELUs", "conditionals of all tokens")
@pytest.mark.parametrize("bias", [True, False])
def test_nanogpt(tmp_path, bias, equal):
    """Row `gpt2 with exact GELUs`: read from a checkpoint of torch."""
    args = {
        "block_size": LENGTH, "vocab_size": LEVELS, "n_layer": 2, "n_head": 2, "n_embd": 16, "bias": bias,
        "dropout": 0.2,
    }  # fmt: skip
    theirs = spread(NanoGPT(**args))
    weights = {f"_orig_mod.{name}": tensor for name, tensor in theirs.state_dict().items()}
    torch.save({"model": weights, "model_args": args, "iter_num": 7}, tmp_path / "ckpt.pt")
    with pytest.raises(ChainruleError, match="start: expected a token below 23"):
        read_pretrained(tmp_path)
    ours, x = read_pretrained(tmp_path, start=START).model, tokens()
    with torch.no_grad():
        logits = theirs(F.pad(x[:, :-1], (1, 0), value=START))
    equal(ours.log_prob(x, reduce=False), log_probs_of(logits, x))

    from safetensors.torch import save_file

    tensors = {name: tensor.clone() for name, tensor in theirs.state_dict().items()}
    save_file(tensors, tmp_path / "again.safetensors", {"model_args": json.dumps(args)})
    again = read_pretrained(tmp_path / "again.safetensors", start=START).model
    assert again.log_prob(x).equal(ours.log_prob(x))


def test_files_in_parts_old_files_and_shorter_windows(saved, tmp_path):
    theirs, folder = saved["gpt2"]
    ours, x = read_pretrained(folder).model, tokens()
    theirs.save_pretrained(tmp_path / "parts", max_shard_size="6KB")
    assert (tmp_path / "parts" / "model.safetensors.index.json").is_file()
    parts = read_pretrained(tmp_path / "parts").model
    old = tmp_path / "old"
    old.mkdir()
    # As the first files were: no prefix, the causal mask among the weights.
    weights = {name.removeprefix("transformer."): t for name, t in theirs.state_dict().items()}
    torch.save(weights | {"h.0.attn.bias": torch.ones(1, 1, LENGTH, LENGTH)}, old / "pytorch_model.bin")
    (old / "config.json").write_text((folder / "config.json").read_text())
    for model in (parts, read_pretrained(old).model):
        assert model.log_prob(x).equal(ours.log_prob(x))
    short = read_pretrained(folder, length=5).model
    whole = ours.log_prob(x, reduce=False)[:, :5]
    assert short.domain.size == 5 and difference(short.log_prob(x[:, :5], reduce=False), whole) < CLOSE


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("gpt2", {"model_type": "bert"}, "model_type: expected 'gpt2' or 'imagegpt' or 'llama', got 'bert'"),
        ("gpt2", {"activation_function": "relu"}, "activation_function: expected 'gelu_new'"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx: expected False"),
        ("gpt2", {"bos_token_id": 50256}, "bos_token_id: expected a token below 23"),
        ("gpt2", {"n_embd": 32}, r"wte.weight: expected \(23, 32\), got \(23, 16\)"),
        ("gpt2", {"n_embd": 2**30}, "far fewer weights than it says|at most"),
        ("gpt2", {"n_layer": 10**6}, "n_layer: expected a whole number from 1 to 4096, got 1000000"),
        ("gpt2", {"n_layer": 1}, "h.1.attn.c_attn.bias: expected no tensor of this name"),
        ("gpt2", {"n_positions": "many"}, "n_positions: expected a whole number from 1 to 2147483648, got 'many'"),
        ("gpt2", {"quantization_config": {"bits": 4}}, "quantization_config: expected None"),
        ("llama", {"hidden_act": "gelu"}, "hidden_act: expected 'silu', got 'gelu'"),
        ("llama", {"attention_bias": True}, "attention_bias: expected False, got True"),
        ("llama", {"head_dim": 8}, "head_dim: expected hidden_size / num_attention_heads, 16 / 4, got 8"),
        ("llama", {"rope_parameters": {"rope_type": "yarn"}}, "rope_type: expected 'default' or 'llama3'"),
        ("llama", {"rope_parameters": None, "rope_scaling": {"type": "linear"}}, "rope_type: expected 'default'"),
        ("llama", {"num_key_value_heads": 3}, "num_key_value_heads: expected a divisor of the 4 heads, got 3"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused(saved, tmp_path, name, change, message):
    folder = saved[name][1]
    config = json.loads((folder / "config.json").read_text()) | change
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").symlink_to(folder / "model.safetensors")
    with pytest.raises(ChainruleError, match=message):
        read_pretrained(tmp_path)


class Opened:
    def __reduce__(self):
        return os.mkdir, ("opened",)


def test_nothing_else_is_unpickled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model_args": Opened(), "model": {}}, tmp_path / "ckpt.pt")
    with pytest.raises(ChainruleError, match=r"ckpt\.pt: not a readable file of tensors and plain values"):
        read_pretrained(tmp_path)
    assert not (tmp_path / "opened").exists()


def test_damaged_and_quantised_files(saved, tmp_path):
    folder = saved["gpt2"][1]
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    with pytest.raises(ChainruleError, match=r"expected model\.safetensors"):
        read_pretrained(tmp_path)
    content = (folder / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(content[:-10])
    with pytest.raises(ChainruleError, match="not a readable safetensors file"):
        read_pretrained(tmp_path)
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    tensors["transformer.wte.weight"] = tensors["transformer.wte.weight"].to(torch.int8)
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(ChainruleError, match=r"wte\.weight: expected floating-point numbers.*int8"):
        read_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    index = {"weight_map": {"transformer.wte.weight": "../secret.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ChainruleError, match="weight_map: expected names of files in the same folder"):
        read_pretrained(tmp_path)
