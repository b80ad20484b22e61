// An engine alone, driven through its host ports by requests on stdin: a byte a cycle, where a board
// takes forty for each on its serial line.
//
//   W access count bytes     an access that writes, and its bytes
//   R access count           an access that reads; its bytes on stdout
//   G limit                  a run; cycles, stalls, fault, layers and whether it ended on stdout
//
//   T                        cycles since the start, and microseconds of processor time, on stdout
//
// `access` is the payload of the port. It and times have 64 bits, all other numbers 32, little endian.
// It ends with stdin.

#include <cstdint>
#include <cstdio>
#include <ctime>
#include <memory>
#include <vector>

#include "Vtop.h"
#include "verilated.h"

namespace {

constexpr int kSettling = 16;          // cycles in which the last word is still on its way
constexpr uint64_t kCyclesPerLimit = 1 << 16;
constexpr uint64_t kPatience = 1 << 20;  // cycles that the engine may leave a byte waiting

class Engine {
 public:
    Engine() : model_(std::make_unique<Vtop>(&context_)) {
        model_->clk = 0;
        model_->start = model_->limit = 0;
        model_->access_valid = model_->data_valid = model_->answer_ready = 0;
    }
    ~Engine() { model_->final(); }

    bool access(uint64_t payload) {
        model_->access = payload;
        model_->access_valid = 1;
        const bool taken = wait([this] { return model_->access_ready; });
        model_->access_valid = 0;
        return taken;
    }

    bool write(const std::vector<uint8_t>& bytes) {
        for (const uint8_t byte : bytes) {
            model_->data = byte;
            model_->data_valid = 1;
            const bool taken = wait([this] { return model_->data_ready; });
            model_->data_valid = 0;
            if (!taken) return false;
        }
        for (int i = 0; i < kSettling; ++i) cycle();
        return true;
    }

    bool read(std::vector<uint8_t>& bytes) {
        model_->answer_ready = 1;
        for (uint8_t& byte : bytes) {
            if (!wait([this, &byte] {
                    byte = model_->answer;
                    return model_->answer_valid;
                })) return false;
        }
        model_->answer_ready = 0;
        return true;
    }

    // Cycles, stalls, fault, layers, and whether it came to its end within the limit.
    std::vector<uint32_t> run(uint32_t limit) {
        model_->limit = limit;
        model_->start = 1;
        cycle();
        model_->start = 0;
        uint64_t left = (uint64_t(limit) + 1) * kCyclesPerLimit;
        do cycle(); while (model_->busy && --left);
        return {model_->cycles, model_->stalls, model_->fault, model_->layers,
                !model_->busy};
    }

    std::vector<uint64_t> time() const {
        return {cycles_, uint64_t(1e6 * double(clock()) / CLOCKS_PER_SEC)};
    }

 private:
    // A cycle passes until `done` holds in one, before its edge.
    template <class Done>
    bool wait(Done done) {
        for (uint64_t left = kPatience; left; --left) {
            model_->clk = 0;
            model_->eval();
            const bool now = done();
            edge();
            if (now) return true;
        }
        return false;
    }

    void cycle() {
        model_->clk = 0;
        model_->eval();
        edge();
    }

    void edge() {
        model_->clk = 1;
        model_->eval();
        ++cycles_;
    }

    VerilatedContext context_;
    std::unique_ptr<Vtop> model_;
    uint64_t cycles_ = 0;
};

template <class Number>
bool get(Number& number) {
    return fread(&number, sizeof number, 1, stdin) == 1;
}

template <class Number>
void put(const std::vector<Number>& numbers) {
    fwrite(numbers.data(), sizeof(Number), numbers.size(), stdout);
    fflush(stdout);
}

// False: the host has gone, or asked for what there is not.
bool serve(Engine& engine) {
    char what;
    if (!get(what)) return false;
    if (what == 'T') {
        put(engine.time());
        return true;
    }
    if (what == 'G') {
        uint32_t limit;
        if (!get(limit)) return false;
        put(engine.run(limit));
        return true;
    }
    uint64_t payload;
    uint32_t count;
    if (!get(payload) || !get(count)) return false;
    std::vector<uint8_t> bytes(count);
    if (what == 'W') {
        return fread(bytes.data(), 1, count, stdin) == count && engine.access(payload)
            && engine.write(bytes);
    }
    if (what != 'R' || !engine.access(payload) || !engine.read(bytes)) return false;
    put(bytes);
    return true;
}

}  // namespace

int main() {
    Engine engine;
    while (serve(engine)) {}
    return 0;
}
