"""The leakage auditor: change what may not matter, compute everything again, and name every column that noticed."""
