"""One bit after another: what the contexts, the matches and a model say of it, mixed; then all of them learn it.

Every number is a whole one of at most 63 bits, and none depends on an order of summation that a compiler may change.
So each machine computes the same, compiled or not. Arrays are flat; a `Memory` (chainrule.coding.mixing.memory) holds
them. `docs/reference/format.md` describes each line.
"""

from __future__ import annotations

from chainrule.coding.mixing.compiled import entry, part

# What is mixed.
CONTEXTS = 14
KNOWN = 8  # the first contexts are those of 0 … 6 and 8 bytes
MATCHES = 2  # of the bytes after an equal stretch of at least
SHORT, LONG = 5, 12  # bytes
INPUTS = 2 * CONTEXTS + MATCHES + 2  # two of a context, one of a match, a constant, the model
MIXERS = 5  # each chooses its weights by another small context
SETS = 256  # of weights, of each mixer
# A slot: 16 bits of probability, 4 of a count, 11 of a history, which is 1 and the last ten bits.
HISTORY, COUNT = 11, 15
EMPTY = 1 << 30 | 1
# A cell of an adaptive map: 16 bits of probability, 6 of a count.
MANY = 62
TOP = 1 << 16
LIMIT = 3071  # of log-odds
STEP, STEPS = 192, 33  # of log-odds between two cells of a refinement, and cells
# What a row remembers.
LAST, BEFORE, WORD, EARLIER, POINTER, LENGTH, ROW = 0, 1, 2, 3, 4, 6, 8
# What a bit leaves in `work`, after arrays of CONTEXTS and MIXERS numbers.
HASH, BASE, AT, SET = 0, CONTEXTS, 2 * CONTEXTS, 3 * CONTEXTS
OUT, CHANCE = SET + MIXERS, SET + 2 * MIXERS
MIXED, FINAL, NEAR, FIRST, SECOND, LONGEST, DEPTH, WORK = (CHANCE + MIXERS + i for i in range(8))
# What the coder remembers.
LOW, HIGH, CODE, PLACE, TRUST, DONE, CODER = 0, 1, 2, 3, 4, 5, 6
ONE = 1 << 30  # a probability of 1, for the coder
LEAST = 64  # of a probability that is coded
DOUBT = 1 << 10  # the least trust in the model, or in the mixture
STATE = 56  # bits of the coder's interval


@part
def hashed(h, x):
    """32 bits of 32 bits and a number."""
    h = (h + x + 1) * 0x2F0B4447 & 0xFFFFFFFF
    return h ^ h >> 15


@part
def clamped(x):
    """Log-odds within the limits."""
    return min(max(x, -LIMIT), LIMIT)


@part
def find(m, h):
    """Where the 15 slots of a context's next four bits begin, less 1; of two places the less used one is given up."""
    check = (h & 0xFFFF) + 1
    place = (h * 0x1E35A7BD & 0xFFFFFFFF) >> 7 & m.mask
    a, b = place << 4, (place ^ 1) << 4
    if m.slots[a] == check:
        return a
    if m.slots[b] == check:
        return b
    if m.slots[b] == 0 or (
        m.slots[a] != 0 and m.slots[b + 1] >> HISTORY & 15 < m.slots[a + 1] >> HISTORY & 15
    ):
        a = b
    m.slots[a] = check
    for i in range(1, 16):
        m.slots[a + i] = EMPTY
    return a


@part
def enter(m, row):
    """The contexts of a row's next byte."""
    state, work = row * ROW, m.work
    last, before = m.rows[state + LAST], m.rows[state + BEFORE]
    word, earlier = m.rows[state + WORD], m.rows[state + EARLIER]
    h = 0
    work[HASH] = h
    for i in range(1, 9):
        h = hashed(h, (last if i < 5 else before) >> 8 * ((i - 1) % 4) & 255)
        work[HASH + min(i, 7)] = h  # in the place of seven bytes come eight
    c1, c2, c3 = last & 255, last >> 8 & 255, last >> 16 & 255
    work[HASH + 8] = hashed(word, 1)
    work[HASH + 9] = hashed(hashed(word, earlier), 2)
    work[HASH + 10] = hashed(hashed(c2, c3), 3)
    work[HASH + 11] = hashed(hashed(word, 0), c1 if word == 0 else c2)
    work[HASH + 12] = hashed(hashed(c3, last >> 24), 4)
    work[HASH + 13] = hashed(hashed(last & 0xF8F8F8, before & 0xF8), 5)
    for i in range(CONTEXTS):
        work[HASH + i] = hashed(work[HASH + i], 1000 * i)
        work[BASE + i] = find(m, work[HASH + i])


@part
def consult(m, bits, node):
    """Inputs of the contexts; how many of the first ones know the bit."""
    depth = 0
    for i in range(CONTEXTS):
        at, k = m.work[BASE + i] + node, 2 * i
        m.work[AT + i] = at
        slot = m.slots[at]
        if slot >> HISTORY & 15:
            m.inputs[k] = m.stretch[slot >> 19]
            m.inputs[k + 1] = m.stretch[m.histories[(i << HISTORY) + (slot & 2047)] >> 10]
            if i < KNOWN:
                depth = i
        else:
            m.inputs[k] = 0
            m.inputs[k + 1] = 0
    m.work[DEPTH] = 8 * depth + bits


