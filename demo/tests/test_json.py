"""The JSON API: the services through their google.api.http routes."""

import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from demo_site import Client
from google.rpc import code_pb2

BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"


def refused(response: Any, http: int, code: str, message: str) -> dict[str, Any]:
    """Asserts a google.rpc.Status in JSON, and returns it."""
    assert response.status_code == http, response.text
    assert response.headers["content-type"] == "application/json"
    status = response.json()
    assert (status["code"], status["message"]) == (code_pb2.Code.Value(code), message)
    return status


def add(api: Client, a: Any, b: Any) -> Any:
    """POST /api/add."""
    return api.post("/api/add", json={"a": a, "b": b})


def create(api: Client, isbn: str, **fields: Any) -> dict[str, Any]:
    """A book that there is now."""
    response = api.post("/api/books", json={"title": "A book", "author": "Somebody", "isbn": isbn, "pages": 10} | fields)
    assert response.status_code == 200, response.text
    return response.json()


def test_add(api: Client) -> None:
    response = add(api, 1, 2)
    assert (response.status_code, response.json()) == (200, {"o": 3})
    assert response.headers["content-type"] == "application/json"
    assert response.headers["content-length"] == str(len(response.content))
    assert not [name for name in response.headers if name.startswith(("grpc-", "x-envoy", "trailer"))]


def test_add_takes_what_protojson_takes(api: Client) -> None:
    assert add(api, "5", 6.0).json() == {"o": 11}
    assert add(api, 1e1, None).json() == {"o": 10}
    assert api.post("/api/add", content='{"a": 7}').json() == {"o": 7}


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/merge-patch+json"])
def test_a_body_that_may_be_json(api: Client, kind: str) -> None:
    # The second is what `curl -d` calls whatever it sends.
    response = api.post("/api/add", content='{"a": 7}', headers={"content-type": kind})
    assert (response.status_code, response.json()) == (200, {"o": 7})


def test_a_body_that_is_no_json(api: Client) -> None:
    response = api.post("/api/add", content='{"a": 7}', headers={"content-type": "application/octet-stream"})
    assert response.status_code == (200 if api.site.differs("content-type") else 415)


def test_a_body_that_is_no_form(api: Client) -> None:
    response = api.post("/api/add", content='{"a": 7}', headers={"content-type": "multipart/form-data; boundary=x"})
    if api.site.differs("forms"):
        assert response.json() == {"o": 7}
    else:
        assert (response.status_code, response.json()["code"]) == (400, 3)


def test_unknown_fields(api: Client) -> None:
    response = api.post("/api/add", content='{"a": 7, "nonsense": 1}')
    if api.site.differs("unknown-fields"):
        assert response.json() == {"o": 7}
    else:
        assert response.status_code == 400
        assert "nonsense" in response.json()["message"]


def test_add_refuses(api: Client) -> None:
    status = refused(api.post("/api/add", json={}), 400, "INVALID_ARGUMENT", "`a` and/or `b` must be set")
    assert not status.get("details")
    refused(api.post("/api/add"), 400, "INVALID_ARGUMENT", "`a` and/or `b` must be set")
    refused(add(api, -1, 2), 400, "INVALID_ARGUMENT", "`a` and `b` must be positive")
    refused(add(api, 2**31 - 1, 1), 400, "OUT_OF_RANGE", "the sum is over 2147483647")


def test_metadata_are_headers(api: Client) -> None:
    response = api.post("/api/add", json={"a": 1}, headers={"x-tag": "a tag"})
    assert response.headers["x-tag"] == "a tag"


def test_a_books_life(api: Client, isbn: str) -> None:
    made = create(api, isbn, title="Ještěrka", author="Jarmila", genre="POETRY")
    assert made == {
        "id": made["id"],
        "title": "Ještěrka",
        "author": "Jarmila",
        "isbn": isbn,
        "genre": "POETRY",
        "pages": 10,
        "updateTime": made["updateTime"],
    }
    # 64-bit numbers are strings in ProtoJSON, times are RFC 3339.
    assert isinstance(made["id"], str)
    assert made["updateTime"].endswith("Z")
    path = f"/api/books/{made['id']}"
    assert api.get(path).json() == made

    changed = api.patch(path, json={"title": "Krokodýl", "pages": 11}, params={"update_mask": "title"}).json()
    assert (changed["title"], changed["pages"]) == ("Krokodýl", 10)
    changed = api.patch(path, json={"pages": 12, "genre": 3}).json()
    assert (changed["title"], changed["pages"], changed["genre"]) == ("Krokodýl", 12, "SCIENCE")

    deleted = api.delete(path)
    assert (deleted.status_code, deleted.json()) == (200, {})
    message = f"no book has the id {made['id']}"
    for method in ("GET", "DELETE", "PATCH"):
        body = {"title": "x"} if method == "PATCH" else None
        refused(api.request(method, path, json=body), 404, "NOT_FOUND", message)


def test_the_path_says_which_book(api: Client, isbn: str) -> None:
    made = create(api, isbn)
    differs = api.site.differs("path-and-body")
    with api.expecting(api.ANY if differs else "json"):
        response = api.patch(f"/api/books/{made['id']}", json={"id": "1", "title": "The path says which"})
    if differs:
        assert response.status_code == 400
    else:
        assert (response.json()["id"], response.json()["title"]) == (made["id"], "The path says which")


def test_an_isbn_is_taken_once(api: Client, isbn: str) -> None:
    create(api, isbn)
    again = api.post("/api/books", json={"title": "Another", "author": "Else", "isbn": isbn, "pages": 1})
    refused(again, 409, "ALREADY_EXISTS", f"there is a book with the ISBN {isbn}")


