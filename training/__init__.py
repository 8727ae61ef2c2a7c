"""Datasets -> fine-tuned model -> calibrated artifact -> evaluation and card."""
