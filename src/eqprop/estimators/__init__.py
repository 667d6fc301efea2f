"""scikit-learn's face of the engine."""
