/* A driver for an nhot engine on a bus, in C99: no allocation, no state of its own, nothing to link.
 *
 *     struct nhot engine;
 *     nhot_init(&engine, base)                      what is there?
 *     nhot_load(&engine, image, size)               a file of `nhot compile`
 *     nhot_run(&engine, values, outputs, polls)     or nhot_start, nhot_wait, nhot_read
 *
 * Functions return NHOT_OK or what is wrong; nhot_text has it in words. A register is read and written
 * by NHOT_READ and NHOT_WRITE, and NHOT_RELAX is called between two polls: define them before this file
 * is included, for a bus, a barrier or a simulator of your own.
 */
#ifndef NHOT_H
#define NHOT_H

#include <stddef.h>
#include <stdint.h>

#ifndef NHOT_READ
#define NHOT_READ(base, offset) (*(volatile const uint32_t *)((base) + (offset)))
#endif
#ifndef NHOT_WRITE
#define NHOT_WRITE(base, offset, word) (*(volatile uint32_t *)((base) + (offset)) = (word))
#endif
#ifndef NHOT_RELAX
#define NHOT_RELAX() ((void)0)
#endif

/* registers: begin */
/* Made from nhot.rdl by `make registers`. Offsets in bytes, then fields: lowest bit and mask. */
#define NHOT_ID                            0x00u
#define NHOT_VERSION                       0x04u
#define NHOT_TARGET                        0x08u
#define NHOT_FEATURES                      0x0cu
#define NHOT_STATUS                        0x10u
#define NHOT_ACQUIRE                       0x14u
#define NHOT_COMMIT                        0x18u
#define NHOT_CLEAR                         0x1cu
#define NHOT_IRQ_STATUS                    0x20u
#define NHOT_IRQ_ENABLE                    0x24u
#define NHOT_DATA                          0x28u
#define NHOT_ROOM                          0x2cu
#define NHOT_INPUT                         0x30u
#define NHOT_INPUT_WORDS                   0x34u
#define NHOT_OUTPUT                        0x38u
#define NHOT_OUTPUT_WORDS                  0x3cu
#define NHOT_LIMIT                         0x40u
#define NHOT_JOBS                          0x50u
#define NHOT_CYCLES                        0x54u
#define NHOT_STALLS                        0x58u
#define NHOT_LAYERS                        0x5cu
#define NHOT_MEMORY_PROGRAM                0x60u
#define NHOT_MEMORY_REQUANT                0x64u
#define NHOT_MEMORY_WEIGHTS                0x68u
#define NHOT_MEMORY_ACTIVATIONS            0x6cu
#define NHOT_MEMORY_TIMING                 0x70u