@part
def sort_of(length):
    """A number below 32 for the length of a match, from 1."""
    return min(length if length <= 15 else 15 + (length - 15 >> 2), 31)


@part
def follow(m, row, bits, prefix):
    """Inputs of the matches; a match that foretold another bit is over."""
    m.work[LONGEST] = 0
    for i in range(MATCHES):
        state = row * ROW + i
        length, k = m.rows[state + LENGTH], 2 * CONTEXTS + i
        m.inputs[k] = 0
        if length:
            byte = m.seen[m.rows[state + POINTER]]
            if byte + 256 >> 8 - bits == prefix:
                sort = sort_of(length)
                m.inputs[k] = m.stretch[m.matches[(32 * i + sort) * 2 + (byte >> 7 - bits & 1)] >> 4]
                if m.work[LONGEST] == 0:
                    m.work[LONGEST] = sort
            else:
                m.rows[state + LENGTH] = 0


@part
def blend(m, row, prefix):
    """P(1) of 2^22: the mixers' outputs, mixed once more, and refined twice by what such a mixture was worth."""
    work = m.work
    c1, c2 = m.rows[row * ROW + LAST] & 255, m.rows[row * ROW + LAST] >> 8 & 255
    work[SET] = work[DEPTH]
    work[SET + 1] = prefix
    work[SET + 2] = 8 * work[LONGEST] + (work[DEPTH] >> 3)
    work[SET + 3] = c1
    work[SET + 4] = c2
    x, last = 0, prefix * MIXERS
    for i in range(MIXERS):
        start, total = (i * SETS + work[SET + i]) * INPUTS, 0
        for k in range(INPUTS):
            total += m.weights[start + k] * m.inputs[k]
        work[OUT + i] = clamped(total >> 16)
        work[CHANCE + i] = m.squash[work[OUT + i] + LIMIT] >> 6
        x += m.shares[last + i] * work[OUT + i]
    x = clamped(x >> 16)
    work[MIXED] = m.squash[x + LIMIT]
    cell, over = (x + LIMIT + 1) // STEP, (x + LIMIT + 1) % STEP
    work[FIRST] = (prefix + 256 * (work[LONGEST] >> 1)) * STEPS + cell
    work[SECOND] = (16 * 256 + prefix + 256 * c1) * STEPS + cell
    total = work[MIXED]
    for k, share in ((FIRST, 1), (SECOND, 2)):
        at = work[k]
        refined = (m.refined[at] * (STEP - over) + m.refined[at + 1] * over) // STEP
        total += share * (refined << 6)
        if 2 * over >= STEP:  # the nearer cell learns
            work[k] += 1
    return total >> 2


@part
def learn(m, row, bits, prefix, bit):
    """Move all that gave the last mixture towards the bit."""
    work, goal = m.work, TOP - 1 if bit else 0
    m.refined[work[FIRST]] += goal - m.refined[work[FIRST]] >> 7
    m.refined[work[SECOND]] += goal - m.refined[work[SECOND]] >> 5
    error, last = (bit << 22) - work[MIXED] >> 6, prefix * MIXERS
    for i in range(MIXERS):
        m.shares[last + i] += work[OUT + i] * error + (1 << 18) >> 19
    speed = 32 + (160 << 12) // (m.coder[DONE] + 1024)
    for i in range(MIXERS):
        start = (i * SETS + work[SET + i]) * INPUTS
        error = ((bit << 16) - work[CHANCE + i]) * speed >> 4
        for k in range(INPUTS):
            m.weights[start + k] += m.inputs[k] * error + (1 << 17) >> 18
    for i in range(CONTEXTS):
        at = work[AT + i]
        slot = m.slots[at]
        count, history, p = slot >> HISTORY & 15, slot & 2047, slot >> 15
        if count:
            cell = (i << HISTORY) + history
            known, often = m.histories[cell] >> 6, m.histories[cell] & 63
            known += (goal - known) * m.often[often] >> 16
            m.histories[cell] = known << 6 | min(often + 1, MANY)
        p += (goal - p) * m.rates[count] >> 16
        history = history << 1 | bit
        if history > 2047:
            history = history & 1023 | 1024
        m.slots[at] = p << 15 | min(count + 1, COUNT) << HISTORY | history
    for i in range(MATCHES):
        state = row * ROW + i
        if m.rows[state + LENGTH]:
            foretold = m.seen[m.rows[state + POINTER]] >> 7 - bits & 1
            cell = (32 * i + sort_of(m.rows[state + LENGTH])) * 2 + foretold
            m.matches[cell] += goal - m.matches[cell] >> 6


