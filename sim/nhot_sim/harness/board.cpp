// A board without a board: the model behind a pseudo-terminal, its UART played bit by bit.
//
//   board DIVISOR [FILE]
//
// FILE gets the waveforms, or the toggles of all bits: whichever the model was made for.
//
// The first line on stdout is the path of the terminal. Each byte on stdin is answered with a line
// "CYCLES RECEIVED SENT ASLEEP": cycles so far, bytes taken from the terminal and given to it, and
// whether (1 or 0) nothing will happen until the next byte comes. It ends when its stdin closes,
// which the death of the parent does too, and then prints "cycles N seconds S", S of processor time.
//
// The model's clock runs as fast as it can, and stands still when nothing can happen: the line is
// quiet both ways, no byte waits, the model's output `busy` (if it has one) is low, and it has been
// so for kQuietCycles. A model without `busy` may compute for longer than that in silence; its time
// then goes on with the next byte from the host, who is polling it anyway.

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <memory>
#include <string>

#include "Vtop.h"
#include "verilated.h"
#if VM_TRACE_FST
#include "verilated_fst_c.h"
using Trace = VerilatedFstC;
#elif VM_TRACE_VCD
#include "verilated_vcd_c.h"
using Trace = VerilatedVcdC;
#endif

#if VM_COVERAGE
#include "verilated_cov.h"
#endif

namespace {

constexpr int kCyclesPerPoll = 256;       // a system call costs as much as a cycle or two
constexpr size_t kUnreadLimit = 1 << 16;  // bytes that a host which never reads may leave behind

template <class Model>
constexpr bool kHasBusy = requires(Model model) { model.busy; };

constexpr uint64_t kQuietCycles = kHasBusy<Vtop> ? 1 << 13 : 1 << 20;

// Bytes from the host, as levels of the model's rx: 8N1, low bit first, no gap between bytes.
class Sender {
 public:
    explicit Sender(uint32_t divisor) : divisor_(divisor) {}

    void add(const char* bytes, size_t count) { queue_.append(bytes, count); }
    bool is_empty() const { return next_ == queue_.size(); }
    bool is_idle() const { return !bits_ && is_empty(); }

    bool level() {
        if (!bits_) {
            if (is_empty()) return true;
            frame_ = 0x200 | uint32_t(uint8_t(queue_[next_++])) << 1;  // start 0, byte, stop 1
            bits_ = 10;
            left_ = divisor_;
            if (is_empty()) {
                queue_.clear();
                next_ = 0;
            }
        }
        const bool level = frame_ & 1;
        if (!--left_) {
            left_ = divisor_;
            frame_ >>= 1;
            --bits_;
        }
        return level;
    }

 private:
    const uint32_t divisor_;
    std::string queue_;
    size_t next_ = 0;
    uint32_t frame_ = 0, bits_ = 0, left_ = 0;
};

// Levels of the model's tx, as bytes for the host; each bit is looked at in its middle.
class Receiver {
 public:
    explicit Receiver(uint32_t divisor) : divisor_(divisor) {}

    bool is_idle() const { return !bits_; }

    void sample(bool level, std::string& bytes) {
        if (!bits_) {
            if (level) return;
            bits_ = 10;
            left_ = divisor_ / 2;
        }
        if (left_--) return;
        left_ = divisor_ - 1;
        byte_ = byte_ >> 1 | uint32_t(level) << 9;
        if (bits_ == 10 && level) {  // too short for a start bit
            bits_ = 0;
        } else if (!--bits_ && level) {  // a byte without its stop bit is dropped, as UARTs do
            bytes.push_back(char(byte_ >> 1));
        }
    }

 private:
    const uint32_t divisor_;
    uint32_t byte_ = 0, bits_ = 0, left_ = 0;
};

class Board {
 public:
    Board(uint32_t divisor, const char* file)
        : file_(file), sender_(divisor), receiver_(divisor) {
        context_.traceEverOn(VM_TRACE && file);
        model_ = std::make_unique<Vtop>(&context_);
#if VM_TRACE
        if (file) {
            trace_ = std::make_unique<Trace>();
            model_->trace(trace_.get(), 99);
            trace_->open(file);
        }
#endif
    }

    ~Board() {
#if VM_TRACE
        if (trace_) trace_->close();
#endif
        model_->final();
#if VM_COVERAGE
        if (file_) context_.coveragep()->write(file_);
#endif
    }

