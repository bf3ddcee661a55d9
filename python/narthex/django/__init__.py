"""Glue for processes in which Django lives. Nothing here imports Django before the user's code has."""
