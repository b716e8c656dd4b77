"""What a run writes while it trains: the best weights and the curve."""

from __future__ import annotations

import csv
import io
import math
import time
from typing import Any

import lightning.pytorch as pl
import torch

from chainrule.bits import bits_per_dim, is_density
from chainrule.errors import ChainruleError
from chainrule.files import write_text
from chainrule.models.base.capabilities import Bounded, Exact
from chainrule.models.store import save_weights
from chainrule.run_files import METRICS, WEIGHTS
from chainrule.training.config import TrainingConfig
from chainrule.training.module import Likelihood
from chainrule.training.ranks import whole
from chainrule.training.run import COLUMNS
from chainrule.training.session import Session, minutes_in_words

LOGGED = 50  # steps from one line of a logger to the next


class Recorder(pl.Callback):
    """After each epoch: keep the best weights, append to `metrics.csv`; then the `Keeper` writes its checkpoint.

    In that order, and each atomically: a run killed in between repeats what came after the last checkpoint, and writes
    the same again.

    Args:
        session: where it is written, and what another run reached.
        config: how long to train, and how patiently.
        epochs: at most.

    Attributes:
        ended: why training ended before its last epoch, in words.
    """

    def __init__(self, session: Session, config: TrainingConfig, epochs: int) -> None:
        self.session, self.config, self.epochs, self.ranks = session, config, epochs, session.ranks
        self.halfway = -(-epochs // 2)
        self.rival = session.rival(self.halfway)
        self.history: list[dict[str, float]] = []
        self.seconds = 0.0  # of training, over all sessions, until the last validation or checkpoint
        self._started = time.perf_counter()
        self._agreed = 0.0  # of several processes, the first one's time at the last step
        self.going = False  # whether a step has been made since it started or went on
        self.ended = ""

    @property
    def best(self) -> dict[str, float] | None:
        """The epoch of the lowest validation."""
        return min(self.history, key=lambda row: row["valid_nats"], default=None)

    def elapsed(self) -> float:
        """The seconds of training until now, over all sessions; the same for all processes."""
        return self._agreed if self.ranks.world > 1 else self._clock()

    def _clock(self) -> float:
        return self.seconds + time.perf_counter() - self._started

    def take_time(self) -> None:
        """Count the seconds until now, by the first process's clock."""
        self.seconds = self._agreed = self.ranks.told(self._clock())
        self._started = time.perf_counter()

    @property
    def share(self) -> float:
        """The part of the time that is over; 0 without a limit."""
        return self.elapsed() / (60 * self.config.minutes) if self.config.minutes else 0.0

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """A resumed run whose patience or time had run out stays stopped."""
        self._started = time.perf_counter()
        self._stop(trainer, self._exhausted())

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, *args: Any) -> None:
        """Agree on the time, where it counts."""
        if self.config.minutes:
            self._agreed = self.ranks.told(self._clock())

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, *args: Any) -> None:
        """All that a checkpoint holds has been used; look at the clock."""
        self.going = True
        self._stop(trainer, self._late(self.elapsed()))
        last = module.trained.last
        if trainer.loggers and trainer.global_step % LOGGED == 0 and last is not None:
            self._log(trainer, {"train_nats_of_batch": last.mean().item()})

    def on_validation_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Record the epoch. This runs before the averaged weights are swapped out again."""
        assert isinstance(module, Likelihood)
        self.take_time()
        train, valid, bits = self._means(module)
        if not math.isfinite(valid):
            lr = module.config.lr
            raise ChainruleError(
                f"training diverged: validation is {valid} nats in epoch {trainer.current_epoch}; "
                f"lower lr ({lr:g})"
            )
        best = self.best
        if best is None or valid < best["valid_nats"]:
            self._save_weights(module)
        self.history.append(
            {
                "epoch": trainer.current_epoch,
                "step": trainer.global_step,
                "train_nats": train,
                "valid_nats": valid,
                "valid_bits_per_dim": bits,
                "lr": trainer.optimizers[0].param_groups[0]["lr"],
                "seconds": self.seconds,
            }
        )
        self._write_curve()
        self._log(trainer, self.history[-1])
        self._stop(trainer, self._exhausted())

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        """Stopped before the first validation: keep the weights there are."""
        stopped = isinstance(exception, KeyboardInterrupt | SystemExit) and not self.ranks.sharded
        if (
            stopped
            and self.ranks.first
            and not (self.session.folder / WEIGHTS).exists()
            and isinstance(module, Likelihood)
        ):
            save_weights(module.model.state_dict(), self.session.folder / WEIGHTS)

    def state_dict(self) -> dict[str, Any]:
        """The curve so far."""
        return {"history": self.history, "seconds": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint; what was recorded after it is dropped."""
        rows = [{name: row[name] for name in COLUMNS} for row in state["history"]]
        if not all(isinstance(number, int | float) for row in rows for number in row.values()):
            raise TypeError("its curve is not of numbers")
        self.history, self.seconds = rows, float(state["seconds"])
        self._write_curve()

    def _stop(self, trainer: pl.Trainer, reason: str) -> None:
        """Stop where there is a reason to."""
        self.ended = self.ended or reason
        trainer.should_stop = trainer.should_stop or bool(reason)

    def _exhausted(self) -> str:
        """Why training ends here; empty where it goes on."""
        best, patience = self.best, self.config.patience
        if patience and best and self.history[-1]["epoch"] - best["epoch"] >= patience:
            return f"no better validation in {patience} epoch{'s' * (patience > 1)}"
        if best and len(self.history) >= self.halfway and best["valid_nats"] > self.rival:
            return (
                f"after half of its epochs worse than an earlier trial was "
                f"({best['valid_nats']:.2f} against {self.rival:.2f} nats)"
            )
        return self._late(
            self.seconds
        )  # as the checkpoint has them, so that a run that ended is not begun again

    def _late(self, seconds: float) -> str:
        over = 0 < 60 * self.config.minutes <= seconds
        return f"the {minutes_in_words(self.config.minutes)} are over" if over else ""

    @staticmethod
    def _log(trainer: pl.Trainer, numbers: dict[str, float]) -> None:
        """Tell the loggers; Lightning's are silent in all processes but the first."""
        finite = {name: value for name, value in numbers.items() if math.isfinite(value)}
        for logger in trainer.loggers:
            logger.log_metrics(finite, step=trainer.global_step)

    def _means(self, module: Likelihood) -> tuple[float, float, float]:
        """Nats of the training and the validation, and bits/dim of the latter: NaN but for levels or their bound."""
        nats = torch.cat(module.valid_nats).cpu().double() if module.valid_nats else torch.zeros(0)
        variables = torch.cat(module.valid_variables) if module.valid_variables else torch.zeros(0)
        # Exact counts, and sums of one process as of many up to float64's rounding.
        of_train, trained = module.trained.total(self.ranks)
        sums = [nats.sum().item(), len(nats), variables.sum().item()]
        of_valid, validated, counted = self.ranks.total(torch.tensor(sums, dtype=torch.float64)).tolist()
        likelihood = isinstance(module.model, Exact | Bounded) and not is_density(module.model.domain)
        bits = (
            bits_per_dim(torch.tensor(of_valid, dtype=torch.float64), torch.tensor(counted)).item()
            if likelihood
            else math.nan
        )
        return of_train / trained, of_valid / validated, bits

    def _save_weights(self, module: Likelihood) -> None:
        """By the first process; gathered from all, where each has a share."""
        weights = {}
        for name, tensor in module.model.state_dict().items():
            gathered = whole(tensor)
            if self.ranks.first:
                weights[name] = gathered
        if self.ranks.first:
            save_weights(weights, self.session.folder / WEIGHTS)

    def _write_curve(self) -> None:
        if not self.ranks.first:
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.history)
        write_text(self.session.folder / METRICS, text.getvalue())
