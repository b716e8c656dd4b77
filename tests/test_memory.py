"""What is read, drawn and compressed is not held many times over; measured in processes of their own."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import chainrule as cr
from children import PYTHON, ended

MOST = 3  # times the size: of images their decoded bytes, of texts the file's
# Prints how much more memory the last of the lines takes at its peak than the process had before it.
MEASURED = """
from pathlib import Path
import chainrule as cr
from chainrule.records import peak_memory
{prepare}
Path("/proc/self/clear_refs").write_text("5")  # the peak is what is held now
before = peak_memory()
{line}
print(peak_memory() - before)
"""

if not Path("/proc/self/clear_refs").exists():
    pytest.skip("the system does not say what a process held at most", allow_module_level=True)


def peak(line, prepare, folder):
    status, out, said = ended(MEASURED.format(line=line, prepare=prepare), program=PYTHON, cwd=folder)
    assert status == 0, said
    return int(out)


def array(path, items):
    np.save(path, np.random.default_rng(0).integers(0, 256, (items, 3, 64, 64), np.uint8))
    return items * 3 * 64 * 64


def archive(path, items):
    np.savez(path, x=np.random.default_rng(0).integers(0, 256, (items, 64, 64), np.uint8))
    return items * 64 * 64


def pictures(path, items):
    path.mkdir()
    for i in range(items):
        colours = np.full((250, 400, 3), i, np.uint8)
        colours[::2, :, 1] = 255 - i
        Image.fromarray(colours).save(path / f"{i:03}.png", compress_level=1)
    return items * 250 * 400 * 3


def text(path, words):
    path.write_text("".join(f"{i % 977} of them\n" for i in range(words)))
    return path.stat().st_size


def texts(path, words):
    path.mkdir()
    return sum(text(path / f"{i}.txt", words // 4) for i in range(4))


@pytest.mark.parametrize(
    "make, name, few, many, options",
    [
        (array, "x.npy", 40, 2000, ""),
        (archive, "x.npz", 40, 6000, ""),
        (pictures, "photos", 10, 80, ""),
        (text, "t.txt", 1000, 2_000_000, ""),
        (text, "t.txt", 1000, 2_000_000, ", domain='sequence:64:256'"),
        (texts, "texts", 4000, 2_000_000, ""),
    ],
    ids=["npy", "npz", "pictures", "text", "bytes", "texts"],
)
def test_data_are_read_without_many_copies(make, name, few, many, options, tmp_path):
    for folder, count in (("few", few), ("many", many)):
        (tmp_path / folder).mkdir()
        size = make(tmp_path / folder / name, count)
    load = f"data = cr.load_data('{{}}/{name}'{options})"
    assert size > 20_000_000
    assert peak(load.format("many"), load.format("few"), tmp_path) < MOST * size


# A run without a net, so that what is drawn counts and not what draws it.
RUN = """
import torch
from chainrule.cli import main
def draw(n):
    assert main(["sample", "run", "-n", str(n), "-o", "x.npy", "--sampler", "eager"]) == 0
draw(1000)
"""


def test_samples_are_written_as_they_are_drawn(tmp_path):
    x = np.random.default_rng(0).integers(0, 2, (100, 20))
    cr.fit(cr.create_model("independent", cr.Domain.binary(20)), cr.load_data(x), out=tmp_path / "run")
    few, many = (peak(f"draw({n})", RUN, tmp_path) for n in (20_000, 150_000))
    assert many - few < 130_000 * 20 * 8  # what the items alone take; three times that before
    assert np.load(tmp_path / "x.npy", allow_pickle=False).shape == (150_000, 20)
