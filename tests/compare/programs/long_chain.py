"""long_chain.py NAME: puts 99 issuers, each certified by the next, after NAME's certificate, as chain.crt."""

import datetime
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ISSUERS = 99


def named(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(subject, public_key, issuer, issuer_key, is_ca):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder(named(issuer), named(subject), public_key, x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
    )
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def main(name):
    with open(f"{name}.key", "rb") as file:
        leaf = serialization.load_pem_private_key(file.read(), None)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(ISSUERS)]
    with open("chain.crt", "wb") as chain:
        chain.write(certificate("compare", leaf.public_key(), "issuer 0", keys[0], False))
        for number, key in enumerate(keys):
            last = number == ISSUERS - 1
            above = number if last else number + 1
            chain.write(certificate(f"issuer {number}", key.public_key(), f"issuer {above}", keys[above], True))


main(sys.argv[1])
