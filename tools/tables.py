"""Write the tables of results, benches and models into docs/, from records and the registry.

A table of results that docs/results/index.md has no place for gets a section at its end.

Usage: python tools/tables.py
"""

import json
import re
from pathlib import Path

from chainrule.bench.cases import notes_of, table_of
from chainrule.files import write_text
from chainrule.models.registry import MODELS
from chainrule.portable import read_package
from chainrule.reproduce.published import beside, compared
from chainrule.run_files import ABOUT, CARD, NUMBERS
from chainrule.zoo import file_of, list_zoo
from records import ROOT, records_of, reproduced, sign, tables
from reference import commands, options, papers

DIGITS = {"debd": 3, "tinyshakespeare": 3}  # where the published values have more than two
RESULTS = ROOT / "docs" / "results" / "index.md"
PAGES = (*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md")
FAMILIES = {
    "autoregressive": ("gru", "gated-pixelcnn", "pixelcnn-plus-plus", "conv-nade", "diagonal-bilstm-1-layer"),
    "reversible": ("nice", "realnvp", "maf"),
    "latent": ("vae", "pixel-vae", "vq-vae"),
    "yardsticks": ("gaussian", "independent", "uniform"),
}
IMPUTATION = ["", "RMSE", "spread ÷ true", "classes right", "nats a cell", "seconds"]
COLUMNS = ["recipe", "valid, nats", "test, nats", "test, bits/dim", "published", "training"]


def markdown(columns: list[str], rows: list[list[str]]) -> str:
    """A table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        "|" + "|".join(cell if cell == "---" else f" {cell} " for cell in line) + "|" for line in lines
    )


def folds_table(table: str) -> str:
    """Ours beside published, over folds: nats in units of training standard deviations, and in the data's own."""
    rows = []
    found = [list(record["test_by_floor"]) for record in records_of(table)]
    floors = max(found, key=len)[1:]  # models without mixtures have none; the first is that of the heads
    for record in records_of(table):
        scores = [record["test"], record["test_in_own_units"], *map(record["test_by_floor"].get, floors)]
        cells = ["" if s is None else f"{s['nats']:.2f} ± {s['nats_se']:.2f}" for s in scores]
        rows.append([record["name"], *cells, beside(record), f"{record['wall_seconds']:.0f} s"])
    columns = [
        *("recipe", "test, nats", "in own units"),
        *(f"floor {floor}" for floor in floors),
        *("published", "ten folds"),
    ]
    return f"{markdown(columns, rows)}\n\n{made_by(table)}"


def made_by(table: str) -> str:
    """The command, and where and when it ran last."""
    records = sorted(records_of(table), key=lambda record: record["date"])
    machines = "; ".join(dict.fromkeys(record["hardware"] for record in records))
    return f"`chainrule reproduce {table}`, seed {records[-1]['seed']}, {machines}, {records[-1]['date']}."


def results_table(table: str) -> str:
    """Ours beside published."""
    if "test_of_folds" in records_of(table)[0]:
        return folds_table(table)
    rows, digits = [], DIGITS.get(table, 2)
    stepped = "per_step" in records_of(table)[0]["test"]
    labelled = any("accuracy" in record["test"] for record in records_of(table))
    for record in records_of(table):
        scores = [record[split] for split in ("valid", "test")]
        accuracy = record["test"].get("accuracy")
        rows.append(
            [
                record["name"],
                *(sign(score) + "{:.{d}f} ± {:.{d}f}".format(*compared(score), d=digits) for score in scores),
                bits_of(record["test"]),
                *([f"{accuracy:.1%}" if accuracy else ""] if labelled else []),
                beside(record),
                effort(record),
            ]
        )
    units = [name.replace("nats", "nats a step").replace("bits/dim", "bits a step") for name in COLUMNS[:4]]
    columns = [*(units if stepped else COLUMNS[:4]), *(["labels right"] if labelled else []), *COLUMNS[4:]]
    return f"{markdown(columns, rows)}\n\n{made_by(table)}"


def bits_of(score: dict) -> str:
    """A step of long sequences, or bits/dim; nothing of densities."""
    bits = score["per_step"]["bits"] if "per_step" in score else score["bits_per_dim"]
    return "" if bits is None or score.get("density") else f"{sign(score)}{bits:.3f}"


def effort(record: dict) -> str:
    """How long training took, or that it was only tried."""
    if not record.get("reproduced", True):
        return "not reproduced: tried on a few items"
    return f"{record['training_seconds']:.0f} s" if record["best_epoch"] else "closed form"


def bench_table(path: Path) -> str:
    """What a bench measured."""
    record = json.loads(path.read_text())
    threads = f", {record['threads']} thread{'s' * (record['threads'] > 1)}" if record.get("threads") else ""
    load = f", load average {record['load_average']:.1f}" if record.get("load_average") is not None else ""
    notes = " ".join(["", *notes_of(record)])
    note = f"`{record['command']}`, {record['hardware']}{threads}{load}, {record['date']}.{notes}"
    return f"{markdown(*table_of(record))}\n\n{note}"


def imputation_table(path: Path) -> str:
    """What tools/imputation.py measured: mean ± standard error over the splits."""
    record = json.loads(path.read_text())
    rows = []
    for name, scores in record["scores"].items():
        cells = [
            f"{scores[key][0]:.2f} ± {scores[key][1]:.2f}" for key in ("rmse", "spread", "accuracy", "nats")
        ]
        rows.append([name, *cells, f"{record['seconds'][name]:.0f}"])
    about = f"{record['about']}, {record['splits']} splits"
    note = f"`{record['command']}`: {about}; {record['hardware']}, {record['date']}."
    return f"{markdown(IMPUTATION, rows)}\n\n{note}"


def equality_table(path: Path) -> str:
    """What tools/equality.py saw."""
    record = json.loads(path.read_text())
    cells = ("library", "theirs", "ours", "compares")
    rows = [
        [*(row[cell] for cell in cells), f"{row['difference']:.0e}" if row["difference"] else "0"]
        for row in record["rows"]
    ]
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    columns = ["library", "theirs", "ours", "what is compared", "largest difference"]
    return f"{markdown(columns, rows)}\n\n`{record['command']}`, {versions}, {record['date']}."


def families_table() -> str:
    """Models of every family on the digits, and on binarized MNIST where they were trained on it."""
    rows = []
    for family, models in FAMILIES.items():
        for name in models:
            cells = [score_of("digits", name, split) for split in ("valid", "test")]
            cells.append(score_of("binarized-mnist", name, "test"))
            if any(cells):
                rows.append([family, f"`{name}`", *cells])
    columns = ["family", "recipe", "digits, valid", "digits, test", "binarized MNIST, test"]
    return f"{markdown(columns, rows)}\n\nNats an image; {made_by('digits')}"


def score_of(table: str, name: str, split: str) -> str:
    """What a recipe came to, if it was run."""
    path = ROOT / "results" / table / f"{name}.json"
    if not path.is_file():
        return ""
    score = json.loads(path.read_text())[split]
    return f"{sign(score)}{score['nats']:.2f}"


def add_sections(path: Path) -> None:
    """A section, with its chart, for each table of results that a page lacks."""
    text = path.read_text()
    for table in tables():
        if f"<!-- table results-{table} -->" not in text:
            chart = f"![{table}: ours and published](../figures/{table}.svg)\n\n" if reproduced(table) else ""
            text += f"\n## {table}\n\n{chart}<!-- table results-{table} -->\n<!-- end -->\n"
    write_text(path, text)


def zoo_table() -> str:
    """The trained models that come with the library, by their own numbers."""
    rows = []
    for name in list_zoo():
        parts = read_package(file_of(name), (CARD, NUMBERS, ABOUT))
        numbers, model = json.loads(parts[NUMBERS]), json.loads(parts[CARD])["name"]
        found = f"{numbers['nats']:.2f} ± {numbers['nats_se']:.2f} nats"
        if numbers.get("bits_per_dim") is not None:
            found += f", {numbers['bits_per_dim']:.3f} bits/dim"
        size = f"{file_of(name).stat().st_size / 1e3:,.0f} kB"
        rows.append([f"`zoo:{name}`", parts[ABOUT].decode().partition("\n")[0], f"`{model}`", size, found])
    return markdown(["RUN", "what it is", "model", "size", "test"], rows)


def made_tables() -> dict[str, str]:
    """All tables by name."""
    made = {f"results-{table}": results_table(table) for table in tables()}
    own = {"imputation": imputation_table, "equality": equality_table}
    for file in (ROOT / "benchmarks").glob("*.json"):
        if file.stem in own or "case" in json.loads(file.read_text()):  # the others are in no table
            made[f"bench-{file.stem}"] = own.get(file.stem, bench_table)(file)
    made["families"] = families_table()
    made |= {"zoo": zoo_table(), "commands": commands(), "options": options(), "papers": papers()}
    summaries = [[f"`{name}`", entry.summary.replace("|", "\\|")] for name, entry in MODELS.items()]
    made["models"] = markdown(["name", "what it is"], summaries)
    return made


def filled(text: str, made: dict[str, str]) -> str:
    """The text of a page, with what stands between <!-- table NAME --> and <!-- end --> replaced."""
    for name, table in made.items():
        pattern = re.compile(rf"(<!-- table {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = pattern.sub(lambda match, table=table: match[1] + table + "\n" + match[2], text)
    return text


if __name__ == "__main__":
    add_sections(RESULTS)
    made = made_tables()
    for page in PAGES:
        write_text(page, filled(page.read_text(), made))