    // Returns the path of the terminal, or null with errno.
    const char* open_terminal() {
        master_ = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
        if (master_ < 0 || grantpt(master_) || unlockpt(master_)) return nullptr;
        const char* path = ptsname(master_);
        // Kept open, or the kernel reports a hangup for as long as no host is there.
        const int slave = open(path, O_RDWR | O_NOCTTY);
        termios settings;
        if (slave < 0 || tcgetattr(slave, &settings)) return nullptr;
        cfmakeraw(&settings);
        return tcsetattr(slave, TCSANOW, &settings) ? nullptr : path;
    }

    void run() {
        while (true) {
            const bool asleep = quiet_ >= kQuietCycles && sender_.is_idle();
            if (!exchange(asleep)) return;
            if (asleep && sender_.is_idle()) continue;
            for (int i = 0; i < kCyclesPerPoll; ++i) cycle();
        }
    }

    void report() const {
        const double seconds = double(clock()) / CLOCKS_PER_SEC;
        printf("cycles %llu seconds %.6f\n", static_cast<unsigned long long>(cycles_), seconds);
        fflush(stdout);
    }

 private:
    static bool is_busy(const auto& model) {
        if constexpr (kHasBusy<Vtop>) return model.busy;
        return false;
    }

    void cycle() {
        model_->rx = sender_.level();
        model_->clk = 0;
        model_->eval();
        dump(0);
        model_->clk = 1;
        model_->eval();
        dump(5000);
        ++cycles_;
        receiver_.sample(model_->tx, unread_);
        const bool active = !sender_.is_idle() || !receiver_.is_idle() || is_busy(*model_);
        quiet_ = active ? 0 : quiet_ + 1;
    }

    void dump(uint64_t picoseconds) {
#if VM_TRACE
        if (trace_) trace_->dump(cycles_ * 10000 + picoseconds);
#endif
    }

    // Moves bytes between terminal and model; when asleep waits for one. False: time to end.
    bool exchange(bool asleep) {
        flush();
        const short wanted = (sender_.is_empty() ? POLLIN : 0) | (unread_.empty() ? 0 : POLLOUT);
        pollfd files[] = {{STDIN_FILENO, POLLIN, 0}, {master_, wanted, 0}};
        if (poll(files, 2, asleep ? -1 : 0) <= 0) return true;
        char bytes[4096];
        ssize_t questions = 0;
        if (files[0].revents && (questions = read(STDIN_FILENO, bytes, sizeof bytes)) <= 0) {
            return false;
        }
        if (files[1].revents & POLLIN) {
            const ssize_t count = read(master_, bytes, sizeof bytes);
            if (count > 0) {
                sender_.add(bytes, size_t(count));
                received_ += uint64_t(count);
            }
        }
        while (questions-- > 0) answer(asleep && sender_.is_idle() && unread_.empty());
        return true;
    }

    void answer(bool asleep) const {
        const auto number = [](uint64_t value) { return static_cast<unsigned long long>(value); };
        printf("%llu %llu %llu %d\n", number(cycles_), number(received_), number(sent_), asleep);
        fflush(stdout);
    }

    void flush() {
        if (unread_.empty()) return;
        const ssize_t count = write(master_, unread_.data(), unread_.size());
        if (count > 0) {
            unread_.erase(0, size_t(count));
            sent_ += uint64_t(count);
        }
        if (unread_.size() > kUnreadLimit) unread_.erase(0, unread_.size() - kUnreadLimit);
    }

    const char* const file_;
    VerilatedContext context_;
    std::unique_ptr<Vtop> model_;
#if VM_TRACE
    std::unique_ptr<Trace> trace_;
#endif
    Sender sender_;
    Receiver receiver_;
    std::string unread_;
    int master_ = -1;
    uint64_t cycles_ = 0, quiet_ = 0, received_ = 0, sent_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    const unsigned long divisor = argc > 1 ? strtoul(argv[1], nullptr, 10) : 0;
    if (divisor < 2 || argc > 3) {
        fprintf(stderr, "usage: %s DIVISOR [FILE]\n", argv[0]);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    Board board(uint32_t(divisor), argc == 3 ? argv[2] : nullptr);
    const char* path = board.open_terminal();
    if (!path) {
        perror("pseudo-terminal");
        return 1;
    }
    puts(path);
    fflush(stdout);
    board.run();
    board.report();
    return 0;
}
