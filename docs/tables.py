"""Write the tables of results into README.md and docs/results.md, from the records in results/ and benchmarks/.

Usage: python docs/tables.py
"""

import json
import re
from pathlib import Path

from chainrule.files import write_text

ROOT = Path(__file__).parent.parent


def records(table: str) -> list[dict]:
    """The records of a table, best validation last."""
    found = [json.loads(path.read_text()) for path in sorted((ROOT / "results" / table).glob("*.json"))]
    return sorted(found, key=lambda record: -record["valid"]["nats"])


def results_table(table: str, digits: int = 2) -> str:
    """Ours beside published, in Markdown."""
    lines = [
        "| recipe | valid, nats | test, nats | test, bits/dim | published | training |",
        "|---|---|---|---|---|---|",
    ]
    for record in records(table):
        valid, test = record["valid"], record["test"]
        published = record["published"] or {}
        known = ", ".join(f"{k.removesuffix('_nats')} {v}" for k, v in published.items() if k != "source")
        seconds = f"{record['training_seconds']:.0f} s" if record["best_epoch"] else "closed form"
        lines.append(
            f"| {record['name']} | {valid['nats']:.{digits}f} ± {valid['nats_se']:.{digits}f} "
            f"| {test['nats']:.{digits}f} ± {test['nats_se']:.{digits}f} "
            f"| {test['bits_per_dim']:.3f} | {known} | {seconds} |"
        )
    last = records(table)[-1]
    lines.append("")
    lines.append(f"`chainrule reproduce {table}`, seed {last['seed']}, {last['hardware']}, {last['date']}.")
    return "\n".join(lines)


def bench_table(name: str) -> str:
    """Ratios of a benchmark, in Markdown."""
    record = json.loads((ROOT / "benchmarks" / f"{name}.json").read_text())
    lines = [
        f"| model | {record['batch']} samples, × naive | ÷ one forward | FLOPs ÷ one log_prob |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {model} | {r['speedup']:.0f} | {r['passes']:.1f} | {r['flops']:.2f} |"
        for model, r in record["models"].items()
    ]
    lines += ["", f"`{record['command']}`, {record['hardware']}, {record['date']}."]
    return "\n".join(lines)


TABLES = {
    "results-debd": lambda: results_table("debd", digits=3),
    "results-digits": lambda: results_table("digits"),
    "bench-sampling-digits": lambda: bench_table("sampling-digits"),
}


def fill(path: Path) -> None:
    """Replace what stands between <!-- table NAME --> and <!-- end -->."""
    text = path.read_text()
    for name, make in TABLES.items():
        pattern = re.compile(rf"(<!-- table {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = pattern.sub(lambda match, make=make: match[1] + make() + "\n" + match[2], text)
    write_text(path, text)


if __name__ == "__main__":
    for page in (ROOT / "README.md", ROOT / "docs" / "results.md"):
        fill(page)
