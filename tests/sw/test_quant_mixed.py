"""A format for each layer: the budget, the solver, the measures and the choice."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from nhot.contract.config import EngineConfig
from nhot.errors import NhotError
from nhot.experiments.data import load_digits, to_integers
from nhot.experiments.models.digits import digits
from nhot.formats import parse
from nhot.network import reference
from nhot.network.counts import count
from nhot.quant import fit, quantize, to_network
from nhot.quant.mixed import Budget, choose_formats, parse_budget
from nhot.quant.mixed.knapsack import _relaxed, solve
from nhot.quant.mixed.sensitivity import _distance, by_curvature, by_output
from nhot.quant.post_training.twin import float_twin

SERIAL = EngineConfig(format="3hot", lane="serial")


@pytest.fixture(scope="module")
def trained():
    data = load_digits()
    torch.manual_seed(0)
    model = digits()
    fit(model, data.train_x, data.train_y, epochs=6, lr=1e-2)
    return model, data


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("terms=1.2e6", Budget("terms", 1.2e6)),
        ("bits=60%", Budget("bits", 0.6, relative=True)),
        ("cycles=120%", Budget("cycles", 1.2, relative=True)),
        ("bits=4096", Budget("bits", 4096)),
    ],
)
def test_budgets(text, budget):
    assert parse_budget(text) == pytest.approx(budget)


@pytest.mark.parametrize(
    "text", ["", "terms", "terms=", "terms=%", "terms=many", "luts=5", "terms=-1", "terms=0",
             "terms=nan", "terms=inf", "=5", "terms=1e6=2", "terms=0%"],
)
def test_what_is_no_budget(text):
    with pytest.raises(NhotError, match="Budget must be terms, bits, cycles, then ="):
        parse_budget(text)


@pytest.mark.parametrize("seed", range(60))
def test_the_choice_is_the_best_there_is(seed):
    random = np.random.default_rng(seed)
    layers, options = int(random.integers(1, 7)), int(random.integers(1, 5))
    costs = random.integers(seed % 2, 20, (layers, options))
    losses = random.random((layers, options))
    if seed % 3 == 0:  # many ties
        losses = random.integers(0, 4, (layers, options)).astype(float)
    budget = float(random.integers(costs.min(1).sum(), costs.max(1).sum() + 2))
    best = min(
        (sum(losses[row, column] for row, column in enumerate(choice)), total)
        for choice in itertools.product(range(options), repeat=layers)
        if (total := sum(costs[row, column] for row, column in enumerate(choice))) <= budget
    )
    found, rows = solve(costs, losses, budget), np.arange(layers)
    assert losses[rows, found].sum() == pytest.approx(best[0])
    assert costs[rows, found].sum() <= budget
    if seed % 3 == 0:
        assert costs[rows, found].sum() == best[1]


@pytest.mark.parametrize("noise", [1.0, 0.3])
def test_sixty_layers_of_six_formats(noise):
    random = np.random.default_rng(0)
    size = random.integers(1000, 10**7, 60)
    costs = size[:, None] * np.arange(1, 7)
    losses = (7 * size[:, None] - costs) * (1 + noise * random.random((60, 6)))
    best = [
        losses[np.arange(60), solve(costs, losses, part * costs.max(1).sum())].sum()
        for part in (0.3, 0.5, 0.8)
    ]
    assert best == sorted(best, reverse=True)


@pytest.mark.parametrize("most", [1, 2, 8])
def test_few_partial_choices_are_never_worse_than_the_first_guess(monkeypatch, most):
    monkeypatch.setattr("nhot.quant.mixed.knapsack.MOST", most)
    layers, kept = np.arange(12), 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        costs, losses = random.integers(1, 1000, (12, 4)), random.random((12, 4))
        budget = max(0.6 * costs.max(1).sum(), costs.min(1).sum())
        chosen, (_, guess) = solve(costs, losses, budget), _relaxed(costs, losses, budget)
        assert costs[layers, chosen].sum() <= budget
        assert losses[layers, chosen].sum() <= losses[layers, guess].sum()
        kept += bool((chosen == guess).all())
    assert kept or most > 2


def test_losses_proportional_to_costs_do_not_hang(monkeypatch):
    monkeypatch.setattr("nhot.quant.mixed.knapsack.MOST", 1000)
    random = np.random.default_rng(0)
    costs = random.integers(1000, 10**7, 40)[:, None] * np.arange(1, 5)
    losses = (costs.max() - costs).astype(float)
    budget = 0.5 * costs.max(1).sum()
    found = costs[np.arange(40), solve(costs, losses, budget)].sum()
    assert 0.99 * budget < found <= budget


class Toy(nn.Module):
    """A sum around a layer, so that what depends on a layer is not all behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 6)
        self.second = nn.Linear(6, 6)
        self.side = nn.Linear(4, 6)
        self.last = nn.Linear(6, 3)

    def forward(self, x):
        side = self.side(x)
        return self.last(torch.relu(self.second(torch.relu(self.first(x)))) + side)


