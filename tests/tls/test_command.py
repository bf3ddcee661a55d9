"""``narthex serve`` with ``--tls-cert`` and its like."""

import shutil
import socket
import ssl
import subprocess

import grpc
import httpx
import pytest


def get(server, path, context, **options):
    with httpx.Client(verify=context, trust_env=False, timeout=20, **options) as client:
        return client.get(server.url + path)


@pytest.mark.parametrize("http2", [False, True], ids=["h1", "h2"])
def test_the_application_is_served_by_https(serve_tls, pki, http2):
    with serve_tls("plain:app") as server:
        assert server.url.startswith("https://127.0.0.1:")
        response = get(server, "/", pki.context(), http2=http2)
        assert response.status_code == 200
        assert response.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
        assert response.json()["scheme"] == "https"


def test_grpc_is_served_by_tls(serve_tls, pki):
    with (
        serve_tls("--grpc", "grpc_calls:register") as server,
        grpc.secure_channel(f"localhost:{server.port}", pki.channel_credentials()) as channel,
    ):
        assert channel.unary_unary("/test.Calls/Echo")(b"hello", timeout=20) == b"hello"


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize("tls", [["--tls-max", "1.2"], ["--tlsv1.3"]], ids=["1.2", "1.3"])
def test_curl(serve_tls, pki, version, tls):
    with serve_tls("plain:app") as server:
        ran = subprocess.run(
            [
                *("curl", "--silent", "--show-error", "--cacert", pki.ca_file, version, *tls),
                *("--output", "/dev/null", "--write-out", "%{http_code} %{http_version}", server.url),
            ],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        assert ran.stdout == ("200 1.1" if version == "--http1.1" else "200 2")


def test_key_and_certificate_may_be_one_file(serve, pki):
    with serve("plain:app", "--tls-cert", str(pki.folder / "both.pem")) as server:
        assert get(server, "/", pki.context()).status_code == 200


@pytest.mark.parametrize("auth", ["required", "optional"])
def test_clients_certificates(serve_tls, pki, auth):
    with serve_tls("plain:app", "--tls-client-ca", pki.ca_file, "--tls-client-auth", auth) as server:
        assert get(server, "/", pki.context(pki.client)).status_code == 200
        # In TLS 1.3 a client has finished before the server refuses its certificate: the first read tells.
        with pytest.raises((httpx.ConnectError, httpx.ReadError)):
            get(server, "/", pki.context(pki.stranger))
        if auth == "optional":
            assert get(server, "/", pki.context()).status_code == 200
        else:
            with pytest.raises((httpx.ConnectError, httpx.ReadError)):
                get(server, "/", pki.context())


def test_who_speaks_no_tls_is_told(serve_tls):
    with serve_tls("plain:app") as server:
        response = httpx.get(f"http://127.0.0.1:{server.port}/", trust_env=False)
        assert (response.status_code, response.text) == (400, "This port speaks TLS: use https in the URL.\n")


def test_a_connection_ends_by_an_alert(serve_tls, pki):
    with (
        serve_tls("plain:app") as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as plain,
        pki.context().wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        said = b""
        # A connection that only ended would be an ssl.SSLEOFError.
        while piece := client.recv(65536):
            said += piece
        assert said.startswith(b"HTTP/1.1 200 ")


def test_a_unix_socket_stays_in_the_clear(serve_tls, tmp_path):
    path = tmp_path / "s"
    with serve_tls("plain:app", "--bind", "127.0.0.1:0", "--uds", str(path)):
        transport = httpx.HTTPTransport(uds=str(path))
        with httpx.Client(transport=transport, base_url="http://localhost") as client:
            assert client.get("/").status_code == 200


def test_all_that_is_wrong_is_told_together(narthex, pki, tmp_path):
    none = tmp_path / "none.pem"
    ran = narthex(
        *("serve", "plain:nothing", "--bind", "192.0.2.1:0", "--tls-cert", pki.cert_file),
        *("--tls-key", str(pki.folder / "other.key"), "--tls-client-ca", str(none)),
    )
    assert ran.returncode == 2
    assert f"--tls-key {pki.folder / 'other.key'}: the private key is not that of the certificate" in ran.stderr
    assert f"--tls-client-ca {none}: cannot be read: No such file or directory" in ran.stderr
    assert "no network interface" in ran.stderr
    assert "APP plain:nothing" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--tls-cert", "{ca}", "--tls-key", "{cert}"], "--tls-key {cert}: there is no private key in PEM form"),
        (["--tls-cert", "{key}", "--tls-key", "{key}"], "--tls-cert {key}: the certificate chain has no certificate"),
        (["--tls-cert", "{cert}"], "--tls-key {cert}: there is no private key in PEM form"),
        (["--tls-key", "{key}"], "--tls-key: has no effect without a certificate"),
        (["--tls-client-ca", "{ca}"], "--tls-client-ca: has no effect without a certificate"),
        (["--tls-client-auth", "optional"], "--tls-client-auth: has no effect without authorities"),
        (["--tls-cert", "{cert}", "--tls-key", "{key}", "--tls-client-ca", "{key}"], "--tls-client-ca {key}: the client"),
        (["--tls-cert", "{cert}", "--tls-key", "{key}", "--uds", "{uds}"], "--tls-cert: is for --bind alone"),
    ],
)
def test_what_is_wrong(narthex, pki, apps, tmp_path, arguments, expected):
    files = {"ca": pki.ca_file, "cert": pki.cert_file, "key": pki.key_file, "uds": str(tmp_path / "s")}
    given = [argument.format(**files) for argument in arguments]
    bind = [] if "--uds" in given else ["--bind", "127.0.0.1:0"]
    ran = narthex("serve", "plain:app", "--app-dir", str(apps), *bind, *given)
    assert ran.returncode == 2
    assert expected.format(**files) in ran.stderr
    assert "Narthex cannot start: 1 problem." in ran.stderr


def test_a_protocol_before_tls_1_2_is_refused(serve_tls, pki):
    with serve_tls("plain:app") as server:
        context = pki.context()
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        with pytest.warns(DeprecationWarning, match="TLS"):
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        with (
            socket.create_connection(("127.0.0.1", server.port), timeout=20) as plain,
            pytest.raises(ssl.SSLError),
            context.wrap_socket(plain, server_hostname="localhost"),
        ):
            pass
