"""Key pairs of every kind that tokens can be signed with, made once: an RSA key takes a while."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.support.shim_client import now_ms


@cache
def private_key(kind: str, name: str = "1") -> Any:
    """The private key of a kind; another for each name."""
    makers: dict[str, Any] = {
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
        "short rsa": lambda: rsa.generate_private_key(65537, 1024),
        "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
        "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "ed448": ed448.Ed448PrivateKey.generate,
        "dsa": lambda: dsa.generate_private_key(2048),
    }
    return makers[kind]()


def public_pem(*kinds: str, name: str = "1") -> bytes:
    """The public keys of these kinds, one after the other."""
    encoded = (private_key(kind, name).public_key() for kind in kinds)
    return b"".join(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for key in encoded)


def private_pem(kind: str) -> bytes:
    return bytes(private_key(kind).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def public_file(folder: Path, *kinds: str, name: str = "1") -> Path:
    """The same in a file."""
    file = folder / "public.pem"
    file.write_bytes(public_pem(*kinds, name=name))
    return file


def jwk(kind: str, kid: str | None, name: str = "1", **more: Any) -> dict[str, Any]:
    """A public key as a row of a key set."""
    algorithms: dict[str, Any] = {
        "rsa": jwt.algorithms.RSAAlgorithm,
        "p256": jwt.algorithms.ECAlgorithm,
        "ed25519": jwt.algorithms.OKPAlgorithm,
    }
    row = json.loads(algorithms[kind].to_jwk(private_key(kind, name).public_key()))
    row.pop("key_ops", None)
    return {**row, **({"kid": kid} if kid else {}), **more}


def claims(**more: Any) -> dict[str, Any]:
    """What a good token says."""
    return {"sub": "engine-7", "role": "trader", "exp": now_ms() // 1000 + 3_600, **more}


def signed(kind: str, algorithm: str, name: str = "1", kid: str | None = None, **more: Any) -> str:
    """A header `Authorization` with a token that a private key has signed."""
    headers = {"kid": kid} if kid else None
    return f"Bearer {jwt.encode(claims(**more), private_key(kind, name), algorithm=algorithm, headers=headers)}"
