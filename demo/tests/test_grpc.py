"""gRPC by grpcio's own clients, synchronous and asyncio, through unmodified generated code."""

import asyncio
import time

import grpc
import pytest
from demo_site import Site
from google.protobuf import descriptor_pb2
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_status import rpc_status
from shop.v1 import demo_pb2, demo_pb2_grpc, shop_pb2, shop_pb2_grpc

Demo = demo_pb2_grpc.DemoServiceStub
Shop = shop_pb2_grpc.ShopServiceStub
AddRequest = demo_pb2.AddRequest


def book(isbn: str, **fields: object) -> shop_pb2.Book:
    """One that can be created."""
    return shop_pb2.Book(**({"title": "A book", "author": "Somebody", "isbn": isbn, "pages": 10} | fields))


def test_add(site: Site, demo: Demo) -> None:
    with site.watch("grpc") as seen:
        assert demo.Add(AddRequest(a=1, b=2), timeout=5) == demo_pb2.AddResponse(o=3)
    assert (seen[0].method, seen[0].target, seen[0].status) == ("POST", "/shop.v1.DemoService/Add", "200")


def test_metadata(demo: Demo) -> None:
    binary = bytes(range(256))
    sent = (("x-tag", "a tag; with, signs"), ("x-tag-bin", binary))
    _, call = demo.Add.with_call(AddRequest(a=1), metadata=sent, timeout=5)
    assert ("x-tag", "a tag; with, signs") in call.initial_metadata()
    assert ("x-tag-bin", binary) in call.trailing_metadata()


@pytest.mark.parametrize(
    ("a", "b", "code", "details"),
    [
        (0, 0, grpc.StatusCode.INVALID_ARGUMENT, "`a` and/or `b` must be set"),
        (-1, 2, grpc.StatusCode.INVALID_ARGUMENT, "`a` and `b` must be positive"),
        (1, -2, grpc.StatusCode.INVALID_ARGUMENT, "`a` and `b` must be positive"),
        (2**31 - 1, 1, grpc.StatusCode.OUT_OF_RANGE, "the sum is over 2147483647"),
    ],
)
def test_add_refuses(site: Site, demo: Demo, a: int, b: int, code: grpc.StatusCode, details: str) -> None:
    with site.watch("grpc") as seen, pytest.raises(grpc.RpcError) as caught:
        demo.Add(AddRequest(a=a, b=b), metadata=[("x-tag-bin", b"\xff")], timeout=5)
    assert (caught.value.code(), caught.value.details()) == (code, details)
    assert ("x-tag-bin", b"\xff") in caught.value.trailing_metadata()
    assert (seen[0].status, seen[0].code) == ("200", code.name)


def test_a_deadline(site: Site, demo: Demo) -> None:
    start, began = site.log.size(), time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        demo.Add(AddRequest(a=1), metadata=[("x-pause-ms", "9000")], timeout=1)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - began < 5
    site.log.wait_for("Add was cancelled", start)


def test_a_call_that_the_client_cancels(site: Site) -> None:
    async def call() -> None:
        async with grpc.aio.insecure_channel(site.target) as channel:
            call = Demo(channel).Add(AddRequest(a=1), metadata=[("x-pause-ms", "9000")])
            await asyncio.to_thread(site.log.wait_for, "Add takes its time", start)
            call.cancel()
            assert await call.code() == grpc.StatusCode.CANCELLED

    start = site.log.size()
    asyncio.run(call())
    site.log.wait_for("Add was cancelled", start)


def test_a_books_life(site: Site, shop: Shop, isbn: str) -> None:
    with site.watch("grpc", "grpc", "grpc", "grpc", "grpc"):
        made = shop.CreateBook(shop_pb2.CreateBookRequest(book=book(isbn, genre=shop_pb2.Book.POETRY)))
        assert made.id
        assert abs(made.update_time.ToSeconds() - time.time()) < 60
        assert shop.GetBook(shop_pb2.GetBookRequest(id=made.id)) == made
        update = shop_pb2.UpdateBookRequest(book=shop_pb2.Book(id=made.id, title="Other", pages=99))
        update.update_mask.paths.append("title")
        changed = shop.UpdateBook(update)
        assert (changed.title, changed.pages) == ("Other", 10)
        shop.DeleteBook(shop_pb2.DeleteBookRequest(id=made.id))
        with pytest.raises(grpc.RpcError) as caught:
            shop.GetBook(shop_pb2.GetBookRequest(id=made.id))
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.NOT_FOUND, f"no book has the id {made.id}")


def test_a_synchronous_method_aborts(shop: Shop) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        shop.DeleteBook(shop_pb2.DeleteBookRequest(id=987_654_321))
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.NOT_FOUND, "no book has the id 987654321")


