"""Trading: the compiled core, exact money, the simulated exchange, the journal and its replay."""