#define NHOT_VERSION_REGISTERS_BIT         0
#define NHOT_VERSION_REGISTERS_MASK        0x0000ffffu
#define NHOT_VERSION_IMAGE_BIT             16
#define NHOT_VERSION_IMAGE_MASK            0xffff0000u
#define NHOT_FEATURES_STREAM_BIT           0
#define NHOT_FEATURES_STREAM_MASK          0x00000001u
#define NHOT_FEATURES_BUFFER_BIT           1
#define NHOT_FEATURES_BUFFER_MASK          0x0003fffeu
#define NHOT_STATUS_RUNNING_BIT            0
#define NHOT_STATUS_RUNNING_MASK           0x00000001u
#define NHOT_STATUS_ACQUIRED_BIT           1
#define NHOT_STATUS_ACQUIRED_MASK          0x00000002u
#define NHOT_STATUS_PHASE_BIT              2
#define NHOT_STATUS_PHASE_MASK             0x0000000cu
#define NHOT_STATUS_REFUSAL_BIT            4
#define NHOT_STATUS_REFUSAL_MASK           0x00000070u
#define NHOT_STATUS_FAULT_BIT              7
#define NHOT_STATUS_FAULT_MASK             0x00000180u
#define NHOT_STATUS_OUTPUT_BIT             9
#define NHOT_STATUS_OUTPUT_MASK            0x00000200u
#define NHOT_COMMIT_GO_BIT                 0
#define NHOT_COMMIT_GO_MASK                0x00000001u
#define NHOT_CLEAR_GO_BIT                  0
#define NHOT_CLEAR_GO_MASK                 0x00000001u
#define NHOT_IRQ_STATUS_DONE_BIT           0
#define NHOT_IRQ_STATUS_DONE_MASK          0x00000001u
#define NHOT_IRQ_STATUS_FAULT_BIT          1
#define NHOT_IRQ_STATUS_FAULT_MASK         0x00000002u
#define NHOT_IRQ_STATUS_REFUSED_BIT        2
#define NHOT_IRQ_STATUS_REFUSED_MASK       0x00000004u
#define NHOT_IRQ_STATUS_OUTPUT_BIT         3
#define NHOT_IRQ_STATUS_OUTPUT_MASK        0x00000008u
#define NHOT_IRQ_ENABLE_DONE_BIT           0
#define NHOT_IRQ_ENABLE_DONE_MASK          0x00000001u
#define NHOT_IRQ_ENABLE_FAULT_BIT          1
#define NHOT_IRQ_ENABLE_FAULT_MASK         0x00000002u
#define NHOT_IRQ_ENABLE_REFUSED_BIT        2
#define NHOT_IRQ_ENABLE_REFUSED_MASK       0x00000004u
#define NHOT_IRQ_ENABLE_OUTPUT_BIT         3
#define NHOT_IRQ_ENABLE_OUTPUT_MASK        0x00000008u
#define NHOT_ROOM_WORDS_BIT                0
#define NHOT_ROOM_WORDS_MASK               0x0001ffffu
#define NHOT_INPUT_ADDRESS_BIT             0
#define NHOT_INPUT_ADDRESS_MASK            0x0000ffffu
#define NHOT_INPUT_REGION_BIT              16
#define NHOT_INPUT_REGION_MASK             0x00070000u
#define NHOT_INPUT_WORDS_WORDS_BIT         0
#define NHOT_INPUT_WORDS_WORDS_MASK        0x0001ffffu
#define NHOT_OUTPUT_ADDRESS_BIT            0
#define NHOT_OUTPUT_ADDRESS_MASK           0x0000ffffu
#define NHOT_OUTPUT_REGION_BIT             16
#define NHOT_OUTPUT_REGION_MASK            0x00070000u
#define NHOT_OUTPUT_STREAM_BIT             19
#define NHOT_OUTPUT_STREAM_MASK            0x00080000u
#define NHOT_OUTPUT_WORDS_WORDS_BIT        0
#define NHOT_OUTPUT_WORDS_WORDS_MASK       0x0001ffffu
#define NHOT_LIMIT_LIMIT_BIT               0
#define NHOT_LIMIT_LIMIT_MASK              0x0000ffffu
#define NHOT_JOBS_COUNT_BIT                0
#define NHOT_JOBS_COUNT_MASK               0x7fffffffu
#define NHOT_LAYERS_COUNT_BIT              0
#define NHOT_LAYERS_COUNT_MASK             0x0000ffffu
#define NHOT_MEMORY_PROGRAM_DEPTH_BIT      0
#define NHOT_MEMORY_PROGRAM_DEPTH_MASK     0x0001ffffu
#define NHOT_MEMORY_PROGRAM_WORD_BYTES_BIT 17
#define NHOT_MEMORY_PROGRAM_WORD_BYTES_MASK 0x03fe0000u
#define NHOT_MEMORY_REQUANT_DEPTH_BIT      0
#define NHOT_MEMORY_REQUANT_DEPTH_MASK     0x0001ffffu
#define NHOT_MEMORY_REQUANT_WORD_BYTES_BIT 17
#define NHOT_MEMORY_REQUANT_WORD_BYTES_MASK 0x03fe0000u
#define NHOT_MEMORY_WEIGHTS_DEPTH_BIT      0
#define NHOT_MEMORY_WEIGHTS_DEPTH_MASK     0x0001ffffu
#define NHOT_MEMORY_WEIGHTS_WORD_BYTES_BIT 17
#define NHOT_MEMORY_WEIGHTS_WORD_BYTES_MASK 0x03fe0000u
#define NHOT_MEMORY_ACTIVATIONS_DEPTH_BIT  0
#define NHOT_MEMORY_ACTIVATIONS_DEPTH_MASK 0x0001ffffu
#define NHOT_MEMORY_ACTIVATIONS_WORD_BYTES_BIT 17
#define NHOT_MEMORY_ACTIVATIONS_WORD_BYTES_MASK 0x03fe0000u
#define NHOT_MEMORY_TIMING_DEPTH_BIT       0
#define NHOT_MEMORY_TIMING_DEPTH_MASK      0x0001ffffu
#define NHOT_MEMORY_TIMING_WORD_BYTES_BIT  17
#define NHOT_MEMORY_TIMING_WORD_BYTES_MASK 0x03fe0000u

