"""The app's entry in INSTALLED_APPS."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """The bookshop."""

    name = "shop"
    default_auto_field = "django.db.models.BigAutoField"
