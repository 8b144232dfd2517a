"""Predicts the progression of diabetes, one number a row of ten measurements."""

import json

import joblib
from azureml.core.model import Model

from helpers.clean import to_matrix


def init():
    global model
    model = joblib.load(Model.get_model_path('diabetes'))


def run(data):
    rows = to_matrix(json.loads(data)['data'])
    return model.predict(rows).tolist()
