"""A page in one file that shows networks settle."""
