"""Your own scikit-learn network on a memristor chip: accuracy of the software, accuracy of the chip, and what an answer costs.

    python examples/classify.py [URL]

Put your own data and your own fitted MLPClassifier or MLPRegressor in place of the digits; scale the inputs as you did for the training.
Needs scikit-learn: pip install "ohmloom[ml]"
"""

import sys

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import ohmloom

url = sys.argv[1] if len(sys.argv) > 1 else "emu://lab-128x128x4"

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, test_size=0.3, random_state=0)
model = MLPClassifier((32,), max_iter=1000, random_state=0).fit(X_train, y_train)

with ohmloom.connect(url) as chip:
    network = ohmloom.compile(model, chip.spec, X_train)  # the training data set the ranges
    print(network.explain(), end="\n\n")

    report = chip.program(network)  # calibrates, forms what is new, write-verifies
    print(
        f"cells programmed  {report.selected.sum()}, {report.converged_fraction:.2%} of them within 1 uS of their target"
    )
    print(f"pulses per cell   {report.pulses_per_cell:.2f}")

    emulated = chip.emulated  # a board has no meters of the chip's energy
    energy_j, time_s = (chip.energy_j, chip.fabric_time_s) if emulated else (0.0, 0.0)
    labels = chip.predict(X_test)
    print(f"software accuracy {model.score(X_test, y_test):.4f}")
    print(f"chip accuracy     {(labels == y_test).mean():.4f}")
    print(f"same answer       {(labels == model.predict(X_test)).mean():.4f} of {len(X_test)}")
    if emulated:
        print(f"energy            {(chip.energy_j - energy_j) / len(X_test) * 1e6:.2f} uJ an inference")
        print(f"time              {(chip.fabric_time_s - time_s) / len(X_test) * 1e6:.2f} us an inference")
