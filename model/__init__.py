"""From what is known about a firm to a probability of default with reasons."""