#define NHOT_ID_MAGIC_VALUE                0x544f484eu
#define NHOT_VERSION_REGISTERS_VALUE       0x1u
#define NHOT_VERSION_IMAGE_VALUE           0x2u

#define NHOT_FAULT_NONE                    0u /* the run came to its END */
#define NHOT_FAULT_PROGRAM                 1u /* a descriptor that the engine cannot run, or a program without END */
#define NHOT_FAULT_ADDRESS                 2u /* an address beyond a memory */
#define NHOT_FAULT_CYCLES                  3u /* more cycles than LIMIT */
#define NHOT_PHASE_IDLE                    0u /* no job */
#define NHOT_PHASE_INPUT                   1u /* words go to a memory */
#define NHOT_PHASE_RUN                     2u /* the program runs */
#define NHOT_PHASE_OUTPUT                  3u /* words come from a memory */
#define NHOT_REFUSAL_NONE                  0u /* it was accepted */
#define NHOT_REFUSAL_BUSY                  1u /* a job is under way */
#define NHOT_REFUSAL_NOT_ACQUIRED          2u /* ACQUIRE was not read before */
#define NHOT_REFUSAL_INPUT                 3u /* the input does not lie within a memory that can be written */
#define NHOT_REFUSAL_OUTPUT                4u /* the output does not lie within a memory */
#define NHOT_REFUSAL_STREAM                5u /* the output is for a stream, and there is none */
#define NHOT_REGION_PROGRAM                0u /* descriptors, words of 4 bytes */
#define NHOT_REGION_REQUANT                1u /* records of the requantisers */
#define NHOT_REGION_WEIGHTS                2u /* weights: written as codes, read as fields */
#define NHOT_REGION_ACTIVATIONS            3u /* activations, words of S bytes */
#define NHOT_REGION_TIMING                 4u /* two words for each layer of the last run: read only */
/* registers: end */

enum nhot_result {
    NHOT_OK,
    NHOT_NO_ENGINE,
    NHOT_NO_IMAGE,
    NHOT_DAMAGED,
    NHOT_OTHER_ENGINE,
    NHOT_LAYOUT,
    NHOT_NOT_LOADED,
    NHOT_IDLE,
    NHOT_BUSY,
    NHOT_REFUSED,
    NHOT_TIMEOUT,
    NHOT_FAULT,
    NHOT_NO_ROOM
};

/* Where a tensor lies, and how. Values are row by row, channels last, without gaps: a byte each, or two
 * if `value_bytes` says so, the low one first. */
struct nhot_tensor {
    uint32_t address, words, word_bytes;     /* in the activation memory */
    uint32_t height, width, channels, value_bytes;
    uint8_t flip;                            /* bit 7 of bytes that are stored less 128 */
    /* An input may be laid out by a window: what it sees at each of its positions, and `fill` where it
     * sees nothing. Otherwise the window is one position. y comes first. */
    uint8_t fill;
    uint32_t kernel[2], stride[2], dilation[2], padding[4], positions[2];
};

struct nhot {
    uintptr_t base;
    uint32_t limit;                          /* most cycles of a run, in units of 65,536 */
    struct nhot_tensor input, output;        /* of the network that is loaded */
    uint8_t loaded;
};

static inline const char *nhot_text(enum nhot_result result)
{
    static const char *const texts[] = {
        "it is done", "no nhot engine, or registers of another version", "no memory image of version 2",
        "the image is damaged", "the image is for another engine",
        "the layout of input or output is none that this driver knows", "no network is loaded",
        "no run is under way", "a job is under way", "the engine refused the job", "the run has not come to its end yet",
        "the engine broke off the run", "the input buffer has no room"
    };
    return texts[result];
}

static inline uint32_t nhot_register(const struct nhot *engine, uint32_t offset)
{
    return NHOT_READ(engine->base, offset);
}

static inline uint32_t nhot_status(const struct nhot *engine, uint32_t mask)
{
    return nhot_register(engine, NHOT_STATUS) & mask;
}

