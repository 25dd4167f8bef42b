"""A run signed and checked: a DSSE envelope with Ed25519 over the in-toto statement about its files (no JAX)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from pathlib import Path
from typing import Any

from audit import manifest
from audit.errors import ConfigError
from audit.evidence import Record, canonical
from reports import exports, intoto

PAYLOAD = "application/vnd.in-toto+json"
MAKE = "openssl genpkey -algorithm ed25519 -out key.pem; openssl pkey -in key.pem -pubout -out key.pub.pem"


def sign(folder: Path, record: Record, key: Path) -> bytes:
    """Return the signed envelope of a run folder as JSON; ConfigError for a key that cannot sign.

    The statement's subjects are the record, model and data by the digests of their content, and every file of
    the folder, the manifest among them. Ed25519 is deterministic: the same folder and key give the same bytes.
    """
    private = _key(key, "private")
    payload = canonical(intoto.statement(record, files(folder)))
    sealed = private.sign(_encoded(payload))
    signature = {"keyid": _id(private.public_key()), "sig": _base64(sealed)}
    return canonical({"payloadType": PAYLOAD, "payload": _base64(payload), "signatures": [signature]})


def problems(folder: Path, record: Record, key: Path) -> list[str]:
    """Return why a folder's signature does not hold under a public key; empty where it does.

    ConfigError for a key that cannot be used.
    """
    public = _key(key, "public")
    path = folder / manifest.SIGNATURE
    if not path.is_file():
        return [f"{manifest.SIGNATURE} is absent: the run is not signed"]
    try:
        envelope, payload, sealed = _opened(path.read_bytes())
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        return [f"{manifest.SIGNATURE} was changed: it is no signed statement ({error!r})"]
    if envelope["signatures"][0]["keyid"] != _id(public):
        return [f"{manifest.SIGNATURE} is by another key than {key}"]
    if not _holds(public, sealed, payload):
        return [f"{manifest.SIGNATURE}: the signature is not by {key} over this statement"]
    return _differs(json.loads(payload), record, files(folder))


def files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of a run folder by its path, the signature apart."""
    names = [*manifest.listed(folder), manifest.MANIFEST]
    return {name: manifest.of_file(folder / name) for name in names if (folder / name).is_file()}


def _differs(statement: dict[str, Any], record: Record, found: dict[str, str]) -> list[str]:
    """Return where a signed statement is not about this record and these files."""
    signed = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
    there = {one["name"]: one["digest"]["sha256"] for one in intoto.subjects(record, found)}
    texts = [f"{name} was changed after signing" for name in signed if there.get(name) != signed[name]]
    texts += [f"{name} was added after signing" for name in there if name not in signed]
    result = statement["predicate"]["result"]
    if result != exports.passes(record):
        texts.append(f"the signed result is {result}, the record makes it {exports.passes(record)}")
    return texts


def _opened(data: bytes) -> tuple[dict[str, Any], bytes, bytes]:
    """Return an envelope, its payload and signature; raises for anything but the layout that `sign` writes."""
    envelope = json.loads(data)
    (one,) = envelope["signatures"]
    payload, sealed = (base64.b64decode(text, validate=True) for text in (envelope["payload"], one["sig"]))
    again = {"payload": _base64(payload), "signatures": [{"keyid": one["keyid"], "sig": _base64(sealed)}]}
    if canonical({"payloadType": PAYLOAD, **again}) != data:
        raise ValueError("its layout is not as it was written")
    return envelope, payload, sealed


def _holds(public: Any, sealed: bytes, payload: bytes) -> bool:
    """Tell whether a signature is by this key over this payload."""
    from cryptography.exceptions import InvalidSignature

    try:
        public.verify(sealed, _encoded(payload))
    except InvalidSignature:
        return False
    return True


def _encoded(payload: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding of a payload (DSSE protocol 1.0.2)."""
    kind = PAYLOAD.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _key(path: Path, which: str) -> Any:
    """Return an Ed25519 key, private or public, from a PEM file; ConfigError with one line for any other."""
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        todo = 'pip install "jax-audit[sign]"'
        raise ConfigError("signing without the package cryptography", "it installed", todo) from None
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"--key={path} cannot be read ({error.strerror})", "a PEM file", MAKE) from None
    wanted = f"an Ed25519 {which} key in PEM, not encrypted"
    try:
        if which == "private":
            key = serialization.load_pem_private_key(data, None)
        else:
            key = serialization.load_pem_public_key(data)
    except (ValueError, TypeError, UnsupportedAlgorithm, binascii.Error):
        raise ConfigError(f"--key={path} is no {which} key that can be read", wanted, MAKE) from None
    kinds = {"private": ed25519.Ed25519PrivateKey, "public": ed25519.Ed25519PublicKey}
    if not isinstance(key, kinds[which]):
        raise ConfigError(f"--key={path} holds a key of another kind", wanted, MAKE)
    return key


def _id(public: Any) -> str:
    """Return a public key's id: the SHA-256 of its SubjectPublicKeyInfo in DER."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    data = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(data).hexdigest()


def _base64(data: bytes) -> str:
    """Return bytes as base64 text."""
    return base64.b64encode(data).decode("ascii")