def toy():
    torch.manual_seed(0)
    return Toy().eval(), torch.randn(24, 4)


@pytest.mark.parametrize("measure", ["kl", "error"])
def test_only_the_layer_in_question_is_rounded(measure):
    model, x = toy()
    rounded = quantize(model, "1hot", x)
    found = by_output(float_twin(model, x), [rounded], x[:, :, None, None], measure)
    exact = model(x).detach().double()
    for row, layer in enumerate(rounded.filters):
        other = Toy()
        other.load_state_dict(model.state_dict())
        weight = layer.weights(layer.weight).detach().flatten(1)
        other.get_submodule(layer.name).weight.data.copy_(weight)
        output = other(x).detach().double()
        if measure == "error":
            expected = float((output - exact).square().sum() / exact.square().sum())
        else:
            p, q = exact.log_softmax(1), output.log_softmax(1)
            expected = float((p.exp() * (p - q)).sum(1).mean())
        assert found[row, 0] == pytest.approx(expected, rel=1e-4)


def test_curvature_is_the_trace_of_the_hessian(monkeypatch):
    monkeypatch.setattr("nhot.quant.mixed.sensitivity.DRAWS", 200)
    model, x = toy()
    labels = torch.arange(24) % 3
    rounded = quantize(model, "1hot", x)
    found = by_curvature(float_twin(model, x), [rounded], x[:, :, None, None], labels)
    for row, layer in enumerate(rounded.filters):
        weight = model.get_submodule(layer.name).weight.detach()

        def loss(flat, name=layer.name, like=weight):
            logits = torch.func.functional_call(model, {f"{name}.weight": flat.view_as(like)}, (x,))
            return nn.functional.cross_entropy(logits, labels)

        hessian = torch.autograd.functional.hessian(loss, weight.flatten())
        error = (layer.weights(layer.weight).detach().flatten(1) - weight).square().sum()
        expected = float(hessian.diagonal().mean() * error)
        assert found[row, 0] == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("measure", ["kl", "error", "hessian"])
def test_mixed_is_between_uniform_formats_on_digits(trained, measure):
    model, data = trained
    samples, labels = data.train_x[:128], data.train_y[:128] if measure == "hessian" else None
    choice = choose_formats(
        model, samples, candidates=("1hot", "2hot"), budget="terms=75%", measure=measure,
        labels=labels,
    )
    assert set(choice.formats.values()) == {parse("1hot"), parse("2hot")}
    uniform = {name: quantize(model, name, samples) for name in ("1hot", "2hot")}
    mixed = quantize(model, "2hot", samples, formats=choice.formats)
    assert mixed.formats == choice.formats
    costs = {name: count(to_network(one, "n")).shift_adds for name, one in uniform.items()}
    assert choice.cost == count(to_network(mixed, "n")).shift_adds
    assert costs["1hot"] < choice.cost <= 0.75 * costs["2hot"] == choice.budget.amount
    assert divergence(mixed, model, data) < divergence(uniform["1hot"], model, data)
    network = to_network(mixed, "mixed")
    integers = mixed.integers(torch.from_numpy(data.test_x))[network.output.name]
    outputs = reference.run(network, to_integers(network.input, data.test_x))
    np.testing.assert_array_equal(integers.permute(0, 2, 3, 1).numpy(), outputs)


