"""Authors and their books."""

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models


class Author(models.Model):
    """Somebody who wrote a book."""

    name = models.CharField(max_length=120, unique=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Book(models.Model):
    """A book for sale."""

    class Genre(models.IntegerChoices):
        """The numbers are those of shop.v1.Book.Genre."""

        UNSPECIFIED = 0, "not said"
        NOVEL = 1, "novel"
        POETRY = 2, "poetry"
        SCIENCE = 3, "science"
        COOKING = 4, "cooking"

    title = models.CharField(max_length=200)
    author = models.ForeignKey(Author, on_delete=models.PROTECT, related_name="books")
    isbn = models.CharField(
        "ISBN",
        max_length=13,
        unique=True,
        validators=[RegexValidator(r"\A(\d{9}[\dX]|\d{13})\Z", "Enter 10 or 13 digits; the last of 10 may be X.")],
    )
    genre = models.PositiveSmallIntegerField(choices=Genre, default=Genre.UNSPECIFIED)
    pages = models.PositiveIntegerField(default=1, validators=[MinValueValidator(1)])
    update_time = models.DateTimeField("last change", auto_now=True)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return self.title
