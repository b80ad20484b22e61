"""What ONNX computes of constants alone: onnxruntime defines it, and the rest is refused."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from nhot.errors import NhotError
from nhot.frontends.onnx import read as reading
from nhot.frontends.onnx.read import read_onnx
from nhot.testing.onnx_writer import Writer

MAP = (1, 4, 6, 5)
QONNX = "qonnx.custom_op.general"
GENERATOR = np.random.default_rng(0)
WEIGHTS = GENERATOR.normal(size=(4, 4, 1, 1)).astype(np.float32)
ROWS = WEIGHTS.reshape(4, 4)


def dense(kind, *values, opset=17, domain="", cast=False, **attributes):
    """A dense layer with the weights (4, 4), or as many, that ``kind`` makes of constants."""
    writer = Writer(opset)
    inputs = ["" if one is None else writer.constant(one) for one in values]
    y = writer.node(kind, inputs, name="one", domain=domain, **attributes)
    if cast:
        y = writer.node("Cast", [y], to=1)
    y = writer.node("Reshape", [y, writer.constant(np.array([4, 4]))])
    return writer.finish((1, 4), writer.node("MatMul", ["x", y]),
                         domains=[domain] if domain else [])


COMPUTED = {
    "numbers": ("Constant", [], {"value_floats": [float(one) for one in range(16)]}),
    "whole numbers": ("Constant", [], {"value_ints": list(range(16)), "cast": True}),
    "filled": ("ConstantOfShape", [np.array([4, 4])], {}),
    "identity": ("Identity", [ROWS], {}), "dropout": ("Dropout", [ROWS], {}),
    "flatten": ("Flatten", [WEIGHTS], {"axis": 2}),
    "squeeze": ("Squeeze", [WEIGHTS], {}), "squeeze one": ("Squeeze", [WEIGHTS, [3]], {}),
    "unsqueeze": ("Unsqueeze", [ROWS, [0]], {}),
    "transpose": ("Transpose", [ROWS], {}),
    "gather": ("Gather", [ROWS, [3, 0, 1, -1]], {"axis": 1}),
    "slice": ("Slice", [np.tile(ROWS, (2, 1)), [7], [-9], [0], [-2]], {}),
    "slice of all axes": ("Slice", [np.tile(ROWS, (2, 2)), [1, 2], [5, 6]], {}),
    "slice as it was": ("Slice", [np.tile(ROWS, (1, 2))], {
        "starts": [2], "ends": [6], "axes": [1], "opset": 9}),
    "concat": ("Concat", [ROWS[:1], ROWS[1:]], {"axis": 0}),
    "sum": ("Add", [ROWS, ROWS[0]], {}), "difference": ("Sub", [ROWS, ROWS[0]], {}),
    "product": ("Mul", [ROWS, ROWS[0]], {}), "quotient": ("Div", [ROWS, ROWS[0]], {}),
    "quotient of integers": ("Div", [np.arange(-8, 8), np.array(3)], {"cast": True}),
    "clip": ("Clip", [ROWS, np.float32(-0.5), np.float32(0.5)], {}),
    "clip of integers": ("Clip", [np.arange(-8, 8), None, np.array(4)], {"cast": True}),
    "cast": ("Cast", [ROWS.astype(np.float64)], {"to": 1}),
    "cut off": ("Cast", [ROWS * 9], {"to": 3, "cast": True}),
    "rounded": ("QuantizeLinear", [ROWS, np.float32(0.01), np.int8(-3)], {"cast": True}),
    "rounded without a zero point": ("QuantizeLinear", [ROWS, np.float32(0.01)], {"cast": True}),
    "rounded to a type": ("QuantizeLinear", [ROWS, np.float32(0.01)], {
        "output_dtype": 3, "opset": 21, "cast": True}),
    "integers": ("DequantizeLinear", [np.arange(-8, 8, dtype=np.int8), np.float32(0.5)], {}),
}


@pytest.mark.parametrize("name", COMPUTED)
def test_what_is_computed(name):
    kind, values, options = COMPUTED[name]
    data = dense(kind, *values, **options)
    (layer,) = read_onnx(data).filters
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    wanted = [session.run(None, {"x": one[None]})[0][0] for one in np.eye(4, dtype=np.float32)]
    np.testing.assert_allclose(layer.weights.reshape(4, 4).T, wanted, rtol=1e-6, atol=1e-7)


REFUSED = {
    "no value": (dense("Constant", value_string="x"), "must have a value that is a tensor"),
    "type": (dense("Cast", ROWS, to=16), "to a float, or to an integer .* not to type 16$"),
    "no operand": (dense("Transpose"), "it must have an input 0$"),
    "axes of others": (dense("Transpose", ROWS, perm=[0, 1, 2]), "its constants must suit it, but"),
    "sizes of floats": (dense("Reshape", ROWS, np.float32([4, 4])), "must be a few integers$"),
    "too many": (dense("Concat", np.zeros((4, 2000), np.float32), axis=0), "of a few numbers"),
    "limits": (dense("Clip", ROWS, np.float32([1, 2])), "its limits must be one number each$"),
    "not finite": (dense("QuantizeLinear", ROWS * np.nan, np.float32(1)), "must be finite numbers"),
    "floats": (dense("DequantizeLinear", ROWS, np.float32(1), np.int8(0)),
               "it must read integers, not float32$"),
    "zero points": (dense("QuantizeLinear", ROWS, np.float32([1, 1, 1, 1]), np.zeros(3, np.int8)),
                    "a whole zero point for each scale, not 3 for 4$"),
    "division by zero": (dense("Div", np.arange(16), np.array(0), cast=True), "by zero"),
    **{what: (dense("Quant", ROWS, *np.float32([1, zero]), np.float32(bits), domain=QONNX,
                    rounding_mode=mode), text) for what, zero, bits, mode, text in (
        ("widths", 0, [4, 4], "ROUND", "its width must be one number, not 2$"),
        ("rounding", 0, 4, "UP", "must be one of ROUND, .* DOWN, not 'UP'$"),
        ("half a zero point", 0.5, 4, "ROUND", "must have the zero point 0 .* not 0.5$"))},
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    data, text = REFUSED[name]
    with pytest.raises(NhotError, match=text) as caught:
        read_onnx(data)
    assert str(caught.value).startswith("Operator '")


def test_all_that_is_computed_is_bounded(monkeypatch):
    monkeypatch.setattr(reading, "MOST_FOLDED", 31)
    with pytest.raises(NhotError, match="must have at most 31 elements with those before"):
        read_onnx(dense("Identity", ROWS))
