"""The named data sets: one table of files and digests, one small loader for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chainrule.data.raw import Raw
from chainrule.data.readers.recordings import read_spoken_digits
from chainrule.data.sets import loaders
from chainrule.data.sets.cifar import SHEETS, read_cifar
from chainrule.data.sets.folder import data_folder, verified
from chainrule.data.sets.rnade import read_continuous, read_patches
from chainrule.data.sets.sources.catalogue import SOURCES
from chainrule.data.sets.synthetic import copy_memory, moons, rings


@dataclass(frozen=True)
class NamedSet:
    """A data set that `load_data` knows by name.

    Attributes:
        name: for `load_data`.
        description: one line.
        path: where its file is expected; None if it comes with a package.
        present: whether it can be loaded now.
        licence: of its source, in a few words; None if it comes with a package.
        bytes: that `get_data` downloads.
    """

    name: str
    description: str
    path: Path | None
    present: bool
    licence: str | None = None
    bytes: int = 0


@dataclass(frozen=True)
class Entry:
    """A row of the table.

    Attributes:
        description: one line.
        load: the loader; takes the path of the verified file, or nothing if there is no file.
        file: relative to the data folder.
        digest: SHA-256 of the file.
        others: further files → their digests; the loader finds them beside the first.
    """

    description: str
    load: Callable[..., Raw]
    file: str | None = None
    digest: str = ""
    others: Mapping[str, str] = field(default_factory=dict)

    @property
    def digests(self) -> dict[str, str]:
        """Each file → its digest."""
        return {self.file: self.digest, **self.others} if self.file else {}


def list_data(data_dir: str | Path | None = None) -> list[NamedSet]:
    """All named sets, and whether each is present.

    Args:
        data_dir: see `data_folder`.
    """
    folder, sets = data_folder(data_dir), []
    for name, entry in NAMED.items():
        source = SOURCES.get(name)
        present = all((folder / file).is_file() for file in entry.digests)
        path = folder / entry.file if entry.file else None
        of_source = (source.licence, source.bytes) if source else ()
        sets.append(NamedSet(name, entry.description, path, present, *of_source))
    return sets


def read_named(name: str, data_dir: str | Path | None) -> Raw:
    """Read a set of the table.

    Raises:
        DataError: if its file is missing, unreadable or not the right one.
    """
    entry = NAMED[name]
    for file in entry.digests:
        verify(name, file, data_dir)
    raw = entry.load(data_folder(data_dir) / entry.file) if entry.file else entry.load()
    raw.name = name
    return raw


def verify(name: str, file: str, data_dir: str | Path | None) -> None:
    """See that a file of a set is the right one.

    Raises:
        DataError: if it is missing, unreadable or another.
    """
    content = SOURCES[name].contents.get(file) if name in SOURCES else None
    verified(name, file, NAMED[name].digests[file], data_dir, content)


NAMED = {
    "digits": Entry("8x8 handwritten digits, 17 grey levels; comes with scikit-learn", loaders.digits),
    "penguins": Entry("344 penguins of three species, a table with gaps", loaders.penguins),
    "mnist": Entry(
        "28x28 handwritten digits, 256 grey levels",
        loaders.mnist,
        "mnist/mnist.npz",
        "06af5dfe73b70e3bc1c36439982b18a8d76803db9b544f6fdf838a37fbb01b64",
    ),
    "binarized-mnist": Entry(
        "28x28 handwritten digits, the fixed binarization of Salakhutdinov and Murray",
        loaders.binarized_mnist,
        "binarized_mnist/binarized_mnist.npz",
        "7a049ae3a0d88e964af4b41bbdb14e4303595e1c5de65f8bd2455cdcebb3514b",
    ),
    "caltech-silhouettes": Entry(
        "28x28 binary outlines of the objects of Caltech-101, 101 classes",
        loaders.caltech_silhouettes,
        "caltech101_silhouettes/caltech101_silhouettes_28_split1.npz",
        "fa83df7ebe110f065163904e887ca9189a22969717138a603bdead7a026d93dd",
    ),
    "fashion-mnist": Entry(
        "28x28 pictures of clothes, 256 grey levels; own split, not the official one",
        loaders.fashion_mnist,
        "fashion_mnist/fashion_mnist.npz",
        "30b85317354a77a496de1acc075a489bc35ee02e4181f6cd86101effb6fec6ac",
    ),
    "cifar-10": Entry(
        "32x32 colour photographs of ten kinds of things",
        read_cifar,
        "cifar10/labels.npz",
        "2adcb621b226054b45ea498e5151b50747ee667e75829c059844e7b78f6b5196",
        SHEETS,
    ),
    "copy-memory": Entry("ten symbols, a thousand blanks, the ten symbols again", copy_memory),
    "moons": Entry("points of two half circles that reach into each other", moons),
    "rings": Entry("points of two circles, one in the other", rings),
    "tinyshakespeare": Entry(
        "a million characters of Shakespeare, 65 different ones",
        loaders.tiny_shakespeare,
        "text/tinyshakespeare.txt",
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
    "names": Entry(
        "32033 first names, letter by letter with an end",
        loaders.names,
        "text/names.txt",
        "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d",
    ),
    "jsb-chorales": Entry(
        "382 chorales by Bach, 88 keys a quarter note",
        loaders.chorales,
        "polyphonic/jsb_chorales.npz",
        "768c764d0d886b177c7633430a1e890f1ebe06b18503dc8e8deed2c6e4827138",
    ),
    "nottingham": Entry(
        "1037 folk tunes with chords, 88 keys a time step",
        loaders.tunes,
        "polyphonic/nottingham.npz",
        "530899c0a6f058971f31310c3f2579db06698b321901d534e9f7a925592f1f45",
    ),
    "fsdd": Entry(
        "3000 spoken digits by six speakers, 8000 Hz",
        read_spoken_digits,
        "fsdd/fsdd.npz",
        "e225220929d3f44c2ab7922e63ec080b57c3a87aa8ee993836d88ad082c3f969",
        {"fsdd/metadata.csv": "d1d27f13a450d0eaf0fa1dd7c864c1e65227b4be3dc14809670a6b2322bdff48"},
    ),
    "nltcs": Entry(
        "disability survey, 16 bits a row (DEBD)",
        loaders.bits,
        "debd/nltcs.npz",
        "a8420b36315e682f0eb471817d216293df38fa02173e2d4a2edf52fc3b79bc37",
    ),
    "plants": Entry(
        "regions where plants grow, 69 bits a row (DEBD)",
        loaders.bits,
        "debd/plants.npz",
        "2a4d15b4d93411e78f97a5692348875ae4bb89a53a0a75f3fc1568e86c040345",
    ),
    "audio": Entry(
        "listening habits, 100 bits a row (DEBD)",
        loaders.bits,
        "debd/baudio.npz",
        "3e6a0ca079dcd4fc7dd15b514d77e00c9446a9ccca62c288bef36bf0b223c861",
    ),
    "jester": Entry(
        "jokes liked, 100 bits a row (DEBD)",
        loaders.bits,
        "debd/jester.npz",
        "2caf3089ab012233a1f086cd483667862a869cec000e53f1a404b937e3395f76",
    ),
    "dna": Entry(
        "splice junctions, 180 bits a row (DEBD)",
        loaders.bits,
        "debd/dna.npz",
        "a1a01944f2e95e56ec53e5d1f3d66c7000f06258e16d11d0397be2cb594b3a56",
    ),
    "adult": Entry(
        "census records, 123 bits a row",
        loaders.bits,
        "nade_binary/adult.npz",
        "2e195d9507aecd3e888891d741e7e3c00e8fa66147f961417f26d837a3006817",
    ),
    "mushrooms": Entry(
        "descriptions of mushrooms, 112 bits a row",
        loaders.bits,
        "nade_binary/mushrooms.npz",
        "f99ab91a07c02ba27beeca427aaa04cfda9b5984d7d5c9bf82426ec2293656b4",
    ),
    "nips-0-12": Entry(
        "words in papers of NIPS, 500 bits a row",
        loaders.bits,
        "nade_binary/nips-0-12.npz",
        "b09f28cc86e08ef3b331249588b4949cfe87e6df4916adbfd57c52fe5848fe27",
    ),
    "ocr-letters": Entry(
        "16x8 handwritten letters as 128 bits a row",
        loaders.bits,
        "nade_binary/ocr_letters.npz",
        "456288ab04e3c599a4568eb33b00ceaae895431a26246ba1500589050f5d7d53",
    ),
    "wine-red": Entry(
        "red wines, 11 reals a row (UCI)",
        read_continuous,
        "uci/winequality_red.npz",
        "7cf5caf942ed5e3cbb16b338843907e02eff00a53bc2fcd5e32b75f186f51d88",
    ),
    "wine-white": Entry(
        "white wines, 11 reals a row (UCI)",
        read_continuous,
        "uci/winequality_white.npz",
        "169cfa4f674e435df7a056aaed441309627b62f52464981e24a54262b054ad2a",
    ),
    "parkinsons": Entry(
        "measures of voices, 15 reals a row (UCI)",
        read_continuous,
        "uci/parkinsons_telemonitoring.npz",
        "5005888d1684a903722e95e73946e6d82e0dfcdbc81c8e0741921f83a5ed80dc",
    ),
    "ionosphere": Entry(
        "radar returns, 32 reals a row (UCI)",
        read_continuous,
        "uci/ionosphere.npz",
        "a445c1185a9cd7193c10aa33bc8cf9f2648968da1a035222dff47a651cafff8c",
    ),
    "boston-housing": Entry(
        "housing values, 10 reals a row (UCI)",
        read_continuous,
        "uci/boston_housing.npz",
        "4e437878f59630194ae0a87a843377591189a762b359eb56fcb8bb55796b6599",
    ),
    "bsds-patches": Entry(
        "8x8 patches of photographs without their mean, 63 reals a row",
        read_patches,
        "natural_patches/bsds300_gray_8x8.npz",
        "aaf2beb096265a6952267bca84abf7ba10330743c27c76e27cdec52153955774",
    ),
}
