"""What models are trained to do: data by name, with the loss and the measure that go with them."""

from nhot.experiments.tasks.source import DIGITS, Source
from nhot.experiments.tasks.task import AUTOENCODER, DETECTOR, Kind, Task, open_task

__all__ = ["AUTOENCODER", "DETECTOR", "DIGITS", "Kind", "Source", "Task", "open_task"]
