"""Data sets to train on, in the layouts that they are published in."""

from nhot.data.cifar10 import load_cifar10
from nhot.data.coco import Coco, Objects, Scene
from nhot.data.coco_metrics import Detections, coco_metrics
from nhot.data.coco_splits import open_coco
from nhot.data.dataset import Dataset, to_integers
from nhot.data.digits import load_digits
from nhot.data.image_folder import ImageFolder, open_image_folder
from nhot.data.samples import Arrays, Samples, Splits, stack

__all__ = [
    "Arrays",
    "Coco",
    "coco_metrics",
    "Dataset",
    "Detections",
    "ImageFolder",
    "load_cifar10",
    "load_digits",
    "Objects",
    "open_coco",
    "open_image_folder",
    "Samples",
    "Scene",
    "Splits",
    "stack",
    "to_integers",
]
