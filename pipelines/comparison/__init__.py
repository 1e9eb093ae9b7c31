"""Several finished runs side by side: which rows they share, whether one is better, and what differs between them."""
