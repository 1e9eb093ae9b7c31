"""Getting market data: a venue's public archive of files over HTTP, and what other venues answer to ccxt."""
