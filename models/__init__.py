"""Models: labels, weights, splitters, members, the ONNX graph, certificates, bundles and the store."""
