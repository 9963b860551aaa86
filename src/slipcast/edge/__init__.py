"""A released model for machines without anything: one file of Python's standard library, and ONNX for the others."""
