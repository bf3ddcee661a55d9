"""What a context says of a client's certificate, beside what grpc's own says."""

import asyncio
import json

import grpc
import narthex.grpc
import narthex.grpc.aio
import pytest
from grpc_objects import call, echo_handlers


def told(context):
    texts = {key: [value.decode() for value in values] for key, values in context.auth_context().items()}
    identities = context.peer_identities()
    return json.dumps([context.peer_identity_key(), identities and sorted(map(bytes.decode, identities)), texts]).encode()


async def look(request, context):
    return told(context)


def ask(module, aio, pki, client, *, required):
    """What a server of this module tells a client with this certificate."""
    credentials = module.ssl_server_credentials([(pki.key, pki.chain)], pki.roots if required else None, required)

    async def main():
        server = aio.server(handlers=echo_handlers(Echo=look))
        port = server.add_secure_port("localhost:0", credentials)
        await server.start()
        try:
            channel = pki.channel_credentials(client)
            return json.loads(await asyncio.to_thread(call, f"localhost:{port}", credentials=channel))
        finally:
            await server.stop(None)

    return asyncio.run(main())


@pytest.mark.parametrize("required", [True, False], ids=["with a certificate", "without"])
def test_it_is_what_grpc_says(pki, required):
    client = pki.client if required else None
    ours = ask(narthex.grpc, narthex.grpc.aio, pki, client, required=required)
    theirs = ask(grpc, grpc.aio, pki, client, required=required)
    assert ours[:2] == theirs[:2]
    # Newer ones write a subject in another order than RFC 4514, and which group is chosen depends on the libraries.
    both = (ours[2].keys() & theirs[2].keys()) - {"x509_subject", "ssl_negotiated_key_exchange_group"}
    assert {"transport_security_type", "security_level"} <= both
    assert ("x509_common_name" in both) == required
    assert {key: ours[2][key] for key in both} == {key: theirs[2][key] for key in both}
