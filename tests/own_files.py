"""The files, frames and runs that pages call the reader's own, small, which `PREPARED` makes in the current folder."""

import shutil
import wave
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

import chainrule as cr
from chainrule.report.midi import midi_file
from digits_run import write_run

COLOURS = cr.Domain.image(1, 28, 28, levels=256)
RANDOM = np.random.default_rng(0)


def picture(path, height, width):
    """A picture of noise, in a folder that is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RANDOM.integers(256, size=(height, width), dtype=np.uint8)).save(path)


def recording(path, rate, seconds):
    """A tone with noise, 16 bits, one channel."""
    t = np.arange(int(rate * seconds)) / rate
    samples = 8000 * np.sin(2 * np.pi * 440 * t) + 200 * RANDOM.standard_normal(len(t))
    path.parent.mkdir(exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, len(t), "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())


def train(model, data, out, *options):
    """A run as the command line makes it."""
    from chainrule.cli import main

    assert main(["train", model, "--data", data, "--out", out, "-q", *options]) == 0


def offers():
    """A table with the cells of spreadsheets: 301 rows, as the page shows it."""
    lines = ["price;share;zip;country;flag;x"]
    for i in range(301):
        price = "$12,873.50" if i == 0 else f"${1000 + 37 * i:,}.{i % 90 + 10}"
        country = "NA" if i % 3 == 1 and i < 291 else ("DE", "FR")[i % 2]
        x = "?" if i % 3 == 0 and 8 < i < 246 else f"{i % 7},{i % 10}"
        lines.append(f"{price};{97 - i % 40}%;{1234 + 34 * (i % 90):05};{country};{('yes', 'no')[i % 2]};{x}")
    return "\n".join(lines)


def data():
    """Of how-to/data.md."""
    for kind in ("ant", "bee", "cow"):
        for i in range(100):
            picture(Path(f"animals/{kind}/{i}.{'jpg' if kind == 'cow' else 'png'}"), 32, 32)
        for i in range(10) if kind != "cow" else ():
            picture(Path(f"zipped/{kind}/{i}.png"), 3, 3)
    Path("animals/Thumbs.db").write_bytes(b"not a picture")
    shutil.make_archive("insects", "zip", "zipped")
    for i in range(20):
        picture(Path(f"photos/{i}.jpg"), 40 + i, 50)
    picture(Path("new.jpg"), 60, 40)
    Path("offers.csv").write_text(offers(), encoding="cp1252")
    for i in range(12):
        recording(Path(f"recordings/{i}.wav"), 8000, 0.3)
    recording(Path("hello.wav"), 16000, 0.3)
    speakers = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
    rows = [f"{i}.wav,{i % 10},{speakers[i % 6]}" for i in range(30)]
    for i in range(30):
        recording(Path(f"spoken/{i}.wav"), 8000, 0.2)
    Path("spoken/metadata.csv").write_text("\n".join(["file,digit,speaker", *rows]))
    Path("books").mkdir()
    Path("books/a.txt").write_text("Call me Ishmael. " * 200)
    Path("books/b.txt").write_text("Nennt mich Ismael. " * 200, encoding="utf-16")
    Path("old.txt").write_text("Käse und Brötchen. " * 200, encoding="cp1252")
    Path("program.exe").write_bytes(RANDOM.bytes(4000))
    frame = pd.DataFrame({"size": RANDOM.random(60).round(2), "species": ["cat", "dog", "owl"] * 20})
    x, y = RANDOM.integers(2, size=(60, 16)), np.arange(60) % 3
    people = [{"age": 20 + i % 50, "job": ("clerk", "cook")[i % 2]} for i in range(60)]
    import datasets

    dataset = datasets.Dataset.from_pandas(frame)
    own = {"x": x, "y": y, "z": x[:20], "w": y[:20], "frame": frame, "other": frame[:20]}
    return {"cr": cr, **own, "people": people, "dataset": dataset}


def compression():
    """Of how-to/compression.md."""
    train("gru", "book.txt", "runs/bytes-gru", "--domain", "sequence:64:256")
    write_run(Path("runs/digits-pixelcnn"), "pixelcnn", channels=4, depth=1)


def predictive():
    """Of how-to/predictive.md."""
    write_run(Path("runs/mnist-pixelcnn"), "pixelcnn", channels=4, depth=1)
    train("gru", "book.txt", "runs/shakespeare")
    train("finite-memory", "book.txt", "runs/trigrams")


def purify():
    """Of how-to/purify.md."""
    small = {"channels": 4, "depth": 1, "components": 2}
    write_run(
        Path("runs/fashion-mnist/pixelcnn-plus-plus"),
        "pixelcnn-plus-plus",
        domain=COLOURS,
        source="fashion-mnist",
        **small,
    )
    np.save("attacked.npy", RANDOM.integers(256, size=(2, 1, 28, 28)))


def scores():
    """Of how-to/scores.md."""
    purify()
    write_run(Path("runs/digits-causal-conv1d"), "causal-conv1d", channels=4, depth=2)


def scale():
    """Of how-to/scale.md."""
    people()
    frame = pd.read_csv("people.csv")
    Path("many").mkdir()
    for i in range(2):
        frame[60 * i : 60 * (i + 1)].to_parquet(f"many/{i}.parquet")
    for name in "abc":
        shutil.copytree("runs/people", f"runs/{name}")


def people():
    """A run on people.csv."""
    train("made", "people.csv", "runs/people")


def sequences():
    """Of how-to/sequences.md: pieces of a piano with two voices."""
    import mido

    Path("songs").mkdir()
    for i in range(10):
        piece = midi_file(torch.from_numpy(RANDOM.integers(2, size=(32, 88))), resolution=2)
        piece.tracks[0].insert(0, mido.MetaMessage("track_name", name="Piano"))
        piece.save(f"songs/{i}.mid")


def sharing():
    """Of how-to/sharing.md."""
    people()
    picture(Path("half.png"), 28, 28)
    cr.Run.open("zoo:table").frame(cr.load("zoo:table").sample(3)).to_csv("new.csv", index=False)


PREPARED = {
    f"how-to/{prepare.__name__}.md": prepare
    for prepare in (data, compression, predictive, purify, scores, scale, sequences, sharing)
}
