"""Turns the rows of a request into what the model was trained on."""

import numpy as np

MEASUREMENTS = 10


def to_matrix(rows):
    matrix = np.array(rows, dtype=float)
    if matrix.ndim != 2 or matrix.shape[1] != MEASUREMENTS:
        raise ValueError(f'data must be rows of {MEASUREMENTS} numbers, got shape {matrix.shape}')
    return matrix
