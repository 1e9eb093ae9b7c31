"""Learners behind one protocol; a new one is one file and one line in ``MEMBERS``."""
