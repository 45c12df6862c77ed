#!/usr/bin/env python3
"""Makes the weak-*.pem certificates of this directory again: RSA keys that others can work out.

    python3 testdata/certificates/make-weak.py

Needs gmpy2 and cryptography. The numbers come from a fixed seed, so the keys are the same each time. Keys
whose private half cannot sign (a corrupt modulus, exponent 1) are signed by a CA that is not kept.
"""

import datetime
import random
from pathlib import Path

import gmpy2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

FOLDER = Path(__file__).resolve().parent
RANDOM = random.Random("docksweep")
CA = ec.generate_private_key(ec.SECP256R1())
# cryptography refuses to build such keys, and would write a modulus and exponent of any value: these are
# put in the place of a good key's, of the same length.
TEMPLATE = rsa.generate_private_key(65537, 2048).public_key()


def prime(bits=1024):
    while True:
        candidate = gmpy2.next_prime(RANDOM.getrandbits(bits) | 3 << (bits - 2))
        if gmpy2.gcd(candidate - 1, 3 * 65537) == 1:
            return int(candidate)


def roca_prime():
    """k·M + 65537^a mod M, with the M of 2048-bit keys: the first 126 primes' product."""
    product, last = 1, 1
    for _ in range(126):
        last = gmpy2.next_prime(last)
        product *= last
    while True:
        k = RANDOM.getrandbits(1024 - gmpy2.bit_length(product))
        a = RANDOM.getrandbits(256)
        candidate = k * product + gmpy2.powmod(65537, a, product)
        if gmpy2.bit_length(candidate) == 1024 and gmpy2.is_prime(candidate):
            return int(candidate)


def integer(value):
    content = value.to_bytes(value.bit_length() // 8 + 1, "big")
    return element(0x02, content)


def element(tag, content):
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + content


def spki(modulus, exponent):
    algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
    key = element(0x30, integer(modulus) + integer(exponent))
    return element(0x30, algorithm + element(0x03, b"\0" + key))


def write(name, modulus, exponent=65537):
    """The certificate of a good key, its SubjectPublicKeyInfo exchanged and signed anew."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Example CA")])
    begin = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(TEMPLATE)
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin.replace(year=2126))
        .sign(CA, hashes.SHA256())
    )
    old = TEMPLATE.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    content = certificate.tbs_certificate_bytes
    head = 4 if content[1] == 0x82 else 3
    tbs = element(0x30, content[head:].replace(old, spki(modulus, exponent)))
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    signature = CA.sign(tbs, ec.ECDSA(hashes.SHA256()))
    der = element(0x30, tbs + algorithm + element(0x03, b"\0" + signature))
    loaded = x509.load_der_x509_certificate(der)
    pem = loaded.public_bytes(serialization.Encoding.PEM)
    (FOLDER / f"weak-{name}.pem").write_bytes(pem)


def main():
    write("roca", roca_prime() * roca_prime())
    p = prime()
    write("close-primes", p * int(gmpy2.next_prime(p + RANDOM.getrandbits(500))))
    write("small-factor", 65521 * int(gmpy2.next_prime(RANDOM.getrandbits(2032) | 3 << 2030)))
    write("exponent-1", prime() * prime(), exponent=1)
    write("exponent-3", prime() * prime(), exponent=3)
    write("exponent-0", prime() * prime(), exponent=0)
    shared = prime()
    write("shared-prime-1", shared * prime())
    write("shared-prime-2", shared * prime())
    write("modulus-0", 0)
    write("modulus-even", prime() * prime() - 1)
    write("modulus-16384", RANDOM.getrandbits(16384) | 1 << 16383 | 1)


main()
