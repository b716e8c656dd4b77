"""Piano rolls as MIDI files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from chainrule.data.readers.music import KEYS, LOWEST
from chainrule.domain import Domain
from chainrule.errors import ChainruleError, optional_import
from chainrule.files import atomic_path

TICKS = 480  # a step
VELOCITY = 80
TEMPO = 120  # quarter notes a minute


def check_midi(path: Path, domain: Domain) -> None:
    """See that items could be written as MIDI files.

    Raises:
        ChainruleError: if they are not piano rolls.
        MissingExtraError: if `mido` is not installed.
    """
    if domain.levels != 2 or domain.width != KEYS or domain.layout != "sequence":
        raise ChainruleError(f"{path}: a .mid needs steps of {KEYS} keys with 2 levels, got {domain}")
    optional_import("mido", "music")


def check_tempo(tempo: float) -> None:
    """Refuse what a MIDI file cannot say: it has 24 bits for the microseconds of a quarter note.

    Raises:
        ChainruleError: on a tempo that is none.
    """
    slowest = 60e6 / (2**24 - 1)
    if not slowest <= tempo <= 60e6:  # not a number is neither
        raise ChainruleError(f"tempo: expected {slowest:.2f} to {60e6:.0f} a minute, got {tempo}")


def write_midi(roll: Tensor, path: Path, *, tempo: float = TEMPO, resolution: int = 1) -> None:
    """Write a piece as a MIDI file of one track, whole or not at all; see `midi_file`."""
    with atomic_path(path) as temporary:
        midi_file(roll, tempo=tempo, resolution=resolution).save(temporary)


def midi_file(roll: Tensor, *, tempo: float = TEMPO, resolution: int = 1) -> Any:
    """A piece as a MIDI file of one track, a `mido.MidiFile`.

    Key k is the note 21 + k. A key that stays down is one note that is held: a roll cannot
    distinguish a note that is struck again from one that is held.

    Args:
        roll: (T, 88), 1 where a key is down; -1 after the end of the piece.
        tempo: quarter notes per minute.
        resolution: steps per quarter note.
    """
    check_tempo(tempo)
    mido = optional_import("mido", "music")
    down = torch.nn.functional.pad((roll.cpu() > 0).long(), (0, 0, 1, 1))
    changes = down.diff(dim=0)
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(tempo))])
    now = 0
    for step, keys in enumerate(changes):
        # A key goes up before another goes down: a step belongs to the notes that begin with it.
        for kind, change in (("note_off", -1), ("note_on", 1)):
            for key in (keys == change).nonzero()[:, 0].tolist():
                wait = (step - now) * TICKS
                track.append(mido.Message(kind, note=LOWEST + key, velocity=VELOCITY, time=wait))
                now = step
    length = int((roll >= 0).all(1).sum())
    track.append(mido.MetaMessage("end_of_track", time=(length - now) * TICKS))
    return mido.MidiFile(ticks_per_beat=TICKS * resolution, tracks=[track])