/* What is there? Anything under way is broken off. */
static inline enum nhot_result nhot_init(struct nhot *engine, uintptr_t base)
{
    engine->base = base;
    engine->limit = 0;
    engine->loaded = 0;
    if (nhot_register(engine, NHOT_ID) != NHOT_ID_MAGIC_VALUE
        || nhot_register(engine, NHOT_VERSION)
            != (NHOT_VERSION_REGISTERS_VALUE | NHOT_VERSION_IMAGE_VALUE << NHOT_VERSION_IMAGE_BIT)) {
        return NHOT_NO_ENGINE;
    }
    NHOT_WRITE(base, NHOT_CLEAR, 1u);
    NHOT_WRITE(base, NHOT_IRQ_ENABLE, 0u);
    NHOT_WRITE(base, NHOT_IRQ_STATUS, 0xffffffffu);
    return NHOT_OK;
}

/* Break off what is under way; the network stays loaded unless it was being loaded. */
static inline void nhot_clear(const struct nhot *engine)
{
    NHOT_WRITE(engine->base, NHOT_CLEAR, 1u);
}

/* Let these events (NHOT_IRQ_STATUS_..._MASK) make the interrupt. */
static inline void nhot_interrupt_on(const struct nhot *engine, uint32_t events)
{
    NHOT_WRITE(engine->base, NHOT_IRQ_ENABLE, events);
}

/* The events since the last call; for an interrupt's handler. */
static inline uint32_t nhot_events(const struct nhot *engine)
{
    const uint32_t events = nhot_register(engine, NHOT_IRQ_STATUS);
    NHOT_WRITE(engine->base, NHOT_IRQ_STATUS, events);
    return events;
}

/* ---- bytes through DATA, four at a time ---- */

struct nhot_bytes {
    const struct nhot *engine;
    uint32_t word, count;
};

static inline void nhot_give(struct nhot_bytes *bytes, uint8_t byte)
{
    bytes->word |= (uint32_t)byte << (8 * (bytes->count++ & 3u));
    if ((bytes->count & 3u) == 0) {
        NHOT_WRITE(bytes->engine->base, NHOT_DATA, bytes->word);
        bytes->word = 0;
    }
}

static inline void nhot_give_rest(struct nhot_bytes *bytes)
{
    if (bytes->count & 3u) NHOT_WRITE(bytes->engine->base, NHOT_DATA, bytes->word);
}

static inline uint8_t nhot_take(struct nhot_bytes *bytes)
{
    if ((bytes->count++ & 3u) == 0) bytes->word = nhot_register(bytes->engine, NHOT_DATA);
    else bytes->word >>= 8;
    return (uint8_t)bytes->word;
}

/* ---- jobs ---- */

static inline enum nhot_result nhot_commit(
    const struct nhot *engine, uint32_t input, uint32_t input_words, uint32_t limit, uint32_t output,
    uint32_t output_words)
{
    if (nhot_register(engine, NHOT_ACQUIRE) == 0xffffffffu) return NHOT_BUSY;
    NHOT_WRITE(engine->base, NHOT_INPUT, input);
    NHOT_WRITE(engine->base, NHOT_INPUT_WORDS, input_words);
    NHOT_WRITE(engine->base, NHOT_LIMIT, limit);
    NHOT_WRITE(engine->base, NHOT_OUTPUT, output);
    NHOT_WRITE(engine->base, NHOT_OUTPUT_WORDS, output_words);
    NHOT_WRITE(engine->base, NHOT_COMMIT, 1u);
    if (nhot_status(engine, NHOT_STATUS_REFUSAL_MASK) != 0) {
        nhot_clear(engine);
        return NHOT_REFUSED;
    }
    return NHOT_OK;
}

/* The end of a job whose words have all been given and taken: some cycles for each that the buffer has. */
static inline enum nhot_result nhot_finish(const struct nhot *engine)
{
    uint32_t polls = 1000u + 64u * ((nhot_register(engine, NHOT_FEATURES) & NHOT_FEATURES_BUFFER_MASK)
                                    >> NHOT_FEATURES_BUFFER_BIT);
    while (nhot_status(engine, NHOT_STATUS_RUNNING_MASK) != 0) {
        if (polls-- == 0) return NHOT_TIMEOUT;
    }
    return NHOT_OK;
}

/* ---- the image, as docs/image.md of nhot has it ---- */

struct nhot_text_range {
    const uint8_t *at, *end;
};

