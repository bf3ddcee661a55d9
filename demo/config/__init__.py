"""The demo's Django project."""
