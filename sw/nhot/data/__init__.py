"""Data sets to train on, in the layouts that they are published in."""

from nhot.data.audio import LogMel, Mfcc
from nhot.data.catalogue import LAYOUTS, load_arrays, open_data
from nhot.data.cifar10 import load_cifar10
from nhot.data.coco import Coco, Objects, Scene
from nhot.data.coco_metrics import Detections, coco_metrics
from nhot.data.coco_splits import open_coco
from nhot.data.dataset import Dataset, to_integers
from nhot.data.digits import load_digits
from nhot.data.image_folder import ImageFolder, open_image_folder
from nhot.data.samples import Arrays, Samples, Splits, stack
from nhot.data.speech_commands import SpeechCommands, open_speech_commands
from nhot.data.toyadmos import ToyAdmos, open_toyadmos

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
