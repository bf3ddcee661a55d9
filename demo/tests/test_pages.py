"""What Django answers: pages, forms, sessions and static files come through whole, by whichever way."""

import hashlib
import os
import re

import pytest
from conftest import log_in
from demo_site import Client, Site


def test_a_page(pages: Client) -> None:
    response = pages.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["content-length"] == str(len(response.content))
    assert response.headers.get_list("x-frame-options") == ["DENY"]
    assert "<h1>Bookshop</h1>" in response.text
    assert "date" in response.headers


def test_what_carries_the_response_does_not_show(pages: Client) -> None:
    headers = pages.get("/").headers
    assert not [name for name in headers if name.startswith(("grpc-", "x-http-code", "x-envoy"))]


def test_admin_asks_for_a_login(pages: Client) -> None:
    response = pages.get("/admin/shop/book/")
    assert (response.status_code, response.headers["location"]) == (302, "/admin/login/?next=/admin/shop/book/")
    response = pages.get("/admin/shop/book/", follow_redirects=True)
    assert (response.status_code, response.url.path) == (200, "/admin/login/")


def test_login_and_logout(pages: Client) -> None:
    assert pages.get("/whoami").json() == {"user": None}
    log_in(pages)
    assert "Site administration" in pages.get("/admin/").text
    assert pages.get("/whoami").json() == {"user": "admin"}
    response = pages.post("/admin/logout/", data={"csrfmiddlewaretoken": pages.cookies["csrftoken"]})
    assert response.status_code == 200
    assert pages.get("/whoami").json() == {"user": None}


@pytest.mark.parametrize("token", ["", "x" * 64])
def test_a_form_without_its_token_is_refused(pages: Client, token: str) -> None:
    pages.get("/books/new").raise_for_status()
    response = pages.post("/books/new", data={"title": "Forged", "csrfmiddlewaretoken": token})
    assert response.status_code == 403
    assert "Forged" not in pages.get("/").text


def test_a_form(pages: Client, isbn: str) -> None:
    pages.get("/books/new").raise_for_status()
    book = {"title": "Žluťoučký kůň & <b>", "isbn": isbn, "genre": "2", "pages": "77", "author_name": "Čapek"}
    token = {"csrfmiddlewaretoken": pages.cookies["csrftoken"]}
    response = pages.post("/books/new", data=book | token)
    assert (response.status_code, response.headers["location"]) == (302, "/")
    # The message is in a cookie: it is shown once.
    assert "is on the shelf" in (page := pages.get("/").text)
    assert "Žluťoučký kůň &amp; &lt;b&gt;" in page
    assert "is on the shelf" not in pages.get("/").text
    again = pages.post("/books/new", data=book | token)
    assert again.status_code == 200
    assert "Book with this ISBN already exists." in again.text


def test_static_files(pages: Client) -> None:
    page = pages.get("/admin/login/").text
    sheets = re.findall(r'href="(/static/[^"]+\.css)"', page)
    assert sheets
    for sheet in sheets:
        response = pages.get(sheet)
        assert (response.status_code, response.headers["content-type"].partition(";")[0]) == (200, "text/css")
        assert len(response.content) > 100
        unchanged = pages.get(sheet, headers={"if-modified-since": response.headers["last-modified"]})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert pages.get("/static/admin/nothing.css").status_code == 404


def test_favicon(pages: Client) -> None:
    assert pages.get("/favicon.ico").headers["content-type"] == "image/svg+xml"


def test_redirects(pages: Client) -> None:
    response = pages.get("/moved")
    assert (response.status_code, response.headers["location"], response.content) == (302, "/?moved=1", b"")
    response = pages.get("/moved", follow_redirects=True)
    assert (response.status_code, response.url.path, response.url.query) == (200, "/", b"moved=1")
    assert pages.get("/admin").headers["location"] == "/admin/"


def test_two_cookies_are_two_headers(pages: Client) -> None:
    response = pages.get("/cookies")
    assert [value.partition(";")[0] for value in response.headers.get_list("set-cookie")] == [
        "first=1",
        'second="two words"',
    ]
    assert pages.get("/cookies").json() == {"cookies": {"first": "1", "second": "two words"}}


def test_cookies_in_several_fields_are_one(site: Site) -> None:
    # RFC 9113 8.2.3: HTTP/2 may split the field, the application gets one.
    headers = [("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3; d=4")]
    response = site.client(http2=True).get("/cookies", headers=headers)
    assert response.json() == {"cookies": {"a": "1", "b": "2", "c": "3", "d": "4"}}


@pytest.mark.parametrize(
    "code", [200, 201, 202, 203, 206, 226, 301, 400, 401, 404, 405, 409, 418, 422, 429, 500, 502, 503, 599]
)
def test_status_codes(pages: Client, code: int) -> None:
    response = pages.get(f"/status/{code}")
    assert (response.status_code, response.text, response.headers["x-demo"]) == (code, f"status {code}\n", "status")


