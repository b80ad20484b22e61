"""What a study of one's own model is not made of: each wrong word has its line, and no folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from nhot.testing.foreign import tflite_models
from nhot.testing.own_study import STUDY, refused

pytest.importorskip("torch")
pytest.importorskip("onnx")


@pytest.mark.parametrize(("names", "text"), [
    ("", "Formats must be at least one, as 2hot,int8, not ''"),
    (",", "Formats must be at least one, as 2hot,int8, not ','"),
    ("2hot,5cold", "not '5cold'"),
    ("2hot,,int8", "not ''"),
    ("2hot,1hot,2hot", "Formats must be named once each, not '2hot' again"),
    ("1hot,pot4", "Formats must be named once each, not 'pot4' again, which '1hot' is, too"),
])
def test_formats_that_are_none(here, capsys, names, text):
    assert text in refused(capsys, *STUDY, "--formats", names, "-o", "runs")
    assert not Path("runs").exists()


@pytest.mark.parametrize(("arguments", "text"), [
    (["--data", "data.npz", "-o", "runs"], "needs either the name of one, or --model MODEL"),
    (["digits", "--model", "model.py:build", "-o", "runs"], "needs either the name of one"),
    (["digits", "--formats", "2hot", "-o", "runs"], "--formats must be given with --model alone"),
    ([*STUDY[1:], "--rows", "2hot", "-o", "runs"], "--rows must be given with STUDY alone"),
    ([*STUDY[1:]], "-o DIR must be given with --model"),
    (["--model", "model.py:build", "-o", "runs"], "--data must be given with --model"),
    (["--model", "nothing.tflite", *STUDY[3:], "-o", "runs"],
     "'nothing.tflite' could not be read"),
    (["--model", "data.npz", *STUDY[3:], "-o", "runs"], "not an archive of arrays"),
    (["--model", "broken.tflite", *STUDY[3:], "-o", "runs"],
     "File 'broken.tflite': Model must be a whole TensorFlow Lite file"),
    (["--model", "model.py:nothing", *STUDY[3:], "-o", "runs"], "must have a function 'nothing'"),
    (["--model", "resnet8", *STUDY[3:], "-o", "runs"], "--weights must be given for 'resnet8'"),
    ([*STUDY[1:4], "nowhere", "-o", "runs"], "Data 'nowhere' must exist, and does not"),
    ([*STUDY[1:], "--samples", "0", "-o", "runs"], "samples must be at least 1, not 0"),
    ([*STUDY[1:], "--bits", "1", "-o", "runs"], "Bits of an activation must be 2 to 8, not 1"),
    ([*STUDY[1:], "--requant-terms", "3", "-o", "runs"],
     "Requantisation terms must be 1, 2 or 4, not 3"),
    ([*STUDY[1:], "--board", "versa", "-o", "runs"], "Board must be one of"),
    ([*STUDY[1:], "--configuration", "2hot", "-o", "runs"], "--board must be given with"),
    ([*STUDY[1:], "--board", "icebreaker", "--configuration", "9hot", "-o", "runs"],
     "Configuration of icebreaker must be one of"),
    ([*STUDY[1:], "-o", "model.py"], "is not a folder"),
])
def test_bad_input(here, capsys, arguments, text):
    whole = tflite_models()[0]
    (here / "broken.tflite").write_bytes(whole[: len(whole) // 2])
    assert text in refused(capsys, "study", *arguments)
    assert not Path("runs").exists()
