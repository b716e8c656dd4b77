"""Items a second that training takes in: one process with one thread and with two, two processes of one thread.

    python tools/ranks_throughput.py [--quick] [--repeats N] [-o figures.json]

Each measurement is a training of its own in a fresh process, each way in turn, REPEATS times; the median is printed,
with the least and the most. An epoch's time is that between two validations (one batch of validation included), the
first epoch, which warms up, left out. On a machine that is not idle the figures mean nothing: the load average before
each measurement is recorded, and `--wait LOAD` waits until it is below.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

WAYS = {"1 process, 1 thread": (1, 1), "1 process, 2 threads": (1, 2), "2 processes, 1 thread each": (2, 1)}
# Name → model, domain, hyperparameters, batch, items of an epoch, epochs.
CASES = {
    "made 512": ("made", "vector:64:2", {"hidden": [512, 512], "dropout": 0.0}, 1024, 32 * 1024, 5),
    "transformer": (
        "transformer",
        "sequence:64:32",
        {"channels": 128, "depth": 4, "heads": 4},
        64,
        16 * 64,
        4,
    ),
}


def measure(case: str, devices: int, quick: bool) -> float:
    """In this process, which has its number of threads: items a second."""
    import torch

    import chainrule as cr

    model, domain, hyper, batch, items, epochs = CASES[case]
    if quick:
        items, epochs = items // 8, 2
    domain = cr.Domain.parse(domain)
    shape, levels = tuple(domain.event_shape), domain.levels
    draw = torch.Generator().manual_seed(0)
    data = {
        split: torch.randint(levels, (n, *shape), generator=draw)
        for split, n in (("train", items), ("valid", batch), ("test", batch))
    }
    torch.manual_seed(0)
    built = cr.create_model(model, domain, **hyper)
    with tempfile.TemporaryDirectory() as folder:
        run = cr.fit(
            built, cr.load_data(data, domain=domain), out=folder, devices=devices, epochs=epochs, batch_size=batch,
            patience=0, precision="float32", device="cpu", progress=False,
        )  # fmt: skip
    rows = run.metrics
    return items * (len(rows) - 1) / (rows[-1]["seconds"] - rows[0]["seconds"])


def in_a_process(case: str, devices: int, threads: int, quick: bool) -> float:
    """A fresh process; several ranks have the threads of it between them."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads * devices)}
    command = [sys.executable, __file__, "--one", case, str(devices), *(["--quick"] if quick else [])]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(found.stdout.splitlines()[-1])


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="only to see that it runs")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--wait", type=float, default=0.0, help="until the load average of a minute is below this"
    )
    parser.add_argument("-o", "--out")
    parser.add_argument("--one", nargs=2)
    asked = parser.parse_args()
    if asked.one:
        print(measure(asked.one[0], int(asked.one[1]), asked.quick))
        return
    found: dict = {case: {way: [] for way in WAYS} for case in CASES}
    loads = []
    for _ in range(1 if asked.quick else asked.repeats):
        for case in CASES:
            for way, (devices, threads) in WAYS.items():
                while asked.wait and os.getloadavg()[0] > asked.wait:
                    time.sleep(20)
                loads.append(round(os.getloadavg()[0], 2))
                found[case][way].append(in_a_process(case, devices, threads, asked.quick))
    for case, ways in found.items():
        base = statistics.median(ways["1 process, 1 thread"])
        for way, rates in ways.items():
            middle = statistics.median(rates)
            print(
                f"{case:12} {way:28} {middle:9,.0f} items/s ({min(rates):,.0f} … {max(rates):,.0f})",
                f" × {middle / base:.2f}",
            )
    print(f"load average before each: {loads}; {platform.processor()}, {os.cpu_count()} cores")
    if asked.out:
        with open(asked.out, "w", encoding="utf-8") as file:
            json.dump({"items_per_second": found, "load": loads, "cores": os.cpu_count()}, file, indent=2)


if __name__ == "__main__":
    main()
