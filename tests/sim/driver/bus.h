/* Registers of a simulated engine, through stdin and stdout. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void gone(const char *what, uint32_t offset)
{
    fprintf(stderr, "%s of 0x%02x must be no error\n", what, (unsigned)offset);
    exit(3);
}

static uint32_t bus_read(uintptr_t base, uint32_t offset)
{
    uint8_t error;
    uint32_t word, where = (uint32_t)base + offset;
    putchar('R');
    fwrite(&where, sizeof where, 1, stdout);
    fflush(stdout);
    if (fread(&error, 1, 1, stdin) != 1 || fread(&word, sizeof word, 1, stdin) != 1 || error) {
        gone("read", offset);
    }
    return word;
}

static void bus_write(uintptr_t base, uint32_t offset, uint32_t word)
{
    uint8_t error;
    uint32_t where = (uint32_t)base + offset;
    putchar('W');
    fwrite(&where, sizeof where, 1, stdout);
    fwrite(&word, sizeof word, 1, stdout);
    fflush(stdout);
    if (fread(&error, 1, 1, stdin) != 1 || error) gone("write", offset);
}

#define NHOT_READ(base, offset) bus_read((base), (offset))
#define NHOT_WRITE(base, offset, word) bus_write((base), (offset), (word))
