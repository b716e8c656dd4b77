"""How a source is read: the options of the user, and the codes of a run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from chainrule.data.choices import check_axes, check_pictures, parse_size
from chainrule.data.tokens import Tokens
from chainrule.domain import Domain
from chainrule.errors import DataError, nearest

FINEST = 64  # steps a quarter note
EXPECTED = {"features": "(bands, samples) of a frame", "na_values": "a list of texts"}


@dataclass(frozen=True)
class Reading:
    """Options of `load_data`, which documents them; a run keeps those that were given and reads new data by them.

    Attributes:
        domain, columns, rate, gain, labels, features, encoding, resolution, tracks, seed: see `load_data`.
        size, fit, mode, background, frames, axes: likewise, of pictures and arrays.
        delimiter, header, na_values: likewise, of tables in text.
        in_parts: likewise, of large sources.
        vocabulary: of a run on text, the character of each level. New text is numbered by it.
        tokens: of a run on the tokens of text, their code.
        classes: of a run on labelled data, name of each label → names of its classes. New labels are matched by name.
        unknown: the character that stands for those the vocabulary lacks; None refuses them.

    Raises:
        DataError: on a value that makes no sense.
    """

    domain: Domain | None = None
    columns: Mapping[str, str] | None = None
    rate: int | None = None
    gain: float | None = None
    labels: tuple[str, ...] | None = None
    features: tuple[int, int] | None = None
    encoding: str | None = None
    resolution: int | None = None
    tracks: tuple[str, ...] | None = None
    size: tuple[int, int] | None = None
    fit: str | None = None
    mode: str | None = None
    background: str | None = None
    frames: str | None = None
    axes: str | None = None
    delimiter: str | None = None
    header: bool | None = None
    na_values: tuple[str, ...] | None = None
    in_parts: bool | None = None
    seed: int = 0
    vocabulary: str | None = None
    tokens: Tokens | None = None
    classes: Mapping[str, Sequence[str]] | None = None
    unknown: str | None = None

    def __post_init__(self) -> None:
        if self.rate is not None and (type(self.rate) is not int or self.rate < 1):
            raise DataError(f"rate: expected Hz, an integer ≥ 1, got {self.rate!r}")
        if self.features is not None and (
            len(self.features) != 2 or any(type(number) is not int or number < 1 for number in self.features)
        ):
            raise DataError(
                f"features: expected (bands, samples) of a frame, integers ≥ 1, got {self.features!r}"
            )
        if self.gain is not None and not (
            type(self.gain) in (int, float) and math.isfinite(self.gain) and self.gain > 0
        ):
            raise DataError(f"gain: expected a number > 0, got {self.gain!r}")
        if self.encoding is not None and not _is_encoding(self.encoding):
            raise DataError(
                f"encoding: expected the name of one, such as utf-8, cp1252 or utf-16, got {self.encoding!r}"
            )
        if self.resolution is not None and (
            type(self.resolution) is not int or not 1 <= self.resolution <= FINEST
        ):
            raise DataError(
                f"resolution: expected steps a quarter note, an integer from 1 to {FINEST}, got {self.resolution!r}"
            )
        if self.tracks is not None and not (
            self.tracks and all(type(name) is str and name for name in self.tracks)
        ):
            raise DataError(f"tracks: expected names or numbers of tracks, as texts, got {self.tracks!r}")
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise DataError(f"delimiter: expected one character, such as ; or |, got {self.delimiter!r}")
        if self.header not in (None, True, False):
            raise DataError(f"header: expected True, False or None, got {self.header!r}")
        if self.in_parts not in (None, True, False):
            raise DataError(f"in_parts: expected True, False or None, got {self.in_parts!r}")
        if self.na_values is not None and not all(type(text) is str for text in self.na_values):
            raise DataError(f"na_values: expected texts, got {list(self.na_values)!r}")
        if type(self.seed) is not int or self.seed < 0:
            raise DataError(f"seed: expected an integer ≥ 0, got {self.seed!r}")
        check_pictures(self.size, self.fit, self.mode, self.background, self.frames)
        if self.axes is not None:
            check_axes(self.axes)
        if self.unknown is not None and (self.vocabulary is None or self.unknown not in set(self.vocabulary)):
            known = "a model of text" if self.vocabulary is None else "one character that the run knows"
            raise DataError(f"unknown: expected {known}, got {self.unknown!r}")

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Reading:
        """Build from plain options, such as those of a configuration.

        Raises:
            DataError: on an unknown option, with the nearest one, or a value that makes no sense.
            DomainError: if `domain` is a text that is not a domain.
        """
        known = [field.name for field in fields(cls)]
        for name in options:
            if name not in known:
                raise DataError(f"unknown option {name!r} of reading data; {nearest(name, known)}")
        chosen = dict(options)
        if isinstance(chosen.get("domain"), dict):
            chosen["domain"] = Domain.from_json(chosen["domain"])
        if isinstance(chosen.get("domain"), str):
            chosen["domain"] = Domain.parse(chosen["domain"])
        if chosen.get("size") is not None:
            chosen["size"] = parse_size(chosen["size"])
        if chosen.get("mode") == 1:  # in YAML, mode: 1
            chosen["mode"] = "1"
        for name in ("labels", "features", "tracks", "na_values"):
            value = chosen.get(name)
            if isinstance(value, str) or not isinstance(value, Sequence | None):
                what = EXPECTED.get(name, "a list of different names")
                raise DataError(f"{name}: expected {what}, got {value!r}")
            if value is not None:
                chosen[name] = tuple(value)
        return cls(**chosen)

    def to_dict(self) -> dict:
        """What differs from the defaults, as plain lists, texts and numbers, for a configuration; and the seed."""
        plain: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value == field.default and field.name != "seed":
                continue
            if isinstance(value, Domain):
                value = json.loads(json.dumps(value.to_json())) if value.columns else str(value)
            plain[field.name] = list(value) if isinstance(value, tuple) else value
        return plain


def _is_encoding(name: object) -> bool:
    """Whether Python decodes texts by this name; it has codecs of other kinds too, such as zip's."""
    try:
        return isinstance(name, str) and bool(b"aaaa".decode(name))
    except UnicodeError:
        return True
    except (LookupError, ValueError):
        return False
