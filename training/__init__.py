"""Datasets -> fine-tuned model -> calibrated artifact -> evaluation and card."""

import serving  # noqa: F401  # before any library: it says what ONNX Runtime may not do
