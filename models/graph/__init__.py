"""Every member, the stacker and the calibration as one ONNX graph."""