def test_details_of_errors(shop: Shop) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        shop.CreateBook(shop_pb2.CreateBookRequest(book=book("123")))
    status = rpc_status.from_call(caught.value)
    assert status is not None
    assert status.message == caught.value.details() == "the request is not valid"
    (packed,) = status.details
    detail = error_details_pb2.BadRequest()
    assert packed.Unpack(detail)
    assert [violation.field for violation in detail.field_violations] == ["book.isbn"]


def test_the_same_rows_everywhere(site: Site, shop: Shop, isbn: str) -> None:
    made = shop.CreateBook(shop_pb2.CreateBookRequest(book=book(isbn, title=f"Seen {isbn} everywhere")))
    assert f"Seen {isbn} everywhere" in site.client().get("/").text
    assert site.client("json").get(f"/api/books/{made.id}").json()["isbn"] == isbn


@pytest.mark.parametrize("method", ["/shop.v1.DemoService/Subtract", "/shop.v1.Nothing/Add", "/other.v1.Service/Method"])
def test_unknown_methods(site: Site, method: str) -> None:
    with site.channel() as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(method)(b"", timeout=5)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_message_over_the_limit(site: Site, shop: Shop, isbn: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        shop.CreateBook(shop_pb2.CreateBookRequest(book=book(isbn, title="x" * (5 << 20))), timeout=20)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert site.client().get("/whoami").status_code == 200


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_requests(site: Site, compression: grpc.Compression) -> None:
    with grpc.insecure_channel(site.target, compression=compression) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            Shop(channel).CreateBook(shop_pb2.CreateBookRequest(book=book("123", title="x" * 100_000)), timeout=5)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert Demo(channel).Add(AddRequest(a=1, b=2), timeout=5).o == 3


def test_a_method_called_with_json(site: Site) -> None:
    with site.client(http2=True) as client:
        client.kind = client.ANY
        response = client.post("/shop.v1.DemoService/Add", json={"a": 1, "b": 2})
        if site.differs("json-by-method"):
            assert response.status_code == 415
            return
        assert (response.status_code, response.json()["o"]) == (200, 3)
        response = client.post("/shop.v1.DemoService/Add", json={"c": 1})
        assert (response.status_code, response.json()["code"]) == (400, 3)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-protobuf"])
def test_a_method_called_with_another_content_type(site: Site, kind: str) -> None:
    # A servicer's path is never the application's.
    with site.client(http2=True) as client:
        client.kind = client.ANY
        response = client.post("/shop.v1.DemoService/Add", content=b"{}", headers={"content-type": kind})
    assert response.status_code == 415
    assert not response.headers.get("content-type", "").startswith("text/html")


def test_many_at_once(site: Site) -> None:
    async def call() -> list[int]:
        async with grpc.aio.insecure_channel(site.target) as channel:
            stub = Demo(channel)
            replies = await asyncio.gather(*(stub.Add(AddRequest(a=number, b=1), timeout=20) for number in range(200)))
            return [reply.o for reply in replies]

    with site.watch(*["grpc"] * 200):
        assert asyncio.run(call()) == list(range(1, 201))


def test_many_that_write(site: Site, isbn: str) -> None:
    stem = isbn[2:]

    async def call() -> None:
        async with grpc.aio.insecure_channel(site.target) as channel:
            stub = Shop(channel)
            made = await asyncio.gather(
                *(stub.CreateBook(shop_pb2.CreateBookRequest(book=book(f"{number:02}{stem}"))) for number in range(20))
            )
            await asyncio.gather(*(stub.DeleteBook(shop_pb2.DeleteBookRequest(id=one.id)) for one in made))

    asyncio.run(call())


@pytest.mark.parametrize("service", ["", "shop.v1.DemoService", "shop.v1.ShopService"])
def test_health(site: Site, service: str) -> None:
    with site.watch("grpc"), site.channel() as channel:
        reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
    assert reply.status == health_pb2.HealthCheckResponse.SERVING


def test_health_of_what_is_not_there(site: Site) -> None:
    with site.channel() as channel, pytest.raises(grpc.RpcError) as caught:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="no.Such"), timeout=5)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_health_is_watched(site: Site) -> None:
    with site.channel() as channel:
        replies = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=20)
        assert next(replies).status == health_pb2.HealthCheckResponse.SERVING
        replies.cancel()


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection(site: Site, version: str) -> None:
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="shop.v1.Book"),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="no.such.Symbol"),
    ]
    # The two versions have the same messages under different names.
    with site.channel() as channel:
        method = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        listed, described, missing = method(iter(requests), timeout=10)
    names = {service.name for service in listed.list_services_response.service}
    assert {"shop.v1.DemoService", "shop.v1.ShopService", "grpc.health.v1.Health"} <= names
    assert not [name for name in names if name.startswith("narthex.")]
    files = [
        descriptor_pb2.FileDescriptorProto.FromString(data) for data in described.file_descriptor_response.file_descriptor_proto
    ]
    assert "shop/v1/shop.proto" in {file.name for file in files}
    assert missing.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
