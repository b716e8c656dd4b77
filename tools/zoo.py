"""Pack the trained models that come with the library: runs of recipes → src/chainrule/zoo/NAME.chainrule.

Train each first, for example `chainrule reproduce names --only lstm --runs runs`; a model is measured as it is packed,
rounded to bfloat16.

Usage: python tools/zoo.py RUNS [NAME …]
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from chainrule.portable import SUFFIX
from chainrule.tasks.sharing import pack
from chainrule.training import Run

PLACE = Path(__file__).parents[1] / "src" / "chainrule" / "zoo"
LICENCE = "MIT, as the library"


@dataclass(frozen=True)
class Entry:
    """A trained model.

    Attributes:
        recipe: TABLE/RECIPE, as `chainrule reproduce` names it.
        title: what it is, in a few words.
        data: where the data are from, with their licence.
        use: a command.
        not_for: what it is not for.
    """

    recipe: str
    title: str
    data: str
    use: str
    not_for: str


ZOO = {
    "digits": Entry(
        "digits/gated-pixelcnn-classes",
        "Handwritten digits of 8×8 pixels, by class",
        "The digits of scikit-learn: 1,797 scans of the UCI set *Optical recognition of handwritten digits* (Alpaydin "
        "and Kaynak, 1998), CC BY 4.0.",
        "chainrule sample zoo:digits --label 7 -n 16 -o sevens.png",
        "Reading digits of other sizes or pens: it has seen 1,000 small scans.",
    ),
    "binarized-mnist": Entry(
        "binarized-mnist/diagonal-bilstm-1-layer",
        "Handwritten digits of 28×28 black and white pixels",
        "MNIST (LeCun, Cortes, Burges), CC BY-SA 3.0, in the fixed binarization of Salakhutdinov and Murray (2008), "
        "with the split of Larochelle and Murray (2011).",
        "chainrule complete zoo:binarized-mnist half.png --keep top -o completed.png",
        "Grey levels, or digits that are not centred as those of MNIST.",
    ),
    "fashion": Entry(
        "fashion-mnist/pixelcnn-plus-plus",
        "Pictures of clothes of 28×28 pixels, 256 grey levels",
        "Fashion-MNIST (Xiao, Rasul, Vollgraf, 2017), MIT; split by this library, not the official one.",
        "chainrule sample zoo:fashion -n 16 -o clothes.png",
        "Photographs: these are small thumbnails on black. The likelihood alone is no test for other pictures, which "
        "can be likelier than clothes.",
    ),
    "names": Entry(
        "names/lstm",
        "First names, letter by letter",
        "32,033 first names of the US Social Security Administration, as published with makemore (Karpathy, 2022); "
        "public domain.",
        "chainrule sample zoo:names -n 10",
        "Judging whether a name is real: it knows spellings that were frequent in one country, in a to z.",
    ),
    "english-bytes": Entry(
        "tinyshakespeare/bytes-lstm-small",
        "English text, byte by byte",
        "tinyshakespeare (Karpathy, 2015): a million characters of Shakespeare's plays, public domain.",
        "chainrule compress zoo:english-bytes book.txt -o book.chr",
        "Modern text, other languages or binary files: these are coded without loss too, but less densely.",
    ),
    "chorales": Entry(
        "music/jsb-tcn-nade",
        "Chorales by Bach, 88 keys a quarter note",
        "JSB Chorales (Allan and Williams, 2005; Boulanger-Lewandowski et al., 2012): 382 harmonised chorales, public "
        "domain.",
        "chainrule sample zoo:chorales -n 1 -o chorale.mid",
        "Rhythm below a quarter note, or other music.",
    ),
    "spoken-digits": Entry(
        "fsdd/wavenet-classes",
        "Spoken digits, 8,000 samples a second, by digit and speaker",
        "Free Spoken Digit Dataset (Jackson and others), CC BY-SA 4.0: 3,000 recordings of six speakers.",
        "chainrule sample zoo:spoken-digits --label digit=7 --label speaker=jackson -n 1 -o seven.wav",
        "Speech that can be understood: a small net, trained for minutes, which shows the sound of a voice.",
    ),
    "table": Entry(
        "tables/penguins",
        "A table of penguins with gaps: texts, numbers, missing cells",
        "Palmer penguins (Gorman, Williams and Fraser, 2014; Horst, Hill and Gorman, 2020), CC0: 344 rows.",
        "chainrule complete zoo:table new.csv -o filled.csv",
        "Other penguins than those of three islands in 2007 to 2009. With 34 held-out rows no p-value is below 0.028: "
        "give `score` a rate such as `--false-alarms 0.05`.",
    ),
    "moons": Entry(
        "toys/moons-nsf",
        "Points of two half moons in the plane: a flow",
        "Drawn by this library; see `chainrule data moons`.",
        "chainrule sample zoo:moons -n 1000 -o points.csv",
        "Anything but looking at a flow.",
    ),
}


def card(name: str, entry: Entry) -> str:
    """Words for the card."""
    table, recipe = entry.recipe.split("/")
    return (
        f"{entry.title}\n\n**Data.** {entry.data}\n\n"
        f"**Training.** `chainrule reproduce {table} --only {recipe}`; the weights were then rounded to bfloat16, and "
        f"measured. `chainrule verify zoo:{name}` measures them again.\n\n"
        f"**Use.** `{entry.use}`\n\n**Not for.** {entry.not_for}\n"
    )


def main(runs: str, *names: str) -> None:
    """Pack those of these names, or all whose runs there are."""
    PLACE.mkdir(exist_ok=True)
    for name, entry in ZOO.items():
        folder = Path(runs) / entry.recipe
        if (names and name not in names) or not folder.is_dir():
            continue
        run, path = Run.open(folder), PLACE / f"{name}{SUFFIX}"
        numbers = pack(run, path, run.load_data(), half=True, about=card(name, entry), licence=LICENCE)
        assert numbers is not None
        print(f"{name}: {path.stat().st_size:,} bytes, {numbers['nats']:.3f} ± {numbers['nats_se']:.3f} nats")


if __name__ == "__main__":
    main(*sys.argv[1:])
