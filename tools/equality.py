"""Run the tests of equality; write benchmarks/equality.json: the largest difference that each row of them saw.

Usage: python tools/equality.py
"""

import sys
from importlib.metadata import version

import pytest

from chainrule.files import write_text
from chainrule.records import circumstances, to_json
from records import ROOT

RECORD = ROOT / "benchmarks" / "equality.json"
FIELDS = ("library", "theirs", "ours", "compares")


class Rows:
    """What the tests with a mark `proves` say and saw."""

    def __init__(self) -> None:
        self.rows: dict[str, dict] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """A row for each mark; a test of several parameters is one row."""
        for item in items:
            for mark in item.iter_markers("proves"):
                self.rows[self.name(item.nodeid)] = dict(zip(FIELDS, mark.args, strict=True)) | {
                    "difference": 0.0
                }

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The largest of a test's differences."""
        row = self.rows.get(self.name(report.nodeid))
        if row is not None and report.when == "call":
            seen = [value for name, value in report.user_properties if name == "difference"]
            row["difference"] = max(seen + [row["difference"]] * ("difference" in row))

    @staticmethod
    def name(nodeid: str) -> str:
        """A test without its parameters: `test_equal_to_torch.py::test_lstm`."""
        return nodeid.partition("[")[0].rpartition("/")[2]


def main() -> int:
    """The status of the tests; the record is written if they pass."""
    found = Rows()
    status = pytest.main(["-n", "0", "-m", "proves", str(ROOT / "tests" / "equality")], plugins=[found])
    if not status:
        record = {
            "command": "python tools/equality.py",
            **circumstances(),
            "versions": {name: version(name) for name in ("torch", "transformers", "zuko", "nflows")},
            "rows": sorted(
                ({"test": name, **row} for name, row in found.rows.items()),
                key=lambda row: [row[name] for name in ("library", "ours", "theirs")],
            ),
        }
        write_text(RECORD, to_json(record))
    return status


if __name__ == "__main__":
    sys.exit(main())
