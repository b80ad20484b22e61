// An engine on a bus, whose registers are read and written by requests on stdin.
//
//   R offset          read; error and word on stdout
//   W offset word     write; error on stdout
//
// An error is a byte, offsets and words have 32 bits, little endian. It ends with stdin.

#include <cstdint>
#include <cstdio>
#include <memory>

#include "Vtop.h"
#include "verilated.h"

namespace {

constexpr int kPatience = 100'000;  // cycles in which an access must be answered

template <class Model>
constexpr bool is_wishbone = requires(Model& model) { model.wb_cyc; };

template <class Model>
class Bus {
 public:
    Bus() : model_(std::make_unique<Model>(&context_)) {
        if constexpr (is_wishbone<Model>) model_->wb_sel = 15;
        else model_->s_axi_wstrb = 15;
        model_->rst = 1;
        cycle();
        model_->rst = 0;
    }
    ~Bus() { model_->final(); }

    // Whether it is answered, by an error or not.
    bool access(bool writes, uint32_t offset, uint32_t& word, uint8_t& error) {
        if constexpr (is_wishbone<Model>) {
            model_->wb_adr = offset;
            model_->wb_we = writes;
            model_->wb_dat_w = word;
            model_->wb_cyc = model_->wb_stb = 1;
            if (!wait([this] { return model_->wb_ack || model_->wb_err; })) return false;
            error = model_->wb_err;
            word = model_->wb_dat_r;
            model_->wb_cyc = model_->wb_stb = 0;
        } else {
            model_->s_axi_awaddr = model_->s_axi_araddr = offset;
            model_->s_axi_wdata = word;
            model_->s_axi_awvalid = model_->s_axi_wvalid = writes;
            model_->s_axi_arvalid = !writes;
            cycle();
            model_->s_axi_awvalid = model_->s_axi_wvalid = model_->s_axi_arvalid = 0;
            model_->s_axi_bready = model_->s_axi_rready = 1;
            if (!wait([&] { return writes ? model_->s_axi_bvalid : model_->s_axi_rvalid; })) {
                return false;
            }
            error = writes ? model_->s_axi_bresp : model_->s_axi_rresp;
            word = model_->s_axi_rdata;
        }
        cycle();
        return true;
    }

 private:
    template <class Done>
    bool wait(Done done) {
        for (int left = kPatience; left; --left) {
            model_->eval();
            if (done()) return true;
            cycle();
        }
        return false;
    }

    void cycle() {
        for (int level : {0, 1}) {
            model_->clk = level;
            model_->eval();
        }
    }

    VerilatedContext context_;
    std::unique_ptr<Model> model_;
};

template <class Number>
bool get(Number& number) {
    return fread(&number, sizeof number, 1, stdin) == 1;
}

template <class Number>
void put(const Number& number) {
    fwrite(&number, sizeof number, 1, stdout);
}

bool serve(Bus<Vtop>& bus) {
    char what;
    uint32_t offset, word = 0;
    uint8_t error;
    if (!get(what) || !get(offset) || (what == 'W' && !get(word))) return false;
    if (!bus.access(what == 'W', offset, word, error)) return false;
    put(error);
    if (what == 'R') put(word);
    fflush(stdout);
    return true;
}

}  // namespace

int main() {
    Bus<Vtop> bus;
    while (serve(bus)) {}
    return 0;
}
