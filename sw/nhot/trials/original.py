"""The model that a user brings: of the catalogue, in a Python file, or in another tool's file."""

from __future__ import annotations

import ast
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nhot.errors import NhotError

if TYPE_CHECKING:
    from nhot.stages import Stage

__all__ = ["Original"]


@dataclass(frozen=True, kw_only=True)
class Original:
    """A model before it is quantised.

    Parameters
    ----------
    model : str
        A name of the catalogue, ``path/to/file.py:function``, or a file of another tool.
    options : dict
        Arguments of the function, as they are typed.
    weights : str, optional
        File of a state_dict, or of a checkpoint.
    seed : int
        Of random weights, where there are no others.
    """

    model: str
    options: dict[str, str] = field(default_factory=dict)
    weights: str | None = None
    seed: int = 0

    @property
    def is_foreign(self) -> bool:
        """Whether it is a file of another tool."""
        from nhot.filetype import is_foreign

        return is_foreign(self.model)

    @property
    def name(self) -> str:
        """What it is called: as the function, the file or the entry of the catalogue is."""
        return Path(self.model).stem if self.is_foreign else self.model.rpartition(":")[2]

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of its input, of a network of the catalogue; None of others."""
        from nhot.experiments.models.catalogue import CATALOGUE

        return CATALOGUE[self.model].input_shape[1:] if self.model in CATALOGUE else None

    def check_kind(self) -> None:
        """Refuse a file that is no model, by what it is."""
        from nhot.experiments.models.catalogue import NAMES
        from nhot.filetype import expect

        if self.model not in NAMES:
            expect(self.model, "model", "foreign")

    def check_weights(self) -> None:
        """Refuse a network of the catalogue that has random weights."""
        if self.weights is None and ":" not in self.model and not self.is_foreign:
            raise NhotError(f"--weights must be given for {self.model!r}, which has none of its "
                            "own: nhot train makes them")

    def module(self) -> Any:
        """It as a torch module."""
        from nhot.experiments.training import repeatable
        from nhot.quant.loading import load_model
        from nhot.quant.weights_file import load_weights

        self.check_kind()
        if self.is_foreign:
            return self._imported()
        options = {name: _value(text) for name, text in self.options.items()}
        with repeatable(self.seed):
            model = load_model(self.model, **options)
        if self.weights is not None:
            load_weights(model, self.weights)
        return model

    def stage(self) -> Stage:
        """It as what can be measured: in float, or by its own tool if that has quantised it."""
        from nhot.stages import FloatStage

        self.check_kind()
        if self.is_foreign:
            from nhot.stages.foreign import open_foreign

            return open_foreign(self.model)
        self.check_weights()
        return FloatStage(self.module(), size=self.size)

    def fingerprint(self) -> str:
        """SHA-256 of all that it follows from: its file, its options and every weight.

        The weights are those that the module comes to have, wherever its function takes them from.
        """
        digest = hashlib.sha256()
        file, _, function = self.model.rpartition(":")
        if self.is_foreign:
            file, function = self.model, ""
        weights = self.module().state_dict()  # refuses what cannot be read
        parts = [Path(file).read_bytes() if file else b"", function.encode(),
                 repr(sorted(self.options.items())).encode()]
        for name, value in weights.items():
            parts += [name.encode(), *_content(value)]
        for part in parts:
            digest.update(len(part).to_bytes(8, "little") + part)
        return digest.hexdigest()

    def _imported(self) -> Any:
        from nhot.frontends.module import import_model

        for name, value in (("option", self.options), ("weights", self.weights)):
            if value:
                raise NhotError(f"--{name} must not be given with {self.model!r}, which is a whole "
                                "model")
        return import_model(self.model)


def _content(value: Any) -> tuple[bytes, bytes]:
    """Kind and bytes of an entry of a state_dict, most of which are tensors."""
    if not hasattr(value, "detach"):
        return b"", repr(value).encode()
    tensor = value.detach().cpu().contiguous()
    try:
        array = tensor.numpy()
    except TypeError:  # numpy has no bfloat16, all of which float32 has
        array = tensor.float().numpy()
    return f"{tensor.dtype} {tuple(tensor.shape)}".encode(), array.tobytes()


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
