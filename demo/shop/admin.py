"""The shop in the admin."""

from django.contrib import admin

from shop.models import Author, Book


class BookInline(admin.TabularInline):
    """An author's books on the author's page."""

    model = Book
    extra = 0


@admin.register(Author)
class AuthorAdmin(admin.ModelAdmin):
    """Authors with their books."""

    search_fields = ("name",)
    inlines = (BookInline,)


@admin.register(Book)
class BookAdmin(admin.ModelAdmin):
    """Books, found by title, author or ISBN."""

    list_display = ("title", "author", "isbn", "genre", "pages", "update_time")
    list_filter = ("genre",)
    search_fields = ("title", "author__name", "isbn")
    autocomplete_fields = ("author",)
