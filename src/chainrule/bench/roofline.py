"""The least time that a rollout can take on this machine."""

from __future__ import annotations

import torch
from torch.utils._pytree import tree_leaves

from chainrule.bench.ceilings import measure_bandwidth, measure_peak
from chainrule.engine.step_cost import count_steps
from chainrule.models import AutoregressiveModel


def roofline(model: AutoregressiveModel, batch: int, steps: int) -> dict:
    """The least time for the first `steps` sites of a batch, with the present number of torch's threads.

    A step takes at least as long as its products at the measured peak, and as long as reading its weights, and reading
    and writing the state of each item, at the bandwidth measured on an array of their total size.

    Args:
        model: on the CPU.
        batch: items at once.
        steps: sites of each.

    Returns:
        "seconds" in all; whether they are bound "by" memory or by arithmetic; what they come from.

    References:
        Williams, Waterman, Patterson (2009), "Roofline: an insightful visual performance model for multicore
        architectures", https://doi.org/10.1145/1498765.1498785
    """
    threads = torch.get_num_threads()
    kinds = count_steps(model, steps)
    state = model.init_state(batch)
    resident = [*model.parameters(), *model.buffers(), *tree_leaves(state)]
    size = sum(x.numel() * x.element_size() for x in resident)
    bandwidth, peak = measure_bandwidth(size, threads), measure_peak(threads)
    arithmetic, memory, least = 0.0, 0.0, 0.0
    for kind in kinds:
        computing = batch * kind.cost.flops / max(peak.values())
        moving = (kind.cost.weights + batch * kind.cost.state) / max(bandwidth.values())
        arithmetic += kind.sites * computing
        memory += kind.sites * moving
        least += kind.sites * max(computing, moving)
    return {
        "seconds": least,
        "by": "arithmetic" if arithmetic > memory else "memory",
        "flops": batch * sum(kind.sites * kind.cost.flops for kind in kinds),
        "weight_bytes": sum(kind.sites * kind.cost.weights for kind in kinds),
        "state_bytes": batch * sum(kind.sites * kind.cost.state for kind in kinds),
        "resident_bytes": size,
        "bandwidth": bandwidth,
    }
