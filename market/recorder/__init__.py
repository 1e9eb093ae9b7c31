"""The tape recorder: a venue's live streams into files that `market.book.recordings` reads, and those into the lake."""