static inline uint32_t nhot_u32(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static inline uint32_t nhot_crc(const uint8_t *bytes, uint32_t length)
{
    uint32_t crc = 0xffffffffu, i, bit;
    for (i = 0; i < length; ++i) {
        crc ^= bytes[i];
        for (bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1u)));
    }
    return ~crc;
}

/* Move behind the next `key`; whether there is one. A quote in a name has a backslash, so that what has
 * quotes of its own is never found in one. */
static inline int nhot_seek(struct nhot_text_range *text, const char *key)
{
    const uint8_t *at;
    for (at = text->at; at < text->end; ++at) {
        size_t i = 0;
        while (key[i] != 0 && at + i < text->end && at[i] == (uint8_t)key[i]) ++i;
        if (key[i] == 0) {
            text->at = at + i;
            return 1;
        }
    }
    return 0;
}

/* Numbers with a comma between them, of which the last sign is lost to `negative`. */
static inline int nhot_numbers(
    struct nhot_text_range *text, const char *key, uint32_t *values, int count, int *negative)
{
    int i;
    if (!nhot_seek(text, key)) return 0;
    for (i = 0; i < count; ++i) {
        uint32_t value = 0;
        if (i > 0 && text->at < text->end && *text->at == ',') ++text->at;
        *negative = text->at < text->end && *text->at == '-';
        if (*negative) ++text->at;
        if (text->at == text->end || *text->at < '0' || *text->at > '9') return 0;
        while (text->at < text->end && *text->at >= '0' && *text->at <= '9') {
            value = 10 * value + (uint32_t)(*text->at++ - '0');
        }
        values[i] = value;
    }
    return 1;
}

/* The window of a placement, from its key on; "null" is one position. */
static inline enum nhot_result nhot_window(struct nhot_text_range text, struct nhot_tensor *tensor)
{
    const uint32_t size[2] = {tensor->height, tensor->width};
    int negative, i;
    for (i = 0; i < 2; ++i) {
        tensor->kernel[i] = tensor->stride[i] = tensor->dilation[i] = 1;
        tensor->padding[i] = tensor->padding[i + 2] = 0;
    }
    if (nhot_seek(&text, "\"window\":{")
        && (!nhot_numbers(&text, "\"dilation\":[", tensor->dilation, 2, &negative)
            || !nhot_numbers(&text, "\"kernel\":[", tensor->kernel, 2, &negative)
            || !nhot_numbers(&text, "\"padding\":[", tensor->padding, 4, &negative)
            || !nhot_numbers(&text, "\"stride\":[", tensor->stride, 2, &negative))) {
        return NHOT_NO_IMAGE;
    }
    for (i = 0; i < 2; ++i) {
        const uint32_t padded = size[i] + tensor->padding[i] + tensor->padding[i + 2];
        const uint32_t seen = tensor->dilation[i] * (tensor->kernel[i] - 1) + 1;
        if (tensor->stride[i] == 0 || padded < seen) return NHOT_LAYOUT;
        tensor->positions[i] = (padded - seen) / tensor->stride[i] + 1;
    }
    return NHOT_OK;
}

/* A placement from behind its `"address":` on; its keys are sorted. */
static inline enum nhot_result nhot_placement(struct nhot_text_range *text, struct nhot_tensor *tensor)
{
    uint32_t bits, fill, offset, shape[3], bytes;
    int negative, below;
    enum nhot_result result;
    struct nhot_text_range rest;
    if (!nhot_numbers(text, "", &tensor->address, 1, &negative)
        || !nhot_numbers(text, "\"bits\":", &bits, 1, &negative)
        || !nhot_numbers(text, "\"fill\":", &fill, 1, &below)
        || !nhot_numbers(text, "\"offset\":", &offset, 1, &negative)) {
        return NHOT_NO_IMAGE;
    }
    rest = *text;
    if (!nhot_numbers(text, "\"shape\":[", shape, 3, &negative)
        || !nhot_numbers(text, "\"word_bytes\":", &tensor->word_bytes, 1, &negative)
        || !nhot_numbers(text, "\"words\":", &tensor->words, 1, &negative)) {
        return NHOT_NO_IMAGE;
    }
    rest.end = text->at;
    tensor->height = shape[0];
    tensor->width = shape[1];
    tensor->channels = shape[2];
    tensor->value_bytes = bits > 8 ? 2 : 1;
    tensor->flip = offset != 0 ? 0x80 : 0;
    tensor->fill = (uint8_t)((below ? 0u - fill : fill) ^ tensor->flip);
    result = nhot_window(rest, tensor);
    if (result != NHOT_OK) return result;
    /* Tensors that were joined have holes, and then other words than these. */
    bytes = tensor->kernel[0] * tensor->kernel[1] * tensor->channels * tensor->value_bytes;
    if (tensor->word_bytes == 0 || nhot_seek(&rest, "\"pieces\":") || tensor->words
        != tensor->positions[0] * tensor->positions[1]
            * ((bytes + tensor->word_bytes - 1) / tensor->word_bytes)) {
        return NHOT_LAYOUT;
    }
    return NHOT_OK;
}

