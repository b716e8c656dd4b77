"""Whole files of sounds, texts and music, and how each is read: what `readers.py` damages besides pictures."""

import io
import random
from pathlib import Path

import mido
import numpy as np
import soundfile
from seeds import Reader, Seed, plain

from chainrule.data import load_data

# Sounds

POLYNOMIAL = 0x04C11DB7  # of the checksum of an Ogg page


def checksum_table() -> list[int]:
    """The remainder of each byte."""
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1 ^ (POLYNOMIAL if value >> 31 else 0)) & 0xFFFFFFFF
        table.append(value)
    return table


TABLE = checksum_table()


def with_checksums(blob: bytes) -> bytes:
    """The pages of an Ogg file, each with the checksum of what it holds."""
    out, start = bytearray(blob), blob.find(b"OggS")
    while 0 <= start <= len(out) - 27:
        after = out.find(b"OggS", start + 4)
        end = after if after > 0 else len(out)
        out[start + 22 : start + 26] = bytes(4)
        value = 0
        for byte in out[start:end]:
            value = (value << 8 & 0xFFFFFFFF) ^ TABLE[value >> 24 ^ byte]
        out[start + 22 : start + 26] = value.to_bytes(4, "little")
        start = after
    return bytes(out)


def sounds() -> list[Seed]:
    """Of every format and width, of one channel and of two."""
    tone = 0.5 * np.sin(np.arange(2400) / 9)
    made = [
        (".wav", "WAV", ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "IMA_ADPCM")),
        (".flac", "FLAC", ("PCM_16", "PCM_24")),
        (".aiff", "AIFF", ("PCM_16", "FLOAT")),
        (".ogg", "OGG", ("VORBIS",)),
        (".opus", "OGG", ("OPUS",)),
        (".mp3", "MP3", ("MPEG_LAYER_III",)),
        (".wav", "RF64", ("PCM_16",)),
        (".wav", "WAVEX", ("PCM_16",)),
    ]
    seeds = []
    for suffix, name, subtypes in made:
        for subtype in subtypes:
            for channels in (1, 2):
                target = io.BytesIO()
                rate = 48000 if subtype == "OPUS" else 16000
                both = np.stack([tone, tone[::-1]], 1)[:, :channels]
                soundfile.write(target, both, rate, subtype, format=name)
                seeds.append(Seed(suffix, target.getvalue(), with_checksums if name == "OGG" else plain))
    return seeds


SOUNDS: tuple[dict, ...] = (
    {},
    {"rate": 8000},
    {"gain": 0.5, "domain": "sequence:64:65536:given"},
    {"domain": "sequence:64:256:given", "features": [4, 16]},
)


def read_sound(path: Path, chance: random.Random) -> None:
    """As data to train on, with options of every kind."""
    load_data(path, **chance.choice(SOUNDS))


# Texts


def texts() -> list[Seed]:
    """In the encodings that have a mark, in plain UTF-8, with line ends of all kinds."""
    text = "The naïve café\r\nis open\nfrom ten\rto \u2028 ten,\x0ctoo. \U0001d11e\n" * 6
    codecs = ("utf-8", "utf-8-sig", "utf-16", "utf-32")
    marked = [b"\xfe\xff" + text.encode("utf-16-be"), b"\0\0\xfe\xff" + text.encode("utf-32-be")]
    return [
        Seed(suffix, blob)
        for suffix in (".txt", ".md")
        for blob in [*(text.encode(c) for c in codecs), *marked]
    ]


TEXTS: tuple[dict, ...] = (
    {},
    {"encoding": "latin-1"},
    {"domain": "sequence:32:256"},
    {"domain": "sequence:40:80:ends"},
)


def read_text(path: Path, chance: random.Random) -> None:
    """As data to train on, with options of every kind."""
    load_data(path, **chance.choice(TEXTS))


# Music


def music() -> list[Seed]:
    """Files of one track and of several, with drums, a pedal, tempi and notes that do not end."""
    rng, seeds = random.Random(0), []
    for kind, tracks, beat in ((0, 1, 480), (1, 1, 96), (1, 3, 220), (1, 4, 1)):
        file = mido.MidiFile(type=kind, ticks_per_beat=beat)
        for number in range(tracks):
            track = mido.MidiTrack([mido.MetaMessage("track_name", name=f"part {number}")])
            track.append(mido.MetaMessage("set_tempo", tempo=400_000 + number))
            track.append(mido.MetaMessage("key_signature", key="F#m"))
            track.append(mido.Message("program_change", program=number))
            track.append(mido.Message("sysex", data=(1, 2, 3)))
            for _ in range(40):
                channel, note = (9 if number == 2 else number), rng.randrange(20, 110)
                track.append(
                    mido.Message("note_on", note=note, channel=channel, time=rng.randrange(beat + 1))
                )
                track.append(mido.Message("control_change", control=64, value=rng.randrange(128)))
                if rng.random() < 0.9:
                    track.append(
                        mido.Message("note_off", note=note, channel=channel, time=rng.randrange(2 * beat))
                    )
            file.tracks.append(track)
        target = io.BytesIO()
        file.save(file=target)
        seeds.append(Seed(".mid", target.getvalue()))
    return seeds


MUSIC: tuple[dict, ...] = ({}, {"resolution": 1}, {"resolution": 64}, {"tracks": ["0", "part 1"]})


def read_music(path: Path, chance: random.Random) -> None:
    """As data to train on, with options of every kind."""
    load_data(path, **chance.choice(MUSIC))


READERS = {
    "sounds": Reader(sounds, read_sound),
    "texts": Reader(texts, read_text),
    "music": Reader(music, read_music),
}
