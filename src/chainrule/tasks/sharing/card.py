"""A card: what a shared model is, what it was trained on, what was measured, what it is not for."""

from __future__ import annotations

from typing import Any

from chainrule.training import Run


def card_of(run: Run, numbers: dict[str, Any] | None, about: str = "", licence: str | None = None) -> str:
    """The card of a run, in Markdown.

    Args:
        run: with its model.
        numbers: as `measure` returns them; None where nothing was measured.
        about: further words, in Markdown. The first line says in a few words what it is; the rest where the data are
            from, how the run was trained, what it is not for.
        licence: of the weights.
    """
    data = run.config.get("data") or {}
    rows = {
        "model": f"{run.model.name}, {sum(p.numel() for p in run.model.parameters()):,} parameters",
        "domain": str(run.model.domain) if not run.model.domain.columns else _columns(run),
        "data": str(data.get("source", "made in Python")),
        "checksum": data.get("checksum"),
        "licence": licence,
        **(_measured(numbers) if numbers else {"measured": "nothing: the data were not at hand"}),
    }
    table = "\n".join(f"| {key} | {value} |" for key, value in rows.items() if value)
    first, _, rest = (about.strip() or f"{run.model.name} on {data.get('source', 'own data')}").partition(
        "\n"
    )
    return f"{first}\n\n| | |\n|---|---|\n{table}\n" + (f"\n{rest.strip()}\n" if rest.strip() else "")


def _columns(run: Run) -> str:
    names = [column.name for column in run.model.domain.columns]
    return f"table of {len(names)} columns: " + ", ".join(names[:12]) + (", …" if len(names) > 12 else "")


def _measured(numbers: dict[str, Any]) -> dict[str, str]:
    sign = "≤ " if numbers.get("bound") else ""
    words = [f"{sign}{numbers['nats']:.3f} ± {numbers['nats_se']:.3f} nats an item"]
    if numbers.get("bits_per_dim") is not None:
        words.append(f"{sign}{numbers['bits_per_dim']:.4f} ± {numbers['bits_per_dim_se']:.4f} bits/dim")
    if steps := numbers.get("per_step"):
        words.append(f"{sign}{steps['nats']:.4f} ± {steps['nats_se']:.4f} nats a step")
    if numbers.get("accuracy") is not None:
        words.append(f"{numbers['accuracy']:.1%} of items put into their class")
    where = f"{numbers['date']}, {numbers['hardware']}, chainrule {numbers['chainrule']}, torch {numbers['torch']}"
    return {f"{numbers['split']}, {numbers['n']:,} items": "; ".join(words), "measured": where}
