"""The gRPC services, on the same rows as the admin; their JSON API follows from the protos.

``narthex serve config.asgi:application --grpc shop.servicers:register`` serves them; so would a ``grpc.aio.server()``.
"""

import asyncio
import logging
import re

import grpc
from asgiref.sync import sync_to_async
from django.core import signing
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from google.protobuf import empty_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from shop.models import Author, Book
from shop.v1 import demo_pb2, demo_pb2_grpc, shop_pb2, shop_pb2_grpc

log = logging.getLogger("shop.servicers")

DEFAULT_PAGE, LARGEST_PAGE = 10, 100
WRITABLE = ("title", "author", "isbn", "genre", "pages")
LARGEST_INT32 = 2**31 - 1


class DemoService(demo_pb2_grpc.DemoServiceServicer):
    """Arithmetic. Metadata ``x-tag`` and ``x-tag-bin`` come back; ``x-pause-ms`` makes it take that long (10 s at most)."""

    async def Add(self, request: demo_pb2.AddRequest, context: grpc.aio.ServicerContext) -> demo_pb2.AddResponse:
        """The sum of two numbers."""
        metadata = dict(context.invocation_metadata() or ())
        await context.send_initial_metadata([("x-tag", tag)] if (tag := metadata.get("x-tag")) else [])
        if data := metadata.get("x-tag-bin"):
            context.set_trailing_metadata([("x-tag-bin", data)])
        await self._pause(str(metadata.get("x-pause-ms", "")))
        # The two ways of grpc to refuse: abort, which raises, and a code on the context beside an answer nobody sees.
        if not request.a and not request.b:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "`a` and/or `b` must be set")
        if request.a < 0 or request.b < 0:
            context.set_code(grpc.StatusCode.INVALID_ARGUMENT)
            context.set_details("`a` and `b` must be positive")
            return demo_pb2.AddResponse()
        if request.a + request.b > LARGEST_INT32:
            await context.abort(grpc.StatusCode.OUT_OF_RANGE, f"the sum is over {LARGEST_INT32}")
        return demo_pb2.AddResponse(o=request.a + request.b)

    async def _pause(self, milliseconds: str) -> None:
        """Takes its time, and logs when the caller does not wait for it."""
        if not re.fullmatch(r"\d{1,5}", milliseconds):
            return
        log.info("Add takes its time")
        try:
            await asyncio.sleep(min(int(milliseconds), 10_000) / 1000)
        except asyncio.CancelledError:
            log.info("Add was cancelled")
            raise