def test_details_of_errors(api: Client) -> None:
    response = api.post("/api/books", json={"title": "T" * 201, "isbn": "123", "genre": 77})
    status = refused(response, 400, "INVALID_ARGUMENT", "the request is not valid")
    (detail,) = status["details"]
    assert detail["@type"] == BAD_REQUEST
    found = {violation["field"]: violation["description"] for violation in detail["fieldViolations"]}
    assert found == {
        "book.title": "Ensure this value has at most 200 characters (it has 201).",
        "book.isbn": "Enter 10 or 13 digits; the last of 10 may be X.",
        "book.genre": "Value 77 is not a valid choice.",
        "book.pages": "Ensure this value is greater than or equal to 1.",
        "book.author": "This field cannot be blank.",
    }
    response = api.get("/api/books?page_size=-1")
    status = refused(response, 400, "INVALID_ARGUMENT", "the request is not valid")
    assert status["details"][0]["fieldViolations"] == [{"field": "page_size", "description": "must not be negative"}]


def test_pages_of_a_list(api: Client, isbn: str) -> None:
    # An author whose name needs encoding: a variable of one segment may hold a slash.
    author = f"A/B ř {isbn}?"
    path = "/api/authors/" + "A%2FB%20%C5%99%20" + isbn + "%3F/books"
    stem = isbn[1:]
    ids = [create(api, f"{number}{stem}", author=author)["id"] for number in range(5)]
    seen: list[str] = []
    sizes: list[int] = []
    token = ""
    while True:
        page = api.get(path, params={"page_size": 2, "page_token": token}).json()
        sizes.append(len(page["books"]))
        seen += [book["id"] for book in page["books"]]
        if not (token := page.get("nextPageToken", "")):
            break
    assert (seen, sizes) == (ids, [2, 2, 1])
    whole = api.get(f"/api/books?author={quote(author)}&pageSize=100").json()
    assert [book["id"] for book in whole["books"]] == ids
    assert api.get("/api/authors/nobody/books").json() == {}


def test_a_token_of_another_list(api: Client) -> None:
    for token in ("nonsense", "W10:x:y"):
        status = refused(
            api.get("/api/books", params={"page_token": token}), 400, "INVALID_ARGUMENT", "the request is not valid"
        )
        assert status["details"][0]["fieldViolations"][0]["field"] == "page_token"


@pytest.mark.parametrize(
    ("method", "target", "body", "said"),
    [
        ("POST", "/api/add", b'{"a": 1,\n "b": }', ""),
        ("POST", "/api/add", b'{"a": 1', ""),
        ("POST", "/api/add", b"[1, 2]", ""),
        ("POST", "/api/add", b'{"a": "one"}', "one"),
        ("POST", "/api/add", b'{"a": 2147483648}', "2147483648"),
        ("POST", "/api/add", b"\xff\xfe", ""),
        ("GET", "/api/books?nonsense=1", None, "nonsense"),
        ("GET", "/api/books?page_size=many", None, "many"),
        ("GET", "/api/books/not-a-number", None, "not-a-number"),
        ("GET", "/api/books/1?id.x=3", None, "id"),
        ("POST", "/api/books", b'{"genre": "THRILLER"}', "THRILLER"),
    ],
)
def test_what_cannot_be_transcoded(api: Client, method: str, target: str, body: bytes | None, said: str) -> None:
    differs = api.site.differs("transcoder-errors")
    # When it refuses a body Envoy has begun the call already.
    kind = (api.ANY if body else None) if differs else "json"
    with api.expecting(kind):
        response = api.request(method, target, content=body)
    assert response.status_code == 400
    assert said in response.text
    if differs:
        assert response.headers["content-type"].startswith("text/plain")
    else:
        assert response.headers["content-type"] == "application/json"
        assert response.json()["code"] == code_pb2.INVALID_ARGUMENT
        assert response.json()["message"]


def test_bad_json_says_where(api: Client) -> None:
    differs = api.site.differs("transcoder-errors")
    with api.expecting(api.ANY if differs else "json"):
        response = api.post("/api/add", content=b'{"a": 1,\n "b": }')
    if differs:
        # The line, and a mark below the place.
        assert "^" in response.text
    else:
        assert "line 2" in response.json()["message"]
        assert "column" in response.json()["message"]


def test_a_body_over_the_limit(api: Client) -> None:
    body = b'{"title": "' + b"x" * (17 << 20) + b'"}'
    with api.expecting(api.ANY):
        try:
            response = api.post("/api/books", content=body)
        except httpx.HTTPError:
            # The answer comes and the connection closes while httpx still writes; it may not get to read it.
            return
    assert response.status_code == (429 if api.site.differs("json-body-limit") else 413)


def test_methods_without_a_binding_are_the_applications(api: Client) -> None:
    for method in ("PUT", "DELETE", "OPTIONS"):
        with api.expecting("page"):
            response = api.request(method, "/api/books")
        assert (response.status_code, response.headers["content-type"]) == (404, "text/html; charset=utf-8")


def test_head_is_get_without_its_body(api: Client) -> None:
    differs = api.site.differs("head-of-json")
    with api.expecting("page" if differs else "json"):
        response = api.head("/api/books")
    assert (response.status_code, response.content) == (404 if differs else 200, b"")
    if not differs:
        assert response.headers["content-type"] == "application/json"


def test_large_numbers_and_text(api: Client, isbn: str) -> None:
    title = '"quotes" \\ / \b\f\n\r\t \u2028 \U0001f600 \x7f'
    made = create(api, isbn, title=title)
    assert made["title"] == title
    assert json.loads(api.get(f"/api/books/{made['id']}").content)["title"] == title
    refused(api.get(f"/api/books/{2**63 - 1}"), 404, "NOT_FOUND", f"no book has the id {2**63 - 1}")
