/* run IMAGE INPUTS COUNT OUTPUTS [ahead]: what a program with the driver does. Errors go to stderr. */
#include "bus.h"
#include "nhot.h"
#include <string.h>

enum { POLLS = 1000000 };

static void must(enum nhot_result result, const char *what)
{
    if (result == NHOT_OK) return;
    fprintf(stderr, "%s: %s\n", what, nhot_text(result));
    exit(1);
}

static unsigned char *whole(const char *path, size_t *size)
{
    static unsigned char files[2][1 << 20];
    static int count;
    unsigned char *bytes = files[count++];
    FILE *file = fopen(path, "rb");
    if (file == NULL) exit(4);
    *size = fread(bytes, 1, sizeof files[0], file);
    fclose(file);
    return bytes;
}

int main(int argc, char **argv)
{
    static unsigned char output[1 << 16];
    size_t image_size, size, in_bytes, out_bytes;
    unsigned char *image, *inputs;
    struct nhot engine;
    FILE *outputs;
    int i, count, ahead = argc > 5 && strcmp(argv[5], "ahead") == 0;
    if (argc < 5) return 4;
    image = whole(argv[1], &image_size);
    inputs = whole(argv[2], &size);
    count = atoi(argv[3]);
    must(nhot_init(&engine, 0), "init");
    if (nhot_start(&engine, inputs) != NHOT_NOT_LOADED) return 5;
    must(nhot_load(&engine, image, image_size), "load");
    if (nhot_wait(&engine, 0) != NHOT_IDLE) return 5;
    in_bytes = (size_t)engine.input.height * engine.input.width * engine.input.channels
        * engine.input.value_bytes;
    out_bytes = (size_t)engine.output.height * engine.output.width * engine.output.channels
        * engine.output.value_bytes;
    if (in_bytes * (size_t)count != size || out_bytes > sizeof output) return 6;
    outputs = fopen(argv[4], "wb");
    if (outputs == NULL) return 4;
    nhot_interrupt_on(&engine, NHOT_IRQ_STATUS_OUTPUT_MASK);
    for (i = 0; i < count; ++i) {
        const unsigned char *values = inputs + (size_t)i * in_bytes;
        if (!ahead) {
            must(nhot_run(&engine, values, output, POLLS), "run");
        } else {
            must(nhot_start(&engine, i == 0 ? values : NULL), "start");
            if (nhot_start(&engine, values) != NHOT_BUSY) return 7;
            if (i + 1 < count) must(nhot_ahead(&engine, values + in_bytes), "ahead");
            if (nhot_wait(&engine, 0) != NHOT_TIMEOUT) return 8;
            must(nhot_wait(&engine, POLLS), "wait");
            if (!(nhot_events(&engine) & NHOT_IRQ_STATUS_OUTPUT_MASK)) return 9;
            must(nhot_read(&engine, output), "read");
        }
        fwrite(output, 1, out_bytes, outputs);
    }
    fclose(outputs);
    fprintf(stderr, "%u cycles\n", (unsigned)nhot_register(&engine, NHOT_CYCLES));
    return 0;
}
