/*
 * x86linux/ring.h - a queue from one thread to another.
 *
 * Exactly one thread writes and exactly one reads; they may be of different processes
 * that share the memory, at different addresses. Neither waits, and none of them
 * takes a lock, so a hook may write in a signal handler's place as long as no other
 * write of the same ring can be interrupted by it. Either may be killed at any
 * instruction: what was written whole can be read.
 *
 *     void *memory = mmap(NULL, spsc_ring_bytes(16, 1024), ...);
 *     struct spsc_ring *ring = spsc_ring_init(memory, 16, 1024);
 */
#ifndef X86LINUX_RING_H
#define X86LINUX_RING_H

#include <stddef.h>
#include <stdint.h>

/* Head of the ring; its items follow. What the two sides write is on lines apart. */
struct spsc_ring {
    uint64_t item_bytes;
    uint64_t capacity; /* a power of two */
    uint64_t reserved[6];
    uint64_t written;       /* items ever written */
    uint64_t read_seen;     /* what the writer knows of `read` */
    uint64_t lost;          /* items that found no room */
    uint64_t writers[5];
    uint64_t read;          /* items ever read */
    uint64_t written_seen;  /* what the reader knows of `written` */
    uint64_t readers[6];
} __attribute__((aligned(64)));

/* Bytes of a ring for so many items; 0 if capacity is not a power of two, or too large. */
static inline size_t spsc_ring_bytes(size_t item_bytes, size_t capacity)
{
    size_t bytes;
    if (item_bytes == 0 || capacity == 0 || (capacity & (capacity - 1)) != 0 ||
        __builtin_mul_overflow(item_bytes, capacity, &bytes) ||
        __builtin_add_overflow(bytes, sizeof(struct spsc_ring), &bytes))
        return 0;
    return bytes;
}

/* Makes an empty ring in memory that is aligned to 64. NULL for a size that cannot be. */
static inline struct spsc_ring *spsc_ring_init(void *memory, size_t item_bytes, size_t capacity)
{
    if (spsc_ring_bytes(item_bytes, capacity) == 0)
        return NULL;
    struct spsc_ring *ring = (struct spsc_ring *)memory;
    __builtin_memset(ring, 0, sizeof(*ring));
    ring->item_bytes = item_bytes;
    ring->capacity = capacity;
    return ring;
}

static inline unsigned char *x86linux_ring_item(struct spsc_ring *ring, uint64_t number)
{
    unsigned char *items = (unsigned char *)(ring + 1);
    return items + (number & (ring->capacity - 1)) * ring->item_bytes;
}

/* The writer's: copies an item in. Returns 1; 0, and counts a loss, if there is no room. */
static inline int spsc_ring_push(struct spsc_ring *ring, const void *item)
{
    const uint64_t number = __atomic_load_n(&ring->written, __ATOMIC_RELAXED);
    if (number - ring->read_seen == ring->capacity) {
        /* Pairs with the store in spsc_ring_pop: the item was read before. */
        ring->read_seen = __atomic_load_n(&ring->read, __ATOMIC_ACQUIRE);
        if (number - ring->read_seen == ring->capacity) {
            __atomic_store_n(&ring->lost, ring->lost + 1, __ATOMIC_RELAXED);
            return 0;
        }
    }
    __builtin_memcpy(x86linux_ring_item(ring, number), item, ring->item_bytes);
    /* Pairs with the load in spsc_ring_pop. */
    __atomic_store_n(&ring->written, number + 1, __ATOMIC_RELEASE);
    return 1;
}

/* The reader's: copies the oldest item out. Returns 1; 0 if there is none. */
static inline int spsc_ring_pop(struct spsc_ring *ring, void *item)
{
    const uint64_t number = __atomic_load_n(&ring->read, __ATOMIC_RELAXED);
    if (number == ring->written_seen) {
        ring->written_seen = __atomic_load_n(&ring->written, __ATOMIC_ACQUIRE);
        if (number == ring->written_seen)
            return 0;
    }
    __builtin_memcpy(item, x86linux_ring_item(ring, number), ring->item_bytes);
    __atomic_store_n(&ring->read, number + 1, __ATOMIC_RELEASE);
    return 1;
}

/* Anybody's: how many items are in it, about. */
static inline size_t spsc_ring_count(const struct spsc_ring *ring)
{
    const uint64_t read = __atomic_load_n(&ring->read, __ATOMIC_ACQUIRE);
    return (size_t)(__atomic_load_n(&ring->written, __ATOMIC_ACQUIRE) - read);
}

/* Anybody's: items that found no room so far. */
static inline uint64_t spsc_ring_lost(const struct spsc_ring *ring)
{
    return __atomic_load_n(&ring->lost, __ATOMIC_RELAXED);
}

/*
 * A ring of bytes by the functions of libx86linuxextra, for those who keep the positions
 * themselves: from start to end in a buffer, pos_r where the reader is and pos_w where the
 * writer is. They are equal when it is empty, so one byte stays free. Each side stores its own
 * position only, by spsc_read or spsc_write, and goes back to start when it has come to the
 * end, by spsc_rewind_read or spsc_rewind_write.
 */

/* Bytes that can be read at pos_r at once: at most size. */
static inline uint32_t spsc_read_peek(uint32_t pos_r, uint32_t pos_w, uint32_t pos_end,
                                      uint32_t size)
{
    const uint32_t there = (pos_r <= pos_w ? pos_w : pos_end) - pos_r;
    return there < size ? there : size;
}

/* Bytes that can be written at pos_w at once: at most size. */
static inline uint32_t spsc_write_peek(uint32_t pos_r, uint32_t pos_w, uint32_t pos_end,
                                       uint32_t size)
{
    const uint32_t room = pos_w < pos_r ? pos_r - pos_w - 1 : pos_end - pos_w;
    return room < size ? room : size;
}

/* Copies size bytes out of the buffer; they must be there. Returns size. */
static inline uint32_t spsc_read(const void *buffer, void *to, uint32_t *pos_r, uint32_t size)
{
    __builtin_memcpy(to, (const unsigned char *)buffer + *pos_r, size);
    __atomic_store_n(pos_r, *pos_r + size, __ATOMIC_SEQ_CST);
    return size;
}

/* Copies size bytes into the buffer; there must be room. Returns size. */
static inline uint32_t spsc_write(void *buffer, const void *from, uint32_t *pos_w, uint32_t size)
{
    __builtin_memcpy((unsigned char *)buffer + *pos_w, from, size);
    __atomic_store_n(pos_w, *pos_w + size, __ATOMIC_SEQ_CST);
    return size;
}

/* Brings the reader from the end back to the start, if there is more. Returns whether. */
static inline int spsc_rewind_read(uint32_t pos_start, uint32_t *pos_r, uint32_t pos_w,
                                   uint32_t pos_end)
{
    if (*pos_r != pos_end || pos_w == *pos_r)
        return 0;
    __atomic_store_n(pos_r, pos_start, __ATOMIC_SEQ_CST);
    return 1;
}

/* Brings the writer from the end back to the start, if the reader has left it. Returns
 * whether. */
static inline int spsc_rewind_write(uint32_t pos_start, uint32_t pos_r, uint32_t *pos_w,
                                    uint32_t pos_end)
{
    if (*pos_w != pos_end || pos_r == pos_start)
        return 0;
    __atomic_store_n(pos_w, pos_start, __ATOMIC_SEQ_CST);
    return 1;
}

#endif
