"""Recipes: the formats that a model is trained through, and the training."""

from nhot.quant.recipes.plan import RECIPES, Formats, Recipe, Stage, recipe, stages
from nhot.quant.recipes.run import RecipeResult, StageResult, run_recipe

__all__ = [
    "RECIPES", "Formats", "Recipe", "RecipeResult", "Stage", "StageResult", "recipe",
    "run_recipe", "stages",
]
