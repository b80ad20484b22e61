"""Data sets to train on, in the layouts that they are published in."""

from nhot.experiments.data.audio import LogMel, Mfcc
from nhot.experiments.data.cifar10 import load_cifar10
from nhot.experiments.data.coco import Coco, Objects, Scene
from nhot.experiments.data.coco_metrics import Detections, coco_metrics
from nhot.experiments.data.coco_splits import open_coco
from nhot.experiments.data.dataset import Dataset, to_integers
from nhot.experiments.data.digits import load_digits
from nhot.experiments.data.image_folder import ImageFolder, open_image_folder
from nhot.experiments.data.opening import LAYOUTS, load_arrays, open_data
from nhot.experiments.data.samples import Arrays, Samples, Splits, stack
from nhot.experiments.data.speech_commands import SpeechCommands, open_speech_commands
from nhot.experiments.data.toyadmos import ToyAdmos, open_toyadmos

__all__ = [
    "Arrays",
    "Coco",
    "coco_metrics",
    "Dataset",
    "Detections",
    "ImageFolder",
    "LAYOUTS",
    "load_arrays",
    "load_cifar10",
    "load_digits",
    "LogMel",
    "Mfcc",
    "Objects",
    "open_coco",
    "open_data",
    "open_image_folder",
    "open_speech_commands",
    "open_toyadmos",
    "Samples",
    "Scene",
    "SpeechCommands",
    "Splits",
    "stack",
    "to_integers",
    "ToyAdmos",
]
