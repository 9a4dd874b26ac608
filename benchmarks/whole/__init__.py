"""A whole survey, from launch to data: this project against what else such a survey could be written with."""
