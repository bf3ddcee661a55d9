"""``manage.py setupdemo``: a database to try things on."""

import secrets
from argparse import ArgumentParser

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand

from shop.models import Author, Book

BOOKS = (
    ("Middlemarch", "George Eliot", "9780141439549", Book.Genre.NOVEL, 880),
    ("The Sea Around Us", "Rachel Carson", "9780195147018", Book.Genre.SCIENCE, 278),
    ("An Everlasting Meal", "Tamar Adler", "9781439181881", Book.Genre.COOKING, 250),
)


class Command(BaseCommand):
    """Migrates, makes the admin user or gives it a new password, and puts a few books on empty shelves."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The user's name and password, and whether there are books."""
        parser.add_argument("--username", default="admin", help="the admin user's name (default: admin)")
        parser.add_argument("--password", help="the admin user's password (default: a random one, printed)")
        parser.add_argument("--empty", action="store_true", help="no books")

    def handle(self, *, username: str, password: str | None, empty: bool, verbosity: int, **_: object) -> None:
        """Does it; nothing keeps the password but its hash in the database."""
        call_command("migrate", verbosity=0, interactive=False)
        password = password or secrets.token_urlsafe(12)
        user, _made = get_user_model().objects.get_or_create(username=username)
        user.is_staff = user.is_superuser = True
        user.set_password(password)
        user.save()
        if not empty and not Book.objects.exists():
            for title, author, isbn, genre, pages in BOOKS:
                writer, _made = Author.objects.get_or_create(name=author)
                Book.objects.create(title=title, author=writer, isbn=isbn, genre=genre, pages=pages)
        if verbosity:
            self.stdout.write(f"{username} {password}")
