"""Trains the model on scikit-learn's own data set: python3 train.py FOLDER writes FOLDER/model.pkl."""

import sys
from pathlib import Path

import joblib
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

features, target = load_diabetes(return_X_y=True)
folder = Path(sys.argv[1])
folder.mkdir(parents=True)
joblib.dump(Ridge(alpha=0.5).fit(features, target), folder / 'model.pkl')
