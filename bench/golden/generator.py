"""The generator of the engine, written down from its descriptions, so that draws agree:
xoshiro256++ seeded by splitmix64 (Blackman & Vigna), deviates by Marsaglia's polar
method, names by FNV-1a.
"""
import math

MASK = (1 << 64) - 1


def splitmix(state):
    """(state, number)"""
    state = (state + 0x9E3779B97F4A7C15) & MASK
    z = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
    return state, z ^ z >> 31


def seed_at(seed, number):
    state, z = splitmix(seed)
    return splitmix(z ^ number)[1] >> 11


def seed_of(seed, name):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & MASK
    state, z = splitmix(seed)
    return splitmix(z ^ h)[1] >> 11


class Generator:
    def __init__(self, seed):
        self.s = []
        for _ in range(4):
            seed, z = splitmix(seed)
            self.s.append(z)

    def next(self):
        def turned(x, k):
            return (x << k | x >> 64 - k) & MASK

        a, b, c, d = self.s
        out = (turned((a + d) & MASK, 23) + a) & MASK
        c, d = c ^ a, d ^ b
        self.s = [a ^ d, b ^ c, c ^ (b << 17 & MASK), turned(d, 45)]
        return out

    def unit(self):
        return (self.next() >> 11) / 2**53

    def below(self, n):
        while True:
            product = self.next() * n
            if product & MASK >= (1 << 64) % n:
                return product >> 64

    def normal(self):
        while True:
            u, v = 2 * self.unit() - 1, 2 * self.unit() - 1
            s = u * u + v * v
            if 0 < s < 1:
                return u * math.sqrt(-2 * math.log(s) / s)
