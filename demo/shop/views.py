"""The pages. Some are a shop's, the others show what a server hands to Django and takes from it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

from django.contrib import messages
from django.core.handlers.asgi import ASGIRequest
from django.forms import CharField, ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from shop.models import Author, Book


class BookForm(ModelForm):
    """A new book, its author by name."""

    author_name = CharField(max_length=120, label="Author")

    class Meta:
        model = Book
        fields = ("title", "isbn", "genre", "pages")

    def save(self, commit: bool = True) -> Book:
        """Finds the author or makes one."""
        self.instance.author, _ = Author.objects.get_or_create(name=self.cleaned_data["author_name"])
        return super().save(commit)


@require_safe
async def home(request: HttpRequest) -> HttpResponse:
    """All books, and what else there is to see."""
    books = [book async for book in Book.objects.select_related("author")]
    user = await request.auser()
    return render(request, "shop/home.html", {"books": books, "visitor": user})


@require_safe
async def browser(request: HttpRequest) -> HttpResponse:
    """A page that calls the shop's gRPC services itself, by Connect and by gRPC-Web."""
    return render(request, "shop/browser.html")


@require_safe
async def favicon(request: HttpRequest) -> HttpResponse:
    """A book, for the browser's tab."""
    return HttpResponse(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path d="M2 2h5l1 1 1-1h5v11H9l-1 1-1-1H2z"/></svg>',
        content_type="image/svg+xml",
    )


@require_http_methods(["GET", "HEAD", "POST"])
def new_book(request: HttpRequest) -> HttpResponse:
    """A plain form: CSRF token, redirect, message. A sync view, as most are."""
    form = BookForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        book = form.save()
        messages.success(request, f"“{book}” is on the shelf.")
        return redirect("shop:home")
    return render(request, "shop/form.html", {"form": form, "title": "A new book", "action": "Add"})


@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    """Says what came in a multipart form: fields as they are, files as size and digest."""
    if request.method != "POST":
        return render(request, "shop/upload.html", {"title": "Upload"})
    files = [
        {
            "field": field,
            "name": file.name,
            "type": file.content_type,
            "size": file.size,
            "sha256": hashlib.sha256(b"".join(file.chunks())).hexdigest(),
        }
        for field, uploaded in request.FILES.lists()
        for file in uploaded
    ]
    fields = {key: values for key, values in request.POST.lists() if key != "csrfmiddlewaretoken"}
    return JsonResponse({"fields": fields, "files": files, "content_length": request.META.get("CONTENT_LENGTH")})


@require_safe
async def whoami(request: HttpRequest) -> HttpResponse:
    """The user of this session."""
    user = await request.auser()
    return JsonResponse({"user": user.get_username() or None})


@csrf_exempt
async def inspect(request: ASGIRequest) -> HttpResponse:
    """What the server said of this request: the ASGI scope as it came, and the body's size and digest.

    It takes every method and no CSRF token, since nothing is changed here.
    """
    scope = request.scope
    size, digest = 0, hashlib.sha256()
    # Read in pieces: request.body would refuse more than DATA_UPLOAD_MAX_MEMORY_SIZE.
    while piece := request.read(64 * 1024):
        size += len(piece)
        digest.update(piece)
    return JsonResponse(
        {
            "method": scope["method"],
            "path": scope["path"],
            "raw_path": scope["raw_path"].decode("latin-1"),
            "query_string": scope["query_string"].decode("latin-1"),
            "root_path": scope["root_path"],
            "scheme": scope["scheme"],
            "http_version": scope["http_version"],
            "client": scope["client"],
            "server": scope["server"],
            "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]],
            "scope": sorted(scope),
            "extensions": sorted(scope.get("extensions") or {}),
            "asgi": scope["asgi"],
            "django": {"method": request.method, "host": request.get_host(), "secure": request.is_secure()},
            "body": {"size": size, "sha256": digest.hexdigest()},
        }
    )


def _number(request: HttpRequest, name: str, default: int, limit: int) -> int:
    """A whole number of the query, kept within bounds."""
    try:
        return max(0, min(int(request.GET.get(name, default)), limit))
    except ValueError:
        return default


@require_GET
async def stream(request: HttpRequest) -> StreamingHttpResponse:
    """So many lines, each sent by itself: ``?lines=3&pause_ms=100``."""
    lines = _number(request, "lines", 3, 100_000)
    pause = _number(request, "pause_ms", 0, 1000) / 1000

    async def produce() -> AsyncIterator[bytes]:
        for number in range(lines):
            if pause:
                await asyncio.sleep(pause)
            yield f"line {number}\n".encode()

    return StreamingHttpResponse(produce(), content_type="text/plain; charset=utf-8")


@require_safe
async def blob(request: HttpRequest) -> HttpResponse:
    """So many bytes, 0 to 255 over and over: ``?size=1000000``."""
    size = _number(request, "size", 1000, 64 * 1024 * 1024)
    pattern = bytes(range(256))
    return HttpResponse((pattern * (size // 256 + 1))[:size], content_type="application/octet-stream")


@require_safe
async def cookies(request: HttpRequest) -> HttpResponse:
    """Sets two cookies and says which ones came."""
    response = JsonResponse({"cookies": dict(sorted(request.COOKIES.items()))})
    response.set_cookie("first", "1", samesite="Lax")
    response.set_cookie("second", "two words", httponly=True, samesite="Lax")
    return response


@require_safe
async def moved(request: HttpRequest) -> HttpResponseRedirect:
    """Sends the visitor home."""
    return HttpResponseRedirect("/?moved=1")


@csrf_exempt
async def status(request: HttpRequest, code: int) -> HttpResponse:
    """An answer of any final status, 200 to 599, with a body where the status allows one."""
    if not 200 <= code <= 599:
        return HttpResponse("A status is 200 to 599.\n", status=400, content_type="text/plain; charset=utf-8")
    body = b"" if code in (204, 304) else f"status {code}\n".encode()
    response = HttpResponse(body, status=code, content_type="text/plain; charset=utf-8")
    response["x-demo"] = "status"
    if code == 304:
        response["etag"] = '"demo"'
    return response


@csrf_exempt
async def boom(request: HttpRequest) -> HttpResponse:
    """Fails, as views do."""
    raise RuntimeError("this view always fails")