@pytest.mark.parametrize("code", [204, 304])
def test_no_body_where_there_is_none(pages: Client, code: int) -> None:
    response = pages.get(f"/status/{code}")
    assert (response.status_code, response.content, response.headers["x-demo"]) == (code, b"", "status")
    assert "transfer-encoding" not in response.headers
    if code == 204:
        assert "content-length" not in response.headers
    # The connection is still in step.
    assert pages.get("/whoami").json() == {"user": None}


@pytest.mark.parametrize("kind", ["application/grpcx", "application/json"])
def test_a_page_takes_any_content_type(pages: Client, kind: str) -> None:
    response = pages.post("/status/418", content=b"x", headers={"content-type": kind})
    assert (response.status_code, response.text) == (418, "status 418\n")
    assert "x-http-code" not in response.headers


@pytest.mark.parametrize("kind", ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"])
def test_a_page_is_no_grpc_method(site: Site, kind: str) -> None:
    client = site.client(http2=True)
    client.kind = client.ANY
    response = client.post("/status/418", content=b"\0\0\0\0\0", headers={"content-type": kind})
    if site.differs("content-type-parameters") and ";" in kind:
        assert (response.status_code, response.text) == (418, "status 418\n")
    else:
        assert (response.status_code, response.headers["grpc-status"]) == (200, "12")


@pytest.mark.parametrize("kind", ["application/grpc-web", "application/grpc-web+proto"])
def test_a_page_is_no_method_of_grpc_web(site: Site, kind: str) -> None:
    client = site.client(http2=True)
    client.kind = client.ANY
    response = client.post("/status/418", content=b"\0\0\0\0\0", headers={"content-type": kind})
    if site.differs("grpc-web"):
        assert (response.status_code, response.text) == (418, "status 418\n")
    else:
        assert (response.status_code, response.headers["grpc-status"]) == (200, "12")


def test_head(pages: Client) -> None:
    response = pages.head("/blob?size=1234")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"] == "application/octet-stream"
    expected = None if pages.site.differs("content-length-of-nothing") else "1234"
    assert response.headers.get("content-length") == expected
    assert pages.get("/whoami").json() == {"user": None}


def test_an_unknown_page(pages: Client) -> None:
    for path in ("/nowhere", "/api/nowhere", "/api", "/shop.v1.DemoService"):
        response = pages.get(path)
        assert (response.status_code, response.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert "Not Found" in response.text


def test_a_view_that_raises(pages: Client) -> None:
    start = pages.site.log.size()
    response = pages.get("/boom")
    assert response.status_code == 500
    assert "Server Error (500)" in response.text
    assert "this view always fails" not in response.text
    pages.site.log.wait_for("RuntimeError: this view always fails", start)


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 1 << 20, 8 << 20])
def test_large_responses(pages: Client, size: int) -> None:
    expected = (bytes(range(256)) * (size // 256 + 1))[:size]
    response = pages.get("/blob", params={"size": size})
    assert response.headers["content-length"] == str(size)
    assert hashlib.sha256(response.content).digest() == hashlib.sha256(expected).digest()


@pytest.mark.parametrize("lines", [0, 1, 5000])
def test_a_streamed_response(pages: Client, lines: int) -> None:
    response = pages.get(f"/stream?lines={lines}")
    assert response.text == "".join(f"line {number}\n" for number in range(lines))
    if lines:
        assert ("content-length" in response.headers) == pages.site.differs("page-streams")


def test_upload(pages: Client) -> None:
    pages.get("/upload").raise_for_status()
    small, large = b"", os.urandom(3 << 20)
    response = pages.post(
        "/upload",
        data={"note": "grüße", "csrfmiddlewaretoken": pages.cookies["csrftoken"]},
        files=[
            ("file", ("naïve.txt", small, "text/plain")),
            ("file", ("large.bin", large, "application/octet-stream")),
        ],
    )
    assert response.status_code == 200
    assert response.json()["fields"] == {"note": ["grüße"]}
    assert response.json()["files"] == [
        {
            "field": "file",
            "name": name,
            "type": kind,
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        for name, kind, data in (
            ("naïve.txt", "text/plain", small),
            ("large.bin", "application/octet-stream", large),
        )
    ]


def test_add_a_book_in_the_admin(staff: Client, isbn: str) -> None:
    token = {"csrfmiddlewaretoken": staff.cookies["csrftoken"]}
    author = {"name": f"Author {isbn}", "books-TOTAL_FORMS": "0", "books-INITIAL_FORMS": "0"}
    response = staff.post("/admin/shop/author/add/", data=author | token, follow_redirects=True)
    assert "was added successfully" in response.text
    (key,) = set(re.findall(rf'/admin/shop/author/(\d+)/change/">Author {isbn}<', response.text))
    book = {"title": "By hand", "author": key, "isbn": isbn, "genre": "1", "pages": "12"}
    response = staff.post("/admin/shop/book/add/", data=book | token, follow_redirects=True)
    assert "was added successfully" in response.text
    with staff.expecting("json"):
        (found,) = staff.get(f"/api/authors/Author {isbn}/books").json()["books"]
    assert (found["title"], found["isbn"], found["genre"]) == ("By hand", isbn, "NOVEL")
