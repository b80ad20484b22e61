"""Train a network for handwritten digits with 2-hot weights, and write it to digits.onnx."""

import torch

from nhot.experiments.data import load_digits, to_integers
from nhot.experiments.models.digits import DigitsNet
from nhot.network import reference
from nhot.network.file import save
from nhot.quant import accuracy, finetune, fit, quantize, to_network

data = load_digits()

torch.manual_seed(0)
model = DigitsNet()
fit(model, data.train_x, data.train_y, epochs=20, lr=1e-2)
print(f"float  {accuracy(model, data.test_x, data.test_y):.2%}")

quantized = quantize(model, "2hot", data.train_x, input_range=data.input_range)
print(f"2-hot  {accuracy(quantized, data.test_x, data.test_y):.2%}")

finetune(quantized, data.train_x, data.train_y, epochs=8)
print(f"tuned  {accuracy(quantized, data.test_x, data.test_y):.2%}")

network = to_network(quantized, "digits")
logits = reference.run(network, to_integers(network.input, data.test_x))
right = (logits.reshape(len(logits), -1).argmax(1) == data.test_y).mean()
print(f"board  {right:.2%}  (what every board computes, to the bit)")
save(network, "digits.onnx")