/* From the image's metadata: where input and output lie, and how long a run may take. */
static inline enum nhot_result nhot_meta(struct nhot *engine, const uint8_t *meta, uint32_t length)
{
    struct nhot_text_range text;
    enum nhot_result result;
    uint64_t cycles = 0;
    uint32_t value;
    int negative;
    text.at = meta;
    text.end = meta + length;
    if (!nhot_seek(&text, "\"input\":{\"address\":")) return NHOT_NO_IMAGE;
    result = nhot_placement(&text, &engine->input);
    if (result != NHOT_OK) return result;
    for (;;) {  /* layers, whose outputs come before that of the network */
        struct nhot_text_range layer = text;
        if (!nhot_numbers(&layer, "\"cycles\":", &value, 1, &negative)) break;
        cycles += value;
        text = layer;
    }
    if (!nhot_seek(&text, "\"network\":") || !nhot_seek(&text, "\"output\":{\"address\":")) {
        return NHOT_NO_IMAGE;
    }
    engine->limit = cycles / 65536u < 65533u ? (uint32_t)(cycles / 65536u) + 2u : 65535u;
    return nhot_placement(&text, &engine->output);
}

/* Write the network of an image; nothing is written unless the image is sound and for this engine. */
static inline enum nhot_result nhot_load(struct nhot *engine, const void *image, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)image, *section;
    const uint32_t first = 52u + 5u * 12u;
    uint32_t i, length, words, left;
    enum nhot_result result = NHOT_OK;
    int pass;
    engine->loaded = 0;
    if (size < first || nhot_u32(bytes) != NHOT_ID_MAGIC_VALUE || bytes[4] != NHOT_VERSION_IMAGE_VALUE
        || bytes[5] != 0 || nhot_u32(bytes + 12) != 5 || nhot_u32(bytes + 16) != size) {
        return NHOT_NO_IMAGE;
    }
    if (nhot_u32(bytes + 8) != nhot_register(engine, NHOT_TARGET)) return NHOT_OTHER_ENGINE;
    for (pass = 0; pass < 2; ++pass) {  /* first look at all of it */
        section = bytes + first;
        left = (uint32_t)size - first;
        for (i = 0; i < 5; ++i, section += length, left -= length) {
            const uint8_t *entry = bytes + 52 + 12 * i;
            struct nhot_bytes data = {engine, 0, 0};
            length = nhot_u32(entry + 4);
            if (pass == 0) {
                if (nhot_u32(entry) != i + 1 || length > left) return NHOT_NO_IMAGE;
                if (nhot_crc(section, length) != nhot_u32(entry + 8)) return NHOT_DAMAGED;
                if (i == 1) result = nhot_meta(engine, section, length);
                if (result != NHOT_OK) return result;
            } else if (i >= 2) {
                const uint32_t region = i - 2;  /* program, records, weights */
                const uint32_t memory = nhot_register(engine, NHOT_MEMORY_PROGRAM + 4 * region);
                uint32_t k;
                words = length / ((memory & NHOT_MEMORY_PROGRAM_WORD_BYTES_MASK)
                                  >> NHOT_MEMORY_PROGRAM_WORD_BYTES_BIT);
                result = nhot_commit(
                    engine, region << NHOT_INPUT_REGION_BIT, words, 0, 0, 0);
                if (result != NHOT_OK) return result;
                for (k = 0; k < length; ++k) nhot_give(&data, section[k]);
                nhot_give_rest(&data);
                result = nhot_finish(engine);
                if (result != NHOT_OK) return result;
            }
        }
    }
    engine->loaded = 1;
    return NHOT_OK;
}

