"""CORS: at the paths of methods and routes, and never at the application's."""

import pytest

PAGE = "https://page.example"
PREFLIGHT = {
    "origin": PAGE,
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type,x-grpc-web,connect-protocol-version",
}


def test_a_preflight(client):
    response = client.options("/web.v1.Echo/Unary", headers=PREFLIGHT)
    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == PAGE
    assert response.headers["access-control-allow-methods"] == "POST"
    assert response.headers["access-control-allow-headers"] == PREFLIGHT["access-control-request-headers"]
    assert int(response.headers["access-control-max-age"]) > 0
    assert "origin" in response.headers["vary"]


def test_a_preflight_of_a_page_that_may_not(client):
    response = client.options("/web.v1.Echo/Unary", headers=PREFLIGHT | {"origin": "https://other.example"})
    assert response.status_code == 403
    assert "access-control-allow-origin" not in response.headers
    assert "--cors-origin" in response.text


@pytest.mark.parametrize("headers", [{}, {"connect-protocol-version": "1"}], ids=["json", "connect"])
def test_a_call(client, headers):
    head = {"origin": PAGE, "content-type": "application/json", **headers}
    response = client.post("/web.v1.Echo/Unary", content=b"{}", headers=head)
    assert response.json() == {}
    assert response.headers["access-control-allow-origin"] == PAGE
    assert response.headers["access-control-allow-credentials"] == "true"
    assert "x-initial" in response.headers["access-control-expose-headers"]


def test_a_grpc_web_error_can_be_read(client):
    head = {"origin": PAGE, "content-type": "application/grpc-web"}
    response = client.post("/web.v1.Echo/Fail", content=b"\0\0\0\0\0", headers=head)
    assert response.headers["grpc-status"] == "5"
    exposed = response.headers["access-control-expose-headers"].split(", ")
    assert {"grpc-status", "grpc-status-details-bin", "x-trailing"} <= set(exposed)


def test_the_applications_paths_are_its_own(client):
    response = client.options("/pages/", headers=PREFLIGHT)
    assert response.text == "OPTIONS /pages/"
    assert "access-control-allow-origin" not in response.headers
    assert "vary" not in response.headers


def test_off_unless_asked_for(serve):
    with serve("translated:app", "--grpc", "translated:register") as server, server.client() as client:
        response = client.options("/web.v1.Echo/Unary", headers=PREFLIGHT)
        assert response.status_code == 405
        assert "access-control-allow-origin" not in response.headers


def test_everybody_without_credentials(serve):
    with serve("--grpc", "translated:register", "--cors-origin", "*") as server, server.client() as client:
        response = client.options("/web.v1.Echo/Unary", headers=PREFLIGHT)
        assert response.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in response.headers
