"""Released model for edge devices: one file that needs only Python's standard library, and ONNX for others."""
