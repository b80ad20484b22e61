"""What ``nhot quantize`` does, step by step."""

from __future__ import annotations

import logging
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from nhot.cli.quantize.arguments import DEFAULTS, REPORTED
from nhot.cli.reporting import TRAINING, made, model_answers, network_entry, scores
from nhot.cli.target import read_config
from nhot.cli.training import (
    augmentation,
    named_task,
    original,
    pairs,
    settings,
)
from nhot.errors import NhotError
from nhot.experiments.tasks import DIGITS, Source, open_task
from nhot.printable import printable

if TYPE_CHECKING:
    from nhot.compiler import EngineConfig
    from nhot.experiments.data.dataset import Floats
    from nhot.experiments.tasks import Task
    from nhot.experiments.training import Settings
    from nhot.formats import Format
    from nhot.formats.format import Ints
    from nhot.network import Network
    from nhot.quant import QuantModel
    from nhot.quant.mixed.sensitivity import Measure
    from nhot.report.schema import Entry

__all__ = ["Outcome", "as_it_is", "demonstration", "entry", "layers", "own", "write"]

STEPS = 1000
"""Of adaptive rounding, for each layer."""

_log = logging.getLogger("nhot")


class Outcome(NamedTuple):
    """What came of it.

    Parameters
    ----------
    network : Network
    metric : str
        What the scores are.
    scores : dict
        By stage.
    samples : (samples, ...), optional
        To try the network with.
    labels : (samples,), optional
        Their classes, if they are known.
    model : QuantModel
        That the network is of.
    task : Task, optional
        That it was measured on; None where there are no data.
    first : bool
        Whether this is the process, of those of torchrun, that writes and prints.
    """

    network: Network
    metric: str
    scores: dict[str, float]
    samples: Floats | None
    labels: Ints | None
    model: QuantModel
    task: Task | None
    first: bool = True


def demonstration(args: Namespace) -> Outcome:
    """The digits: trained, quantised and fine-tuned."""
    from nhot.experiments.data import load_digits
    from nhot.experiments.trained_digits import train_digits

    trained = train_digits(args.format, seed=args.seed)
    data, task = load_digits(), open_task("classification", Source(DIGITS))
    return Outcome(trained.network, "accuracy", trained.accuracies, data.test_x, data.test_y,
                   trained.model, task)


def as_it_is(args: Namespace) -> Outcome:
    """A file of another tool that has the ranges of its activations: no data are needed."""
    from nhot.quant import post_train, to_network
    from nhot.quant.quantize import stand_in

    _check_formats(args)
    model = original(args).module()
    quantized = _round(args, model, None, pairs(args.layer, "Layer"), None)
    post_train(quantized, model, stand_in(model), corrected=False)
    network = to_network(quantized, _name(args))
    _tell_terms(network, args.requant_terms)
    return Outcome(network, "accuracy", {}, None, None, quantized, None)


def own(args: Namespace) -> Outcome:
    """A model and data that the command line names."""
    from nhot.experiments.training.ranks import join
    from nhot.quant import to_network

    _check_formats(args)
    work = _Work(args)
    samples, labels = work.shown()
    if args.labels is not None and labels is None:
        raise NhotError(f"--labels must be for data with a class for each sample, "
                        f"not for {args.data!r}")
    quantized = work.rounded(work.formats())
    if args.finetune:
        work.finetune(quantized)
    else:
        work.post_train(quantized)
    network = to_network(quantized, _name(args))
    _tell_terms(network, args.requant_terms)
    return Outcome(
        network, work.task.metric, work.scores, samples, labels, quantized,
        work.task, join().first,
    )


def layers(network: Network) -> list[dict[str, Any]]:
    """What the weights of each layer come to, and the sums over all."""
    from nhot.network.counts import count
    from nhot.network.operators import Filters

    facts = [
        {"layer": node.name, "format": node.format.name, **asdict(count(network, [node.name]))}
        for node in network.nodes if isinstance(node, Filters)
    ]
    kinds = dict.fromkeys(node.format.kind for node in network.nodes if isinstance(node, Filters))
    total = {"layer": "total", "format": ", ".join(kinds), **asdict(count(network))}
    return [*facts, total]


def write(args: Namespace, outcome: Outcome) -> None:
    """Write the network, and the inputs and labels if they are wanted."""
    from nhot.cli.run import write_outputs
    from nhot.experiments.data import to_integers
    from nhot.network.file import OPTION, save

    if args.inputs is not None and outcome.samples is not None:
        write_outputs(args.inputs, to_integers(outcome.network.input, outcome.samples))
    if args.labels is not None and outcome.labels is not None:
        write_outputs(args.labels, outcome.labels)
    save(outcome.network, args.output)
    _log.info("to run it in onnxruntime, set %s to %s: exact sums on every processor", *OPTION)


def entry(args: Namespace, outcome: Outcome) -> Entry:
    """What a report says of it; the network has been written."""
    from nhot.report.collect import file_hash, settings
    from nhot.report.schema import Quantized

    task = outcome.task
    assert task is not None
    given = {name: value for name, value in vars(args).items() if name in REPORTED}
    quantized = Quantized(
        data=printable(args.data or DIGITS), metric=outcome.metric, settings=settings(given),
        scores=scores(outcome.scores, task.held_out),
        answers=model_answers(outcome.model, task), made=made("quantize", TRAINING),
        weights=None if args.weights is None else file_hash(args.weights),
    )
    return replace(network_entry(outcome.network, args.output), quantized=quantized)


def _name(args: Namespace) -> str:
    """What the network is called."""
    return f"{original(args).name}-{args.format}"


