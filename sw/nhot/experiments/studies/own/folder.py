"""The folder of a study: what it is of, and a network and a record for each trial that is done."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from nhot.errors import NhotError
from nhot.experiments.studies.own.subject import OwnStudy, digest
from nhot.files import check_folder
from nhot.network import Network
from nhot.network.file import load
from nhot.report.schema import Made
from nhot.schema import read_json
from nhot.trials import Rounded, Scored, read_result, write_result

__all__ = ["OwnFolder", "Trial"]

_MARKER = "study.json"
_ORIGINAL = "original"
_WHAT = {
    "version": "by another version of nhot", "model": "of another model, or of other weights",
    "data": "on other data, or on other samples of them",
}


@dataclass(frozen=True, kw_only=True)
class _Marker:
    """What a study is of, by :meth:`OwnStudy.identity`; names are for readers."""

    kind: str
    model: str
    data: str
    identity: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What came of one format, or of the original, which is not rounded.

    Parameters
    ----------
    digest : str
        Of what it follows from.
    scored : Scored
    made : Made
        When, and with what.
    rounded : Rounded, optional
    """

    digest: str
    scored: Scored
    made: Made
    rounded: Rounded | None = None


class OwnFolder:
    """Results of a study, which are there whole or not at all.

    Parameters
    ----------
    path : path
        Made if it is missing.
    study : OwnStudy

    Raises
    ------
    NhotError
        The folder holds something else, or another study.
    """

    def __init__(self, path: str | os.PathLike[str], study: OwnStudy):
        self.path, self.study = Path(path), study
        check_folder(path)
        marker = self.path / _MARKER
        others = self.path.is_dir() and any(self.path.iterdir())
        if others and not marker.is_file():
            raise NhotError(f"Folder {str(path)!r} must be empty or that of a study, with a file "
                            f"{_MARKER}, not one with other files")
        self.identity = study.identity()
        if marker.is_file():
            self._check(read_json(_Marker, marker, "Study"))
            return
        self.path.mkdir(parents=True, exist_ok=True)
        write_result(marker, _Marker(
            kind="formats", model=study.original.model, data=study.data.data,
            identity=self.identity))

    def network_path(self, format: str) -> Path:
        """Of the network in a format, whether or not it is there."""
        return self.path / f"{_file(format)}.onnx"

    def network(self, format: str) -> Network:
        """The network in a format, which is there."""
        return load(self.network_path(format))

    def trial(self, format: str = "") -> Trial | None:
        """What is known of a format, or of the original; None if it is yet to be found out."""
        path = self._record(format)
        if not path.is_file():
            return None
        trial = read_result(Trial, path)
        if trial.digest != digest(self.identity, format):
            raise NhotError(f"Record {str(path)!r} must be of this study, not of another one")
        if (trial.rounded is None) != (not format):
            raise NhotError(f"Record {str(path)!r} must be of {format or 'the original'!r}")
        return None if trial.rounded and not self._is_there(trial.rounded, format) else trial

    def keep(self, format: str, scored: Scored, made: Made, rounded: Rounded | None) -> Trial:
        """Write what came of a format, whose network is there."""
        trial = Trial(digest=digest(self.identity, format), scored=scored, made=made,
                      rounded=rounded)
        write_result(self._record(format), trial)
        return trial

    def _is_there(self, rounded: Rounded, format: str) -> bool:
        """Whether the network is as it was when it was measured."""
        path = self.network_path(format)
        return (path.is_file()
                and hashlib.sha256(path.read_bytes()).hexdigest() == rounded.sha256)

    def _record(self, format: str) -> Path:
        return self.path / f"{_file(format) if format else _ORIGINAL}.json"

    def _check(self, found: _Marker) -> None:
        for name, value in self.identity.items():
            known = found.identity.get(name)
            if known != value:
                what = _WHAT.get(name, f"with {name} {known}")
                raise NhotError(f"Folder {str(self.path)!r} must be of this study, not of one "
                                f"{what}: {found.model!r} on {found.data!r}")


def _file(format: str) -> str:
    return format.replace("/", "-")