@part
def modelled(m, row, bits, low):
    """P(1) of 2^30 by the model: its share of the bytes that begin with the bits so far and a 1."""
    width, start = 256 >> bits, row * 256 + low
    zero = one = 0
    for k in range(width >> 1):
        zero += m.model[start + k]
        one += m.model[start + (width >> 1) + k]
    return min(max((one << 30) // (zero + one), LEAST), ONE - LEAST)


@part
def code(m, p, bit, decode):
    """Write a bit of P(1) = p / 2^30, or read one: the interval LOW … HIGH becomes the part of it."""
    c = m.coder
    middle = c[LOW] + (c[HIGH] - c[LOW] >> 30) * p
    if decode:
        bit = 1 if c[CODE] <= middle else 0
    if bit:
        c[HIGH] = middle
    else:
        c[LOW] = middle + 1
    full = (1 << STATE) - 1
    while (c[LOW] ^ c[HIGH]) >> STATE - 8 == 0:
        if decode:
            byte = m.payload[c[PLACE]] if c[PLACE] < len(m.payload) else 0
            c[CODE] = c[CODE] << 8 & full | byte
        else:
            m.payload[c[PLACE]] = c[HIGH] >> STATE - 8
        c[PLACE] += 1
        c[LOW] = c[LOW] << 8 & full
        c[HIGH] = c[HIGH] << 8 & full | 255
    return bit


@part
def code_byte(m, row, byte, decode):
    """One byte of a row; with a model the bits' probabilities are its own and the mixture's, by Bayes's rule."""
    enter(m, row)
    prefix, trust = 1, m.coder[TRUST]
    for bits in range(8):
        if bits == 4:
            for i in range(CONTEXTS):
                m.work[BASE + i] = find(m, hashed(m.work[HASH + i], 4099 * prefix))
        node = prefix if bits < 4 else 1 << bits - 4 | prefix & (1 << bits - 4) - 1
        consult(m, bits, node)
        follow(m, row, bits, prefix)
        own = 0
        if trust:
            own = modelled(m, row, bits, (prefix << 8 - bits) - 256)
            m.inputs[INPUTS - 1] = m.stretch[own >> 18]
        p = min(max(blend(m, row, prefix) << 8, LEAST), ONE - LEAST)
        if trust:
            p = trust * own + (ONE - trust) * p >> 30
        bit = code(m, p, byte >> 7 - bits & 1, decode)
        if trust:
            right, all_ = (own, p) if bit else (ONE - own, ONE - p)
            trust = min(max(trust * right // all_, DOUBT), ONE - DOUBT)
        learn(m, row, bits, prefix, bit)
        prefix = prefix << 1 | bit
    m.coder[TRUST] = trust
    m.coder[DONE] += 1
    return prefix - 256


@part
def remember(m, row, place, begin, byte):
    """What a row knows after a byte at a place: its last bytes, its word, where to go on in a match."""
    state = row * ROW
    m.seen[place] = byte
    last = m.rows[state + LAST]
    m.rows[state + BEFORE] = m.rows[state + BEFORE] << 8 & 0xFFFFFFFF | last >> 24
    m.rows[state + LAST] = last << 8 & 0xFFFFFFFF | byte
    lower = byte + 32 if 65 <= byte <= 90 else byte
    if 97 <= lower <= 122 or lower >= 128 or 48 <= lower <= 57:
        m.rows[state + WORD] = hashed(m.rows[state + WORD], lower)
    elif m.rows[state + WORD]:
        m.rows[state + EARLIER] = m.rows[state + WORD]
        m.rows[state + WORD] = 0
    for i in range(MATCHES):
        least, at = SHORT if i == 0 else LONG, state + i
        if m.rows[at + LENGTH]:
            m.rows[at + LENGTH] += 1
            m.rows[at + POINTER] += 1
        if place + 1 - begin < least:
            continue
        h = 0
        for k in range(least):
            h = hashed(h, m.seen[place - k])
        h = (i << m.spread) + (h & (1 << m.spread) - 1)
        if m.rows[at + LENGTH] == 0 and m.heads[h]:
            length, pointer = 0, m.heads[h]
            while (
                length < 200 and length < pointer and m.seen[pointer - 1 - length] == m.seen[place - length]
            ):
                length += 1
            if length >= least:
                m.rows[at + LENGTH] = length
                m.rows[at + POINTER] = pointer
        m.heads[h] = place + 1


@entry
def run(m, first, last, length, decode):
    """Code the bytes first … last-1 of every row, each in all rows before the next.

    Args:
        m: the memory; `m.seen` is what has been coded, rows of `length` bytes, the last one perhaps shorter.
        first, last: bytes of a row.
        length: of a row.
        decode: whether `m.given` is to be found, rather than read.

    Returns:
        How many bytes were coded.
    """
    done, total = 0, len(m.seen)
    for t in range(first, last):
        row = 0
        while row * length + t < total:
            place = row * length + t
            for i in range(MATCHES):  # what other rows have not reached yet cannot be foretold
                at = m.rows[row * ROW + i + POINTER]
                later = at % length > t or (at % length == t and at // length >= row)
                if later or at >= total:
                    m.rows[row * ROW + i + LENGTH] = 0
            byte = code_byte(m, row, 0 if decode else m.given[done], decode)
            remember(m, row, place, row * length, byte)
            if decode:
                m.given[done] = byte
            done += 1
            row += 1
    return done
