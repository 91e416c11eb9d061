#!/usr/bin/env python3
"""scikit-learn's MLP beside `backprop cross-validate`, on the same folds of the same tables.

usage: sklearn_tables.py BACKPROP...

BACKPROP is the command line that starts the program:

    apt-get install python3-sklearn
    python3 benchmarks/peers/sklearn_tables.py dotnet run -c Release --project src/Backprop.Console --

Both have the same hidden layers, activation, batch size and number of epochs, standardized
features, and standardized targets where targets are values; everything else is scikit-learn's
default (Adam, learning rate 1e-3, alpha 1e-4). Prints a table in Markdown: mean and standard
deviation over five folds.
"""
import csv
import json
import statistics
import subprocess
import sys

import numpy
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, r2_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.utils._testing import ignore_warnings

FOLDS = 5

# Run, table, target, and of the run: hidden layers, activation, batch size, epochs.
TABLES = [
    ("iris", "iris", "class", (16,), "tanh", 16, 100),
    ("wine", "wine", "class", (24,), "relu", 16, 100),
    ("breast-cancer", "breast-cancer", "class", (16,), "relu", 32, 60),
    ("concrete", "concrete", "compressive_strength", (64, 32), "relu", 32, 150),
]


def read(table, target):
    """Features [rows, features] and targets [rows] of a table."""
    with open(f"data/tables/{table}.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name != target]
    features = numpy.array([[float(row[name]) for name in names] for row in rows])
    return features, numpy.array([float(row[target]) for row in rows])


def folds_of(backprop, run, is_stratified):
    """What the program says of a run's folds."""
    command = backprop + ["cross-validate", f"hocon/runs/{run}.conf", "--folds", str(FOLDS),
                          "--json"] + (["--stratified"] if is_stratified else [])
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)["folds"]


@ignore_warnings(category=ConvergenceWarning)
def score(features, targets, held_out, is_class, hidden, activation, batch, epochs):
    """scikit-learn's score on the samples held out."""
    is_held = numpy.zeros(len(targets), bool)
    is_held[held_out] = True
    scaler = StandardScaler().fit(features[~is_held])
    train, test = scaler.transform(features[~is_held]), scaler.transform(features[is_held])
    model = MLPClassifier if is_class else MLPRegressor
    network = model(hidden, activation=activation, batch_size=batch, max_iter=epochs,
                    n_iter_no_change=epochs, random_state=7)
    if is_class:
        network.fit(train, targets[~is_held])
        return accuracy_score(targets[is_held], network.predict(test))
    unit = StandardScaler().fit(targets[~is_held, None])
    network.fit(train, unit.transform(targets[~is_held, None])[:, 0])
    outputs = unit.inverse_transform(network.predict(test)[:, None])[:, 0]
    return r2_score(targets[is_held], outputs)


def text(scores, is_class):
    """Mean and deviation, of shares in percent."""
    mean, deviation = statistics.mean(scores), statistics.stdev(scores)
    return (f"{mean * 100:.1f} ± {deviation * 100:.1f}%" if is_class
            else f"R² {mean:.3f} ± {deviation:.3f}")


def main():
    backprop = sys.argv[1:]
    if not backprop:
        sys.exit(__doc__)
    print("| run | this | scikit-learn |\n|---|---|---|")
    for run, table, target, hidden, activation, batch, epochs in TABLES:
        features, targets = read(table, target)
        is_class = target == "class"
        folds = folds_of(backprop, run, is_class)
        ours = [fold["metrics"]["classification"]["accuracy"] if is_class
                else fold["metrics"]["regression"]["r2"] for fold in folds]
        theirs = [score(features, targets, fold["heldOut"], is_class, hidden, activation, batch,
                        epochs) for fold in folds]
        print(f"| `{run}` | {text(ours, is_class)} | {text(theirs, is_class)} |", flush=True)


if __name__ == "__main__":
    main()
