"""A published model with a tokenizer is a run of text: each command takes texts, and counts tokens."""

import contextlib
import io
import json
import math
import shutil

import pytest
import torch
from torch.nn import functional as F

import chainrule as cr
from chainrule.cli import main
from chainrule.data.tokens import Tokens
from chainrule.errors import ChainruleError
from published import llama, log_probs_of, spread

LENGTH, START, SPARE = 32, 0, 3
SENTENCES = [
    "The rain in Spain stays mainly in the plain.\n",
    "In Hertford, Hereford and Hampshire hurricanes hardly ever happen.\n",
    "Größe, 日本語 and é are more than one byte each; so is 🙂.\n",
]


def call(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([*map(str, arguments)])
    assert status == 0, err.getvalue()
    return out.getvalue()


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A Llama and its byte-level tokenizer, in a folder as the hub has them; and the run made of it."""
    tokenizers = pytest.importorskip("tokenizers")
    folder = tmp_path_factory.mktemp("text")
    tokenizer = tokenizers.ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(
        SENTENCES, vocab_size=300, special_tokens=["<|endoftext|>"], min_frequency=1, show_progress=False
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    levels = tokenizer.get_vocab_size() + SPARE
    theirs = spread(llama(vocab_size=levels, bos_token_id=START, max_position_embeddings=LENGTH))
    theirs.save_pretrained(folder)
    call("import", folder, "--out", folder / "run")
    return theirs, tokenizer, folder / "run"


def test_the_run_is_the_folder(published):
    theirs, tokenizer, folder = published
    run, levels = cr.Run.open(folder), theirs.config.vocab_size
    assert run.config["pretrained"]["checksum"].startswith("sha256:") and run.writing.unit == "tokens"
    assert run.writing.size == 300 == levels - SPARE
    assert run.model.domain == cr.Domain.sequence(LENGTH, levels, lengths="given")
    text = "".join(SENTENCES)
    found = run.writing.levels(text)
    assert found.tolist() == tokenizer.encode(text).ids and len(found) < len(text.encode())
    assert run.writing.content(found) == text.encode()
    x = torch.randint(levels, (3, LENGTH), generator=torch.Generator().manual_seed(0))
    assert run.model.log_prob(x).equal(cr.from_pretrained(folder.parent).log_prob(x))


def test_a_text_is_scored_by_its_tokens(published, tmp_path):
    theirs, tokenizer, folder = published
    path = tmp_path / "a.txt"
    path.write_text(SENTENCES[0])
    ids = torch.tensor([tokenizer.encode(SENTENCES[0]).ids])
    assert ids.shape[1] < LENGTH
    with torch.no_grad():
        expected = -log_probs_of(theirs(F.pad(ids[:, :-1], (1, 0), value=START)).logits, ids).sum().item()
    (row,) = json.loads(call("score", folder, path, "--data", path, "--json"))["scores"]
    assert row["nats"] == pytest.approx(expected, abs=1e-3)
    per_byte = expected / math.log(2) / len(SENTENCES[0].encode())
    assert row["bits_per_byte"] == pytest.approx(per_byte, abs=1e-4)
    steps = json.loads(call("evaluate", folder, "--data", path, "--json"))["per_step"]
    assert steps["steps"] == ids.shape[1] and steps["bits_per_byte"] == pytest.approx(per_byte, abs=1e-4)


def test_a_text_is_compressed_and_restored(published, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("".join(SENTENCES) * 2)
    call("compress", published[2], path, "-o", tmp_path / "a.cr")
    call("decompress", published[2], tmp_path / "a.cr", "-o", tmp_path / "b.txt")
    assert (tmp_path / "b.txt").read_bytes() == path.read_bytes()


def test_a_prompt_is_continued_as_by_generate(published):
    theirs, tokenizer, folder = published
    prompt = "The rain in"
    given = torch.tensor([[START, *tokenizer.encode(prompt).ids]])
    generated = theirs.generate(
        given, attention_mask=torch.ones_like(given), do_sample=False, max_new_tokens=20, pad_token_id=0
    )
    length = generated.shape[1] - 1
    out = call("continue", folder, "-n", 1, "--prompt", prompt, "--length", length, "--top-k", 1)
    assert out == cr.Run.open(folder).writing.text(generated[0, 1:]) + "\n" and out.startswith(prompt)
    drawn = json.loads(call("sample", folder, "-n", 2, "--json"))["items"]
    assert len(drawn) == 2 and all(type(text) is str and text for text in drawn)


def test_texts_that_tokens_change_are_refused(published, tmp_path):
    description = json.loads((published[2] / "tokenizer.json").read_text())
    description["normalizer"] = {"type": "NFC"}
    changed = Tokens(json.dumps(description), "tokenizer.json")
    with pytest.raises(ChainruleError, match="its tokens do not give the text back: byte 1 "):
        changed.levels("ae\u0301")
    run = tmp_path / "run"
    shutil.copytree(published[2], run)
    (run / "tokenizer.json").write_text(json.dumps(description))
    with pytest.raises(ChainruleError, match=r"tokenizer\.json: expected the checksum sha256:"):
        _ = cr.Run.open(run).writing


def test_other_tokenizers_are_refused(published):
    description = json.loads((published[2] / "tokenizer.json").read_text()) | {
        "decoder": {"type": "WordPiece"}
    }
    with pytest.raises(ChainruleError, match=r"decoder: expected ByteLevel, .* got 'WordPiece'"):
        Tokens(json.dumps(description), "tokenizer.json")
    for broken in ("{", "[]", "{}", '{"decoder": {"type": "ByteLevel"}, "model": {"vocab": {"a": -1}}}'):
        with pytest.raises(ChainruleError, match=r"tokenizer\.json: expected a tokenizer"):
            Tokens(broken, "tokenizer.json")
