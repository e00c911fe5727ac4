"""A channel in a process of its own for the benchmarks: takes every activity, and publishes one signing key.

`python -m bench.fake_channel FOLDER [--tls]`; FOLDER holds keys.json, and cert.pem and key.pem for TLS. Prints its port
and ends when its standard input does.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import ipaddress
import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

ANSWER = b'{"id":"conversation|0000001"}'


@contextmanager
def fake_channel(folder: Path, *, tls: bool) -> Iterator[str]:
    """The base URL of a channel that runs meanwhile."""
    command = [sys.executable, "-m", "bench.fake_channel", str(folder), *(["--tls"] if tls else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


def write_secrets(folder: Path) -> rsa.RSAPrivateKey:
    """A certificate for 127.0.0.1, and the published half of the signing key that is returned."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    published = {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": "bench", "endorsements": ["msteams"]}
    (folder / "keys.json").write_text(json.dumps({"keys": [published]}))
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.timezone.utc)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*private))
    return key


async def serve(folder: Path, *, tls: bool) -> None:
    keys = (folder / "keys.json").read_bytes()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        if request.method == "POST":
            return web.Response(status=201, body=ANSWER, content_type="application/json")
        if request.path.startswith("/keys"):
            return web.Response(body=keys, content_type="application/json")
        return web.json_response({"jwks_uri": f"{request.url.origin()}/keys"})

    context = None
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server = await asyncio.get_running_loop().create_server(web.Server(answer), "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    asyncio.run(serve(options.folder, tls=options.tls))
