"""A network put into the block memories of a bitstream that has been placed and routed."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from nhot.bitstream import Manifest
from nhot.compiler.contents import image_contents
from nhot.compiler.image import Image
from nhot.compiler.targets import Target
from nhot.errors import NhotError
from nhot.files import read_file, write_folder
from nhot_hw.build.block_contents import replace_bits
from nhot_hw.build.entries import MANIFEST
from nhot_hw.build.placeholders import columns, memory_bits, placeholders
from nhot_hw.build.plan import NAME, patchable_blocks, plan_build
from nhot_hw.build.tools import run_tool
from nhot_hw.build.wire import Wire
from nhot_hw.families.family import Blocks

__all__ = ["Patched", "patch"]


@dataclass(frozen=True, kw_only=True)
class Patched:
    """A bitstream whose memories hold a network at power-up, and its manifest, on disk."""

    bitstream: Path
    manifest_path: Path
    manifest: Manifest


def patch(image: Image, folder: Path, output: Path) -> Patched:
    """Write the bitstream of ``folder`` with ``image`` in its memories into the folder ``output``.

    All but the contents of block memories is as it was: the bitstream is unpacked, what its
    placeholders stood for is put in their place, and it is packed as ``nhot build`` does it.

    Parameters
    ----------
    image : Image
    folder : Path
        As ``nhot build --patchable`` has written it.
    output : Path
        A new folder, which is there with all of its files or not at all.

    Raises
    ------
    NhotError
        The bitstream is for another engine, was built without placeholders, or is not what its
        manifest says.
    MissingToolError, BuildError
        A program that unpacks or packs is not installed, or failed.
    """
    manifest = Manifest.read(folder / MANIFEST)
    _check(manifest, image)
    before = read_file(folder / manifest.file, "Bitstream")
    if hashlib.sha256(before).hexdigest() != manifest.sha256:
        raise NhotError(
            f"Bitstream {str(folder / manifest.file)!r} must have the SHA-256 of its manifest, "
            f"{manifest.sha256}, not another"
        )
    bits = _repack(before, manifest, image)
    after = replace(
        manifest, patchable=False, image=image.content_hash,
        bytes=len(bits), sha256=hashlib.sha256(bits).hexdigest(),
    )
    write_folder(output, {manifest.file: bits, MANIFEST: after.to_json().encode()})
    return Patched(
        bitstream=output / manifest.file, manifest_path=output / MANIFEST, manifest=after
    )


def _check(manifest: Manifest, image: Image) -> None:
    image.check_target(manifest.config)
    if not manifest.patchable:
        held = f"of one that holds the image {manifest.image}" if manifest.image else "without"
        raise NhotError(f"Bitstream must be built with --patchable, not {held}")


def _repack(before: bytes, manifest: Manifest, image: Image) -> bytes:
    target = _target(manifest)
    blocks = patchable_blocks(target)
    plan = plan_build(target, engine=Wire())  # of which only the last command is used
    program, *arguments = plan.commands[-1]
    (routed,) = (f"{NAME}.{suffix}" for suffix in plan.family.leftovers)
    with TemporaryDirectory(prefix="nhot-") as scratch:
        work = Path(scratch)
        (work / plan.product).write_bytes(before)
        _run(blocks.unpack, [plan.product, routed], "Unpacking", work)
        text = (work / routed).read_text(encoding="utf-8")
        (work / routed).write_text(_replace(text, blocks, image), encoding="utf-8")
        (work / plan.product).unlink()
        _run(program, arguments, "Packing", work)
        return (work / plan.product).read_bytes()


def _replace(text: str, blocks: Blocks, image: Image) -> str:
    config = image.config
    old, new = (
        memory_bits(contents, config) for contents in (placeholders(config), image_contents(image))
    )
    found = [columns(config, blocks.rows, stride) for stride in blocks.strides]
    return replace_bits(text, blocks, found, old, new)


def _run(program: str, arguments: list[str], what: str, work: Path) -> None:
    run_tool(program, arguments, folder=work, log=work / f"{program}.log", what=what, show=False)


def _target(manifest: Manifest) -> Target:
    return Target(
        board=manifest.board, configuration=manifest.configuration, clock_hz=manifest.clock_hz,
        config=manifest.config, baud=manifest.baud, patchable=True,
    )
