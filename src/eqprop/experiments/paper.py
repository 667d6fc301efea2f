"""What the paper reports, to stand beside full-MNIST runs."""

from __future__ import annotations

CLAIMS = {
    "figure3": (
        "Section 3.1, after 250 epochs: about 2.5 % test error (our validation error) and 0 % "
        "training error for the layer-skipping network and for the layered one with a rate per "
        "layer; the layered one with a single rate is about 0.5 points worse in both. The "
        "layer-skipping network needs around 25 % more epochs than the one with a rate per layer."
    ),
    "figure4": (
        "Section 3.2: in the layered network with one rate the corrections shrink by a factor of "
        "about 100 from output to input; rates per layer make them uniform; in the layer-skipping "
        "network the layers below the output learn uniformly, the output layer about 10 times "
        "faster. In the 5 x 100 networks the trend is the same and weaker."
    ),
    "figure5": (
        "Section 3.2: up to p of about 0.1 % more p makes the layers more uniform and does not "
        "lower the error; above, the error falls slightly slower than exponentially in p, and "
        "below p of about 7 % the network is worse than a layered one with one rate."
    ),
    "added": "Section 2: adding connections gives results similar to replacing them.",
    "particles": "Section 2.2: persistent particles raise the error early in training.",
    "sign": "Section 2.2: a random sign of beta has a regularising effect.",
}
"""By experiment."""
