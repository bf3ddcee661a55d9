"""One server of parcels, and connections to it on which every byte is the test's."""

import pytest
from wires import Http1, Http2


@pytest.fixture(scope="module")
def parcels(serve):
    with serve("--grpc", "parcel_post:register", "--unknown-query", "capture", "--fill-update-mask") as server:
        yield server


@pytest.fixture(params=[Http1, Http2], ids=["HTTP/1.1", "HTTP/2"])
def wire(parcels, request):
    with request.param((parcels.host, parcels.port)) as connection:
        yield connection