def _round(
    args: Namespace, model: Any, samples: Floats | None, formats: Mapping[str, Format | str],
    known_range: tuple[float, float] | None,
) -> QuantModel:
    """The model, rounded as the arguments say; ``known_range`` is that of the data."""
    from nhot.quant import quantize

    chosen = {
        "bits": args.bits, "scale": args.scale, "rule": args.rule,
        "threshold": args.threshold, "schedule": args.gradient_schedule,
        "activation_terms": args.activation_terms, "requant_terms": args.requant_terms,
        "accumulator_bits": args.accumulator_bits, "per_channel": not args.per_layer,
    }
    limits = known_range if args.input_range is None else tuple(args.input_range)
    return quantize(
        model, args.format, samples, formats=formats, input_range=limits,
        **{name: value for name, value in chosen.items() if value is not None},
    )


def _tell_terms(network: Network, wanted: int | None) -> None:
    """Name the layers whose multipliers have more terms than ``wanted``, which few networks have.
    """
    from nhot.network.counts import requant_terms

    for node in network.nodes:
        terms = requant_terms(node)
        if wanted is not None and terms is not None and terms > wanted:
            _log.warning("layer %s keeps multipliers of %d terms: no scales suit all that it joins",
                         node.name, terms)


def _check_formats(args: Namespace) -> None:
    """Refuse what is no format, and a budget that is none, before anything is read."""
    from nhot.formats import parse

    for name in (args.format, *pairs(args.layer, "Layer").values(), *_candidates(args)):
        parse(name)
    if args.budget is None:
        return
    from nhot.quant import parse_budget

    if (parse_budget(args.budget).cost == "cycles") != (args.engine is not None):
        raise NhotError("--engine must be given for a budget of cycles, and for no other")
    _engine(args)


def _engine(args: Namespace) -> EngineConfig | None:
    return None if args.engine is None else read_config(args.engine)


def _settings(args: Namespace) -> Settings:
    """Of each stage; the integers are measured once, at its end."""
    chosen = settings(args, DEFAULTS)
    return replace(chosen, evaluate_every=chosen.epochs)


def _candidates(args: Namespace) -> tuple[str, ...]:
    return tuple(args.candidates.split(",")) if args.candidates else ("1hot", "2hot", "3hot")


class _Work:
    """The steps, and the scores that they had."""

    def __init__(self, args: Namespace):
        self.args = args
        self.settings = _settings(args) if args.finetune else None
        self.augment = augmentation(args)
        self.model = original(args).module()
        self.task = task = named_task(args)
        self.data = task.data if args.finetune else None
        self.samples, self.labels = task.source.samples(args.samples)
        for data in ((self.samples,), self.data, task.held_out):
            if data is not None:
                task.check(self.model, data)
        self.scores: dict[str, float] = {}

    def formats(self) -> Mapping[str, Format | str]:
        """The formats of single layers, as they are named or as the budget has it."""
        args = self.args
        if args.budget is None:
            return pairs(args.layer, "Layer")
        from nhot.quant import choose_formats

        measure: Measure = args.measure or ("kl" if self.task.metric == "accuracy" else "error")
        choice = choose_formats(
            self.model, self.samples, budget=args.budget, candidates=_candidates(args),
            measure=measure, labels=self.labels, reference=args.format, seed=args.seed,
            engine=_engine(args),
        )
        _log.info("%s %s of %s", f"{choice.cost:,}", choice.budget.cost,
                  f"{choice.budget.amount:,.0f}")
        return choice.formats

    def rounded(self, formats: Mapping[str, Format | str]) -> QuantModel:
        """The model, rounded."""
        args, known = self.args, self.task.source.splits.input_range
        quantized = _round(args, self.model, self.samples, formats, known)
        if args.recipe != "from-scratch":
            self._measure("float", self.model)
            self._measure("rounded", quantized)
        return quantized

    def post_train(self, quantized: QuantModel) -> None:
        """Make up for the rounding, as far as that goes without training."""
        from nhot.quant import post_train

        args = self.args
        post_train(
            quantized, self.model, self.samples, adaptive=args.adaptive_rounding,
            corrected=args.bias_correction is not False, steps=STEPS, seed=args.seed,
            labels=self.labels if self.task.metric == "accuracy" else None,
            after=lambda stage: self._measure(stage, quantized),
        )

    def finetune(self, quantized: QuantModel) -> None:
        """Train in all stages of the recipe."""
        from nhot.experiments.training import Distillation
        from nhot.quant import recipe, run_recipe

        args = self.args
        assert self.settings is not None
        assert self.data is not None
        plan = recipe(args.recipe or "two-stage", quantized.formats, self.settings)
        result = run_recipe(
            quantized, self.data, plan,
            loss=Distillation(self.model) if args.distill else self.task.loss,
            augment=self.augment, evaluate=self.task.measure, samples=self.samples,
            run=args.folder,
        )
        if self.task.measure is not None:
            *before, last = result.stages
            self.scores |= {stage.name: stage.after for stage in before}
            self.scores["finetuned"] = last.after

    def shown(self) -> tuple[Floats, Ints | None]:
        """Samples to try the network with, and their classes if these are known.

        They are those to measure with, if they are in memory, or else those of the ranges.
        """
        data: Any = self.task.held_out
        if not isinstance(data, tuple):
            data = (self.samples, self.labels)
        classes = self.task.metric == "accuracy" and len(data) == 2
        return data[0], data[1] if classes else None

    def _measure(self, stage: str, model: Any) -> None:
        measure = self.task.measure
        if measure is not None:
            self.scores[stage] = measure(model)