/* ---- values ---- */

/* The bytes of each position, and zeros that fill its last word. */
static inline void nhot_give_input(const struct nhot *engine, const uint8_t *values)
{
    const struct nhot_tensor *t = &engine->input;
    struct nhot_bytes data = {engine, 0, 0};
    uint32_t y, x, ky, kx, c, count;
    for (y = 0; y < t->positions[0]; ++y) for (x = 0; x < t->positions[1]; ++x) {
        count = 0;
        for (ky = 0; ky < t->kernel[0]; ++ky) for (kx = 0; kx < t->kernel[1]; ++kx) {
            /* What lies before the first row or column is a large number here, and outside, too. */
            const uint32_t row = y * t->stride[0] + ky * t->dilation[0] - t->padding[0];
            const uint32_t column = x * t->stride[1] + kx * t->dilation[1] - t->padding[1];
            const int inside = row < t->height && column < t->width;
            const size_t place = ((size_t)row * t->width + column) * t->channels * t->value_bytes;
            for (c = 0; c < t->channels * t->value_bytes; ++c, ++count) {
                nhot_give(&data, inside ? (uint8_t)(values[place + c] ^ t->flip) : t->fill);
            }
        }
        for (; count % t->word_bytes; ++count) nhot_give(&data, 0);
    }
    nhot_give_rest(&data);
}

/* Commit a run on `values`, of the input's type; NULL if nhot_ahead has given them. */
static inline enum nhot_result nhot_start(struct nhot *engine, const void *values)
{
    const uint32_t region = NHOT_REGION_ACTIVATIONS << NHOT_INPUT_REGION_BIT;
    enum nhot_result result;
    if (!engine->loaded) return NHOT_NOT_LOADED;
    result = nhot_commit(
        engine, region | engine->input.address, engine->input.words, engine->limit,
        region | engine->output.address, engine->output.words);
    if (result == NHOT_OK && values != NULL) nhot_give_input(engine, (const uint8_t *)values);
    return result;
}

/* While a run is under way: the next input into the input buffer, if that holds one. */
static inline enum nhot_result nhot_ahead(struct nhot *engine, const void *values)
{
    const uint32_t bytes = engine->input.words * engine->input.word_bytes;
    if (!engine->loaded) return NHOT_NOT_LOADED;
    if (nhot_register(engine, NHOT_ROOM) < (bytes + 3u) / 4u) return NHOT_NO_ROOM;
    nhot_give_input(engine, (const uint8_t *)values);
    return NHOT_OK;
}

/* Wait until the output is there, for so many polls at most; after a timeout wait on, or nhot_clear. */
static inline enum nhot_result nhot_wait(const struct nhot *engine, uint32_t polls)
{
    for (;;) {
        const uint32_t status = nhot_register(engine, NHOT_STATUS);
        if (status & NHOT_STATUS_OUTPUT_MASK) return NHOT_OK;
        if ((status & NHOT_STATUS_RUNNING_MASK) == 0) {
            return status & NHOT_STATUS_FAULT_MASK ? NHOT_FAULT : NHOT_IDLE;
        }
        if (polls-- == 0) return NHOT_TIMEOUT;
        NHOT_RELAX();
    }
}

/* Take the output, which is there: `values` are of its type. The job has then ended. */
static inline enum nhot_result nhot_read(const struct nhot *engine, void *values)
{
    const struct nhot_tensor *t = &engine->output;
    struct nhot_bytes data = {engine, 0, 0};
    uint8_t *bytes = (uint8_t *)values;
    uint32_t position, c;
    for (position = 0; position < t->height * t->width; ++position) {
        for (c = 0; c < t->channels * t->value_bytes; ++c) {
            *bytes++ = (uint8_t)(nhot_take(&data) ^ t->flip);
        }
        for (; c % t->word_bytes; ++c) (void)nhot_take(&data);
    }
    return nhot_finish(engine);
}

/* All of it: input, run, output. */
static inline enum nhot_result nhot_run(
    struct nhot *engine, const void *values, void *outputs, uint32_t polls)
{
    enum nhot_result result = nhot_start(engine, values);
    if (result == NHOT_OK) result = nhot_wait(engine, polls);
    if (result == NHOT_OK) result = nhot_read(engine, outputs);
    return result;
}

#endif