def divergence(quantized, model, data):
    x = torch.from_numpy(data.test_x)
    with torch.no_grad():
        p, q = model(x).log_softmax(1), quantized(x).log_softmax(1)
    return float((p.exp() * (p - q)).sum(1).mean())


def test_more_budget_never_hurts(trained):
    model, data = trained
    choices = [
        choose_formats(model, data.train_x[:32], budget=f"bits={part}%") for part in (60, 80, 110)
    ]
    for choice in choices:
        assert choice.cost <= choice.budget.amount
        assert sum(option.cost for option in choice.table
                   if choice.formats[option.layer] == option.format) == choice.cost
    found = [choice.sensitivity for choice in choices]
    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1]
    plenty = choose_formats(model, data.train_x[:32], budget="bits=1e9")
    assert set(plenty.formats.values()) == {parse("3hot")}


def test_cycles_are_those_of_serial_lanes(trained):
    model, data = trained
    choice = choose_formats(model, data.train_x[:32], budget="cycles=80%", engine=SERIAL)
    cycles = {(option.layer, option.format.name): option.cost for option in choice.table}
    one, two, three = (cycles["conv3", name] for name in ("1hot", "2hot", "3hot"))
    assert three - two == two - one > 0.9 * one  # another term of all steps
    # Requantising takes longer, so that only the first steps, and waiting for a step, cost more.
    assert cycles["dense", "2hot"] < 1.2 * cycles["dense", "1hot"]
    assert choice.cost <= choice.budget.amount


def test_a_model_that_is_no_classifier():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 2, 1))
    x = torch.rand(8, 2, 6, 6)
    choice = choose_formats(model, x, budget="bits=90%", measure="error")
    assert set(choice.formats) == {"0", "2"}
    for measure in ("kl", "hessian"):
        with pytest.raises(NhotError, match=r"must be 'error' for an output of shape \(4, 4, 2\)"):
            choose_formats(model, x, budget="bits=90%", measure=measure)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": "terms=5"}, r"at least 102 terms, every layer in its cheapest format, not 5"),
        ({"budget": "terms=10%"}, r"Budget must be at least 102 terms, .* not 20"),
        ({"budget": Budget("luts", 5)}, "Budget must be terms, bits, cycles"),
        ({"budget": Budget("bits", float("nan"))}, "Budget must be terms, bits, cycles"),
        ({"candidates": ()}, "Candidates must be one or more different formats, not none"),
        ({"candidates": ("2hot", "2hot@8")}, "different formats, not 2hot, 2hot"),
        ({"candidates": ("2hit",)}, "Format must be one of"),
        ({"measure": "luck"}, "Measure must be one of kl, error, hessian, not 'luck'"),
        ({"measure": "hessian"}, "Labels must be given"),
        ({"measure": "hessian", "labels": np.arange(24)}, "Labels must be 0 to 2"),
        ({"measure": "hessian", "labels": np.arange(5)}, "Labels must be one integer a sample"),
        ({"budget": "cycles=80%"}, "Engine must be given for a budget of cycles"),
        ({"budget": "cycles=80%", "engine": EngineConfig()}, "Lane of the engine must be 'serial'"),
        ({"budget": "cycles=80%", "engine": SERIAL, "candidates": ("int8",)}, "must be n-hot"),
    ],
)
def test_what_cannot_be_chosen(options, message):
    model, x = toy()
    with pytest.raises(NhotError, match=message):
        choose_formats(model, x, **{"budget": "terms=90%", **options})


def test_samples_that_are_not_numbers():
    model, x = toy()
    with pytest.raises(NhotError, match="Samples must be finite numbers"):
        choose_formats(model, x * float("nan"), budget="terms=90%")


@pytest.mark.parametrize("measure", ["kl", "error"])
def test_outputs_that_are_not_numbers(measure):
    """Weights near the largest number may leave it when they are rounded."""
    exact = torch.tensor([[3e38, 0.0]])
    with pytest.raises(NhotError, match="Outputs must be finite numbers, not NaN or infinite"):
        _distance(exact, 2 * exact, measure)
