"""What a report holds: plain data, one dataclass a part.

A file is ``{"version": 2, "entries": [...]}``. An entry is one network on one engine; each command
adds the parts it knows of, and a part that is not there leaves its section out of the page. The
annotations are what :mod:`nhot.schema` checks a file by; what they cannot say is checked here.
"""

from nhot.report.schema.answers import Answers, Wrong
from nhot.report.schema.entry import VERSION, Entry, Report
from nhot.report.schema.hardware import Build, Image, Memory
from nhot.report.schema.measured import (
    Compared,
    ComparedLayer,
    Evaluated,
    Link,
    Run,
    Timed,
    Verified,
)
from nhot.report.schema.parts import Made, Score
from nhot.report.schema.trained import Epoch, Layer, Levels, Network, Quantized, Training

__all__ = [
    "VERSION", "Answers", "Build", "Compared", "ComparedLayer", "Entry", "Epoch", "Evaluated",
    "Image", "Layer", "Levels", "Link", "Made", "Memory", "Network", "Quantized", "Report",
    "Run", "Score", "Timed", "Training", "Verified", "Wrong",
]
