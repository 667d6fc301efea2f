"""What a row measures: an error where there is one, else a cost."""

from __future__ import annotations

from eqprop.analysis.collect import measure_of


def test_perfect_classifiers_are_classifiers():
    perfect = {"training_error": 0.0, "validation_error": 0.0, "validation_cost": 0.01}
    assert measure_of([perfect | {"task": "classification"}] * 2) == ("error", 100)
    assert measure_of([perfect | {"task": "regression"}] * 2) == ("cost", 1)