class ShopService(shop_pb2_grpc.ShopServiceServicer):
    """Books. Asynchronous but for DeleteBook, which shows that a plain method works beside them."""

    async def GetBook(self, request: shop_pb2.GetBookRequest, context: grpc.aio.ServicerContext) -> shop_pb2.Book:
        """One book by its id."""
        return to_message(await self._find(request.id, context))

    async def ListBooks(
        self, request: shop_pb2.ListBooksRequest, context: grpc.aio.ServicerContext
    ) -> shop_pb2.ListBooksResponse:
        """A page of books; the token of the next page is the last id, signed together with the filter."""
        if request.page_size < 0:
            await refuse(context, {"page_size": ["must not be negative"]})
        size = min(request.page_size or DEFAULT_PAGE, LARGEST_PAGE)
        books = Book.objects.select_related("author").order_by("pk")
        if request.author:
            books = books.filter(author__name=request.author)
        if request.page_token:
            try:
                author, after = signing.loads(request.page_token, salt="shop.books")
            except signing.BadSignature:
                author, after = None, 0
            if author != request.author:
                await refuse(context, {"page_token": ["is not the next_page_token of such a list"]})
            books = books.filter(pk__gt=after)
        page = [book async for book in books[: size + 1]]
        response = shop_pb2.ListBooksResponse(books=map(to_message, page[:size]))
        if len(page) > size:
            response.next_page_token = signing.dumps((request.author, page[size - 1].pk), salt="shop.books")
        return response

    async def CreateBook(self, request: shop_pb2.CreateBookRequest, context: grpc.aio.ServicerContext) -> shop_pb2.Book:
        """A new book."""
        return await self._save(Book(), request.book, WRITABLE, context)

    async def UpdateBook(self, request: shop_pb2.UpdateBookRequest, context: grpc.aio.ServicerContext) -> shop_pb2.Book:
        """Changes what the mask names, or without a mask what is set."""
        names = list(request.update_mask.paths) or [name for name in WRITABLE if getattr(request.book, name)]
        if names == ["*"]:
            names = list(WRITABLE)
        if unknown := [name for name in names if name not in WRITABLE]:
            await refuse(context, {"update_mask": [f"`{name}` cannot be changed" for name in unknown]})
        return await self._save(await self._find(request.book.id, context), request.book, names, context)

    def DeleteBook(self, request: shop_pb2.DeleteBookRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Removes a book: an ordinary function with the ordinary ORM, run on a thread."""
        count, _ = Book.objects.filter(pk=request.id).delete()
        if not count:
            context.abort(grpc.StatusCode.NOT_FOUND, f"no book has the id {request.id}")
        return empty_pb2.Empty()

    async def _find(self, key: int, context: grpc.aio.ServicerContext) -> Book:
        """The book with this id; aborts if there is none."""
        try:
            return await Book.objects.select_related("author").aget(pk=key)
        except Book.DoesNotExist:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no book has the id {key}")
            raise

    async def _save(
        self, book: Book, message: shop_pb2.Book, names: list[str] | tuple[str, ...], context: grpc.aio.ServicerContext
    ) -> shop_pb2.Book:
        """Takes the named fields of the message over, checks and saves."""
        try:
            await sync_to_async(save)(book, message, names)
        except ValidationError as error:
            await refuse(context, {f"book.{name}": errors for name, errors in error.message_dict.items()})
        except IntegrityError:
            await context.abort(grpc.StatusCode.ALREADY_EXISTS, f"there is a book with the ISBN {message.isbn}")
        return to_message(book)


@transaction.atomic
def save(book: Book, message: shop_pb2.Book, names: list[str] | tuple[str, ...]) -> None:
    """Saves the named fields of the message, with an author where the name is new; ValidationError names the fields."""
    errors: dict[str, list[str]] = {}
    for name in names:
        if name != "author":
            setattr(book, name, getattr(message, name))
    author = Author(name=message.author)
    for instance, exclude in ((author, set()), (book, {"author"})):
        try:
            instance.clean_fields(exclude)
        except ValidationError as error:
            errors |= error.message_dict
    if "name" in errors:
        problem = errors.pop("name")
        if "author" in names:
            errors["author"] = problem
    if errors:
        raise ValidationError(errors)
    if "author" in names:
        book.author, _ = Author.objects.get_or_create(name=message.author)
    book.save()


def to_message(book: Book) -> shop_pb2.Book:
    """The row as its message."""
    message = shop_pb2.Book(
        id=book.pk, title=book.title, author=book.author.name, isbn=book.isbn, genre=book.genre, pages=book.pages
    )
    message.update_time.FromDatetime(book.update_time)
    return message


async def refuse(context: grpc.aio.ServicerContext, problems: dict[str, list[str]]) -> None:
    """Aborts with INVALID_ARGUMENT and what is wrong with each field, as a google.rpc.BadRequest."""
    bad_request = error_details_pb2.BadRequest()
    for field, messages in problems.items():
        for message in messages:
            bad_request.field_violations.add(field=field, description=message)
    status = status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message="the request is not valid")
    status.details.add().Pack(bad_request)
    rich = rpc_status.to_status(status)
    await context.abort(rich.code, rich.details, rich.trailing_metadata)


def register(server: grpc.aio.Server) -> None:
    """Adds both services to the server."""
    demo_pb2_grpc.add_DemoServiceServicer_to_server(DemoService(), server)
    shop_pb2_grpc.add_ShopServiceServicer_to_server(ShopService(), server)
