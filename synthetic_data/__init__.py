"""A small economy of fictional firms, month by month, whose truth is known."""
