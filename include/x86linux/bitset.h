/*
 * x86linux/bitset.h - sets of small numbers, with atomic operations.
 *
 *     uint64_t set[BITSET_WORDS(1000)] = {0};
 *     bitset_add(set, 42);
 *
 * Numbers must be smaller than what the array was made for. The atomic operations
 * may be used by several threads, and by processes that share the memory.
 */
#ifndef X86LINUX_BITSET_H
#define X86LINUX_BITSET_H

#include <stddef.h>
#include <stdint.h>

/* Words of an array for the numbers 0 to count - 1. */
#define BITSET_WORDS(count) (((size_t)(count) + 63) / 64)

static inline uint64_t x86linux_bit(size_t number)
{
    return (uint64_t)1 << (number & 63);
}

/* What an array is made of; and by the names of libx86linuxextra, the words and the bytes
 * of one for so many numbers. */
typedef uint64_t bitset_t;
#define BITS_PER_BITSET (8 * sizeof(bitset_t))
#define BITSET_LEN(count) BITSET_WORDS(count)
#define BITSET_SIZE(count) (sizeof(bitset_t) * BITSET_LEN(count))

/* Makes it empty. */
static inline void bitset_clear(uint64_t *set, size_t count)
{
    for (size_t i = 0; i < BITSET_WORDS(count); i++)
        set[i] = 0;
}

/* Whether it has a number. */
static inline int bitset_has(const uint64_t *set, size_t number)
{
    return (set[number / 64] & x86linux_bit(number)) != 0;
}

/* Adds a number. Returns whether it was in already. */
static inline int bitset_add(uint64_t *set, size_t number)
{
    const int had = bitset_has(set, number);
    set[number / 64] |= x86linux_bit(number);
    return had;
}

/* Removes a number. Returns whether it was in. */
static inline int bitset_remove(uint64_t *set, size_t number)
{
    const int had = bitset_has(set, number);
    set[number / 64] &= ~x86linux_bit(number);
    return had;
}

/* Adds a number that is not in, removes one that is. Returns whether it was in. */
static inline int bitset_flip(uint64_t *set, size_t number)
{
    const int had = bitset_has(set, number);
    set[number / 64] ^= x86linux_bit(number);
    return had;
}

/* Bits of a word that stand for numbers below count. */
static inline uint64_t x86linux_valid(size_t word, size_t count)
{
    const size_t left = count - word * 64;
    return left >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << left) - 1;
}

/* The number from `from` on that is in, or that is not if `in` is 0; count if none is. */
static inline size_t x86linux_next(const uint64_t *set, size_t count, size_t from, int in)
{
    for (size_t word = from / 64; word * 64 < count; word++) {
        uint64_t bits = __atomic_load_n(&set[word], __ATOMIC_RELAXED);
        if (!in)
            bits = ~bits;
        bits &= x86linux_valid(word, count);
        if (word == from / 64)
            bits &= ~(x86linux_bit(from) - 1);
        if (bits)
            return word * 64 + (size_t)__builtin_ctzll(bits);
    }
    return count;
}

/* The smallest number from `from` on that is in; count if there is none. */
static inline size_t bitset_next(const uint64_t *set, size_t count, size_t from)
{
    return x86linux_next(set, count, from, 1);
}

/* The smallest number from `from` on that is not in; count if there is none. */
static inline size_t bitset_next_free(const uint64_t *set, size_t count, size_t from)
{
    return x86linux_next(set, count, from, 0);
}

/* How many numbers are in. */
static inline size_t bitset_size(const uint64_t *set, size_t count)
{
    size_t size = 0;
    for (size_t word = 0; word * 64 < count; word++) {
        uint64_t bits = __atomic_load_n(&set[word], __ATOMIC_RELAXED);
        size += (size_t)__builtin_popcountll(bits & x86linux_valid(word, count));
    }
    return size;
}

/* bitset_has, with acquire order. */
static inline int bitset_has_atomic(const uint64_t *set, size_t number)
{
    return (__atomic_load_n(&set[number / 64], __ATOMIC_ACQUIRE) & x86linux_bit(number)) != 0;
}

/* bitset_add, at once and with acquire and release order. */
static inline int bitset_add_atomic(uint64_t *set, size_t number)
{
    const uint64_t bit = x86linux_bit(number);
    return (__atomic_fetch_or(&set[number / 64], bit, __ATOMIC_ACQ_REL) & bit) != 0;
}

/* bitset_remove, at once and with acquire and release order. */
static inline int bitset_remove_atomic(uint64_t *set, size_t number)
{
    const uint64_t bit = x86linux_bit(number);
    return (__atomic_fetch_and(&set[number / 64], ~bit, __ATOMIC_ACQ_REL) & bit) != 0;
}

/* bitset_flip, at once and with acquire and release order. */
static inline int bitset_flip_atomic(uint64_t *set, size_t number)
{
    const uint64_t bit = x86linux_bit(number);
    return (__atomic_fetch_xor(&set[number / 64], bit, __ATOMIC_ACQ_REL) & bit) != 0;
}

/*
 * Adds a number that was not in, the smallest that it finds from `from` on, then from
 * 0. Returns it; count if all are in. Nobody else gets the same one.
 */
static inline size_t bitset_claim_atomic(uint64_t *set, size_t count, size_t from)
{
    for (int round = 0; round < 2; round++) {
        size_t number = bitset_next_free(set, count, round ? 0 : from);
        while (number < count) {
            if (!bitset_add_atomic(set, number))
                return number;
            number = bitset_next_free(set, count, number);
        }
    }
    return count;
}

/* bitset_has by the name of libx86linuxextra. */
static inline unsigned char bitset_test(const bitset_t *set, uint32_t number)
{
    return (unsigned char)bitset_has(set, number);
}

/* bitset_add. */
static inline unsigned char bitset_set(bitset_t *set, uint32_t number)
{
    return (unsigned char)bitset_add(set, number);
}

/* bitset_remove. */
static inline unsigned char bitset_unset(bitset_t *set, uint32_t number)
{
    return (unsigned char)bitset_remove(set, number);
}

/* bitset_add_atomic, and a full barrier. */
static inline unsigned char bitset_set_atomic(volatile bitset_t *set, uint32_t number)
{
    const uint64_t bit = x86linux_bit(number);
    return (__atomic_fetch_or(&set[number / 64], bit, __ATOMIC_SEQ_CST) & bit) != 0;
}

/* bitset_remove_atomic, and a full barrier. */
static inline unsigned char bitset_unset_atomic(volatile bitset_t *set, uint32_t number)
{
    const uint64_t bit = x86linux_bit(number);
    return (__atomic_fetch_and(&set[number / 64], ~bit, __ATOMIC_SEQ_CST) & bit) != 0;
}

/* The smallest number from first to last that is in a set; -1 if there is none. */
static inline int32_t bitset_search_lowest(const bitset_t *set, uint32_t first, uint32_t last)
{
    const size_t count = (size_t)last + 1, number = bitset_next(set, count, first);
    return number < count ? (int32_t)number : -1;
}

/* The smallest that is in both. */
static inline int32_t bitset_search_lowest_common(const bitset_t *set, const bitset_t *other,
                                                  uint32_t first, uint32_t last)
{
    const size_t count = (size_t)last + 1;
    for (size_t number = first; (number = bitset_next(set, count, number)) < count; number++)
        if (bitset_has(other, number))
            return (int32_t)number;
    return -1;
}

#endif
