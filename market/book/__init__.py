"""The order book: recorded streams, the book rebuilt from them, and what it gives to bars."""
