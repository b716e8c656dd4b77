"""The processes that share one training, and what each of them does of a batch."""

from __future__ import annotations

import atexit
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import torch
import torch.distributed as dist
from torch import Tensor

from chainrule.errors import ChainruleError, nearest

if TYPE_CHECKING:
    from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment

STRATEGIES = ("auto", "ddp", "fsdp")


@dataclass(frozen=True)
class Ranks:
    """How many processes train one model, and which of them this is.

    A batch is cut into `parts`, one for each process and accumulated pass. Part p draws its own noise, whoever computes
    it: two processes do what one does that accumulates two passes.

    Attributes:
        devices: processes on each machine.
        nodes: machines.
        strategy: "ddp", each process holds the whole model, or "fsdp", each holds its share of it; "auto" is "ddp".
        accumulate: passes whose gradients are summed before a step.
        rank: which process this is, 0 … world - 1; the first one writes.
        running: whether this is one of them, not the process that starts them.
    """

    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"
    accumulate: int = 1
    rank: int = 0
    running: bool = False

    @classmethod
    def of(cls, devices: int | None, nodes: int | None, strategy: str, accumulate: int) -> Self:
        """As asked for; under torchrun or `srun`, what they have started, unless one process is asked for.

        Raises:
            ChainruleError: on a number below 1 or an unknown strategy; if a launcher has started other numbers, or none
                has where there are several machines.
        """
        for name, value in (("devices", devices), ("nodes", nodes), ("accumulate", accumulate)):
            if value is not None and value < 1:
                raise ChainruleError(f"{name}: expected an integer ≥ 1, got {value}")
        if strategy not in STRATEGIES:
            raise ChainruleError(f"strategy: unknown {strategy!r}; {nearest(strategy, STRATEGIES)}")
        alone = devices == 1 and nodes in (None, 1)
        started = None if alone else _started(os.environ, (devices or 1) * (nodes or 1))
        if started is None:
            if (nodes or 1) > 1:
                raise ChainruleError(
                    f"nodes: expected the processes of {nodes} machines to be started by torchrun or srun; start "
                    f"`torchrun --nnodes {nodes} --nproc-per-node {devices or 1} -m chainrule …` on each"
                )
            return cls(devices or 1, 1, strategy, accumulate)
        found_devices, found_nodes, rank = started
        if (devices or found_devices, nodes or found_nodes) != (found_devices, found_nodes):
            raise ChainruleError(
                f"devices, nodes: the launcher has started {found_devices} on each of {found_nodes}, "
                f"got {devices or 1} and {nodes or 1}"
            )
        return cls(found_devices, found_nodes, strategy, accumulate, rank, running=True)

    @property
    def world(self) -> int:
        """The number of processes."""
        return self.devices * self.nodes

    @property
    def parts(self) -> int:
        """Into how many parts a batch is cut."""
        return self.world * self.accumulate

    @property
    def first(self) -> bool:
        """Whether this process writes."""
        return self.rank == 0

    @property
    def sharded(self) -> bool:
        """Whether each process holds its share of the parameters alone."""
        return self.world > 1 and self.strategy == "fsdp"

    def part(self, index: int) -> int:
        """Which part of its batch this process computes in the pass `index` of an epoch."""
        return index % self.accumulate * self.world + self.rank

    # --- what processes tell one another ---------------------------------------------------------

    @property
    def _several(self) -> bool:
        return self.running and self.world > 1

    def total(self, numbers: Tensor) -> Tensor:
        """The sum over processes of float64 numbers."""
        if self._several:
            found = numbers if dist.get_backend() != "nccl" else numbers.cuda()
            dist.all_reduce(found)
            return found.to(numbers.device)
        return numbers

    def told(self, value: Any) -> Any:
        """What the first process has here."""
        if self._several:
            box = [value]
            dist.broadcast_object_list(box)
            return box[0]
        return value

    def wait(self) -> None:
        """Until all have come here."""
        if self._several:
            dist.barrier()

    # --- how they come together ------------------------------------------------------------------

    def join(self, device: torch.device) -> None:
        """Come together with the others that a launcher has started; the group lasts as long as this process."""
        if not self._several or dist.is_initialized():
            return
        environment = self.environment()
        os.environ["MASTER_ADDR"] = environment.main_address
        os.environ["MASTER_PORT"] = str(environment.main_port)
        if device.type == "cuda":
            torch.cuda.set_device(environment.local_rank())
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, rank=self.rank, world_size=self.world)
        atexit.register(dist.destroy_process_group)

    def environment(self) -> ClusterEnvironment:
        """What Lightning knows of the other processes."""
        from lightning.fabric.plugins.environments.lightning import LightningEnvironment
        from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
        from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

        if self._several and TorchElasticEnvironment.detect():
            return TorchElasticEnvironment()
        if self._several and "LOCAL_RANK" not in os.environ:
            return SLURMEnvironment(auto_requeue=False)
        return LightningEnvironment()  # one process, whatever a cluster's variables say of others

    def as_rank(self, rank: int) -> Self:
        """One of the processes that this one starts."""
        return replace(self, rank=rank, running=True)


def _started(variables: Any, asked: int) -> tuple[int, int, int] | None:
    """Processes a machine, machines and the own rank, as torchrun or `srun` have started them."""
    try:
        if "TORCHELASTIC_RUN_ID" in variables and int(variables["WORLD_SIZE"]) > 1:
            world, local = int(variables["WORLD_SIZE"]), int(variables["LOCAL_WORLD_SIZE"])
            return local, world // local, int(variables["RANK"])
        # Inside an allocation a plain process has such variables too, without a step of several tasks.
        if asked > 1 and int(variables.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
            world, nodes = int(variables["SLURM_STEP_NUM_TASKS"]), int(variables["SLURM_STEP_NUM_NODES"])
            return world // nodes, nodes, int(variables["SLURM_PROCID"])
    except (KeyError, ValueError) as error:
        raise ChainruleError(f"the launcher's variables cannot be read: {error}") from error
    return None


def local(tensor: Tensor) -> Tensor:
    """What this process holds of it."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def whole(tensor: Tensor) -> Tensor:
    """All of it, gathered from all processes."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def share_of(tensor: Tensor, like: Any) -> Tensor:
    """A whole tensor, cut as another one is."""
    if not hasattr(like, "device_mesh"):
        return tensor.to(like.device)
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements)
