"""The batch GCD that docksweep's is compared with, and the numbers for both.

    batch_gcd.py make COUNT   moduli of 2048 bits in hex, one a line, the last of which share a prime
    batch_gcd.py run FILE     a product tree and a tree of remainders modulo squares, with gmpy2

`run` prints how many share a factor, and the seconds without reading.
"""

import random
import sys
import time

import gmpy2


def make(count):
    numbers = random.Random(count)
    prime = lambda: gmpy2.next_prime(numbers.getrandbits(1024) | 3 << 1022)
    shared = prime()
    # Primes take long to find, and numbers without small factors cost a batch GCD the same.
    small = gmpy2.primorial(1000)
    moduli = []
    while len(moduli) < count - 2:
        number = gmpy2.mpz(numbers.getrandbits(2048) | 1 | 1 << 2047)
        if gmpy2.gcd(number, small) == 1:
            moduli.append(number)
    moduli += [shared * prime(), shared * prime()]
    for modulus in moduli:
        print(f"{modulus:x}")


def run(path):
    with open(path, encoding="ascii") as file:
        moduli = [gmpy2.mpz(line, 16) for line in file]
    begin = time.perf_counter()
    shared = sum(divisor != 1 for divisor in divisors(moduli))
    print(shared, f"{time.perf_counter() - begin:.4f}")


def divisors(moduli):
    levels = [moduli]
    while len(levels[-1]) > 1:
        below = levels[-1]
        pairs = [below[at : at + 2] for at in range(0, len(below), 2)]
        levels.append([pair[0] * pair[-1] if len(pair) == 2 else pair[0] for pair in pairs])
    rests = levels.pop()
    while levels:
        rests = [rests[at // 2] % number**2 for at, number in enumerate(levels.pop())]
    return [gmpy2.gcd(rest // number, number) for rest, number in zip(rests, moduli)]


if __name__ == "__main__":
    command, argument = sys.argv[1:]
    make(int(argument)) if command == "make" else run(argument)
