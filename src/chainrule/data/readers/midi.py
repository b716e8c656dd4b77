"""MIDI files → piano rolls: a file, or those of a folder."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np

from chainrule.data.limits import check_size
from chainrule.data.notes import Notes, counted, listed
from chainrule.data.raw import Raw, reading
from chainrule.data.readers.gather import gather, raw_of
from chainrule.data.readers.music import KEYS, LOWEST
from chainrule.data.reading import Reading
from chainrule.domain import Domain
from chainrule.errors import DataError, optional_import

SUFFIXES = (".mid", ".midi")
RESOLUTION = 4  # steps a quarter note
WINDOW = 64  # steps
DRUMS = 9  # the channel, counted from 0, whose notes are no pitches
TEMPO = 500_000  # microseconds a quarter note, of a file that does not say
PEDAL = 64
EACH = 200  # bytes of memory for a byte of a file, as messages
COPIES = 6  # of a roll, until it is windows


@dataclass
class Piece:
    """The notes of a file.

    Attributes:
        notes: (start, end, pitch) of each, in ticks.
        beat: ticks a quarter note.
        length: ticks of the file.
        tracks: the name of each track, and how many notes it has, those of drums included.
        tempi: microseconds a quarter note, in the order of the file.
        tally: how many notes are of drums or without an end, and how often the pedal moves.
    """

    beat: int
    notes: list[tuple[int, int, int]] = field(default_factory=list)
    length: int = 0
    tracks: list[tuple[str, int]] = field(default_factory=list)
    tempi: list[int] = field(default_factory=list)
    tally: Counter[str] = field(default_factory=Counter)


def read_midi(source: Path, how: Reading) -> Raw:
    """Read each file as a roll (steps, 88): column k is the note 21 + k, 1 where the key is down.

    Steps are parts of beats, so that tempo has no part in them. Of a folder, subfolders are splits and classes, as
    those of pictures.

    Args:
        source: the file or the folder.
        how: the resolution, steps a quarter note; the tracks to take, by name or number from 0, where all but drums
            are not meant.

    Raises:
        DataError: if a file is damaged, or none has notes.
        MissingExtraError: if `mido` is not installed.
    """
    raw = raw_of(source, Notes())
    files = gather(source, SUFFIXES, "MIDI files", raw.notes)
    resolution = how.resolution or RESOLUTION
    pieces = {path: read_piece(path, how.tracks) for path in files.every}
    empty = [
        path for path, piece in pieces.items() if not any(_on_keys(pitch) for _, _, pitch in piece.notes)
    ]
    if len(empty) == len(pieces):
        raise DataError(f"{source}: {_nothing(next(iter(pieces.values())), how)}")
    if empty:
        raw.notes.ignored.append(
            f"{counted(len(empty), 'piece')} without notes: {listed(path.name for path in empty)}"
        )
    files = files.without(empty)
    tally: Counter[str] = Counter()
    rolls = {path: roll(pieces[path], resolution, str(path), tally) for path in files.every}
    raw.streams = {split: [rolls[path] for path in part] for split, part in files.parts.items()}
    raw.labels, raw.class_names, raw.items = files.labels, files.class_names, files.items
    raw.domain = Domain.sequence(WINDOW, 2, width=KEYS, lengths="given")
    raw.chosen["resolution"] = resolution
    _say(raw.notes, [pieces[path] for path in files.every], tally, resolution)
    return raw


def read_piece(path: Path, tracks: tuple[str, ...] | None = None) -> Piece:
    """The notes of a file, those of drums only where their track is named.

    Raises:
        DataError: if it is damaged, or counts time in something else than beats.
    """
    mido = optional_import("mido", "music")
    with reading(str(path)):
        check_size(str(path), EACH * path.stat().st_size)
        content = BytesIO(path.read_bytes())  # of which no more is ever read than there is
        try:
            file = mido.MidiFile(file=content)
        except EOFError:
            raise DataError(f"{path}: is cut short; copy it again") from None
        except Exception as error:  # whatever a parser of damaged files meets
            reason = str(error) or type(error).__name__
            raise DataError(f"{path}: is damaged, or not a MIDI file ({reason}); export it again") from error
        if file.ticks_per_beat <= 0:
            raise DataError(
                f"{path}: its time is not in beats (SMPTE); export it with ticks per quarter note"
            )
        if file.type == 2:
            raise DataError(f"{path}: each of its tracks is a separate piece (type 2); save each as a file")
    piece = Piece(file.ticks_per_beat)
    wanted = None if tracks is None else {name.casefold() for name in tracks}
    open_: dict[tuple[int, int, int], list[int]] = {}
    for number, track in enumerate(file.tracks):
        named = wanted is not None and bool({str(number), track.name.casefold()} & wanted)
        now = count = 0
        for message in track:
            now += message.time
            if message.type == "set_tempo":
                piece.tempi.append(message.tempo)
            elif message.type == "control_change":
                piece.tally["pedal"] += message.control == PEDAL
            if message.type not in ("note_on", "note_off"):
                continue
            starts = message.type == "note_on" and message.velocity > 0
            count += starts
            drums = message.channel == DRUMS
            piece.tally["drums"] += starts and drums and wanted is None
            if (wanted is not None and not named) or (drums and wanted is None):
                continue
            key = (number, message.channel, message.note)
            if starts:
                open_.setdefault(key, []).append(now)
            else:
                piece.notes += [(start, now, message.note) for start in open_.pop(key, ())]
        piece.tracks.append((track.name, count))
        piece.length = max(piece.length, now)
    for (_, _, pitch), starts_at in open_.items():
        piece.notes += [(start, piece.length, pitch) for start in starts_at]
        piece.tally["open"] += len(starts_at)
    return piece


def roll(piece: Piece, resolution: int, where: str, tally: Counter[str]) -> np.ndarray:
    """The piece as steps.

    Args:
        piece: with notes.
        resolution: steps a quarter note.
        where: for messages.
        tally: counts the notes, those outside the keys, moved to a step, and joined to the one before.

    Returns:
        (steps, 88) uint8.

    Raises:
        DataError: if it would be too large for memory.
    """

    def step(tick: int) -> int:  # the nearest
        return (2 * tick * resolution + piece.beat) // (2 * piece.beat)

    played = [note for note in piece.notes if _on_keys(note[2])]
    tally["notes"] += len(played)
    tally["outside"] += len(piece.notes) - len(played)
    tally["moved"] += sum(any(tick * resolution % piece.beat for tick in note[:2]) for note in played)
    notes = sorted((step(start), max(step(end), step(start) + 1), pitch) for start, end, pitch in played)
    steps = max([step(piece.length), 1, *(end for _, end, _ in notes)])
    check_size(where, COPIES * KEYS * steps)
    keys, until = np.zeros((KEYS, steps), np.uint8), [-1] * KEYS
    for start, end, pitch in notes:
        key = pitch - LOWEST
        tally["joined"] += start <= until[key]
        keys[key, max(start, until[key]) : end] = 1
        until[key] = max(end, until[key])
    return np.ascontiguousarray(keys.T)


def _on_keys(pitch: int) -> bool:
    return LOWEST <= pitch < LOWEST + KEYS


def _nothing(piece: Piece, how: Reading) -> str:
    """Why there are no notes."""
    there = listed(f"{number} {name!r} ({n:,})" for number, (name, n) in enumerate(piece.tracks)) or "none"
    if how.tracks is not None:
        return f"no notes in the tracks {listed(how.tracks)}; its tracks, and their notes: {there}"
    drums = (
        "but those of drums; name tracks with --tracks to take them"
        if piece.tally["drums"]
        else "on the keys"
    )
    return f"holds no notes {drums}; its tracks, and their notes: {there}"


def _say(notes: Notes, pieces: list[Piece], tally: Counter[str], resolution: int) -> None:
    """What is in the pieces, and what the steps do not have of it."""
    for piece in pieces:
        tally += piece.tally
    if len(pieces) == 1:
        notes.found.insert(
            0,
            "tracks: "
            + listed(f"{i} {name!r} ({counted(n, 'note')})" for i, (name, n) in enumerate(pieces[0].tracks)),
        )
    notes.found.insert(
        0,
        f"{counted(len(pieces), 'piece')} of {counted(tally['notes'], 'note')}, {resolution} steps a quarter note",
    )
    tempi = sorted(60e6 / max(1, (piece.tempi or [TEMPO])[0]) for piece in pieces)
    span = f"{tempi[0]:.0f}" + (f" to {tempi[-1]:.0f}" if round(tempi[-1]) > round(tempi[0]) else "")
    varied = sum(len(set(piece.tempi)) > 1 for piece in pieces)
    changes = f", and its changes in {counted(varied, 'piece')}" if varied else ""
    notes.ignored.append(
        f"the tempo, {span} quarter notes a minute at first{changes}: steps are parts of beats"
    )
    ignored = {
        "drums": f"{counted(tally['drums'], 'note')} of drums; name tracks with --tracks to take them",
        "outside": f"{counted(tally['outside'], 'note')} outside the {KEYS} keys, A0 to C8",
        "pedal": "the sustain pedal",
    }
    changed = {
        "moved": f"{counted(tally['moved'], 'note')} moved to the nearest step; --resolution (resolution=…) names "
        f"finer steps",
        "open": f"{counted(tally['open'], 'note')} without an end, held to the end of the piece",
        "joined": f"{counted(tally['joined'], 'note')} joined with the one before: the key is still down, or comes up "
        f"just then, which a roll cannot distinguish",
    }
    notes.ignored += [line for name, line in ignored.items() if tally[name]]
    notes.changed += [line for name, line in changed.items() if tally[name]]
