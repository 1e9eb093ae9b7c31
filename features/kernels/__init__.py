"""Step functions: the compiled arithmetic of one bar. Every one is finite for every admissible bar."""
