"""Models that no process holds in full: FSDP2 by Lightning's strategy, its checkpoints those of one process."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from lightning.pytorch.strategies import ModelParallelStrategy
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

from chainrule.models import Model

FULL = StateDictOptions(full_state_dict=True)


class Sharded(ModelParallelStrategy):
    """Each rank holds its share of the weights, gradients, averages and of what the optimiser keeps.

    Checkpoints are those of one process: whole tensors, written by the first rank.
    """

    def __init__(self, world: int) -> None:
        super().__init__(world, 1, save_distributed_checkpoint=False)

    @property
    def lightning_restore_optimizer(self) -> bool:
        """By `load_optimizer_state_dict`."""
        return True

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        """Read by each rank in full."""
        return self.checkpoint_io.load_checkpoint(checkpoint_path)

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Each rank takes its share."""
        assert self.model is not None
        set_model_state_dict(self.model, dict(checkpoint["state_dict"]), options=FULL)

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Likewise; parameters have numbers in a checkpoint."""
        assert self.model is not None
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            set_optimizer_state_dict(self.model, optimizer, _named(state, self.model), options=FULL)


def shard(model: Model, called: Collection[nn.Module], mesh: Any) -> None:
    """Cut the parameters of each repeated layer, then of the rest, along their first dimension.

    Args:
        model: has been built in full.
        called: its modules that are called in a pass; the weights of others are used where they are not called.
        mesh: of the ranks.
    """
    for layer in [layer for block in model.modules() if isinstance(block, nn.ModuleList) for layer in block]:
        if layer in called and any(p.requires_grad for p in layer.parameters()):
            fully_shard(layer, mesh=mesh, reshard_after_forward=True)
    fully_shard(model, mesh=mesh, reshard_after_forward=True)
    for name in ("loss", "valid_loss"):
        register_fsdp_forward_method(model, name)


def _named(state: dict[str, Any], module: nn.Module) -> dict[str, Any]:
    names = [name for name, p in module.named_parameters() if p.requires_grad]
    return {
        "state": {names[number]: kept for number, kept in state["state"].items()},
        "param_groups": [
            {**group, "params": [names[number] for number in group["params"]]}
            for group in state["param_groups"]
        ],
    }
