// The compiled controller between a serial line and the models of the front end's parts. `chip.h` is generated: the chip's
// sizes, and the names of the controller's ports.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>
#include "controller.cc"
#include "chip.h"
#include "checkpoint.h"
#include "parts.h"
#ifdef WAVES
#include "waves.h"
#endif

namespace {

// What the fabric is asked. All are called within twin_feed.
struct Fabric {
    void (*drive)(int again, int16_t *codes);  // what the ADCs will convert on each channel, settled; again: of the same drive
    void (*convert)(uint64_t channels);        // those of them that they have converted
    int (*gate_opens)();                          // whether the rail's current is over its limit
    void (*gate_closes)(uint64_t cycles);
    int (*advance)(const uint8_t *request, uint8_t *answer);  // length of the answer
};

struct Twin {
    cxxrtl_design::p_top top;
    Fabric fabric;
    Dacs rows{ROW_DACS}, rails{1};
    Switches switches{CHAINS, CHAIN_BITS};
    Adcs adcs{ADCS};
    Flash flash{double(CLOCK_HZ)};
    Bus row_bus{true, true, true, 0}, rail_bus{true, true, true, 0}, adc_bus{false, false, true, 0}, switch_bus{true, true, true, 0};
    bool reset_n = false, gate = false, was_open = false, over = false;
    uint64_t cycle = 0, opened = 0, executed = 0;
    uint64_t changed = 0;  // half cycles: when rows or switches last changed
    uint64_t drive = 0;    // number of that change
    uint64_t driven = 0, converted = 0;  // the drive that the fabric has had; its channels that have been converted
    int16_t codes[CHANNELS * ADCS];
    int stages = 1;
    uint32_t garbage = 1;
    bool rx = true;
    std::vector<uint8_t> asked, answer;
    size_t answered = 0;
    uint64_t power_fails = std::numeric_limits<uint64_t>::max();  // the cycle before which it does
    uint32_t power_seed = 0;
#ifdef WAVES
    Waves waves;
#endif

    FIELDS(rows, rails, switches, adcs, flash, row_bus, rail_bus, adc_bus, switch_bus, reset_n, gate, was_open, over, cycle, opened, executed,
           changed, drive, driven, converted, stages, garbage, rx)

    explicit Twin(Fabric fabric) : fabric(fabric) {
        top.p_rst.set<uint32_t>(1);
        for (int count = 0; count < 4; ++count) tick();
        top.p_rst.set<uint32_t>(0);
    }

    void rows_or_switches_changed(int half) {
        changed = 2 * cycle + half;
        ++drive;
        stages = 1;
        for (int tile = 0; tile < TILES; ++tile) stages += switches.closed[tile * CHAIN_BITS + CHAINED_BIT];
    }

    void sample(int channel, int16_t *codes) {
        // Twice the settling in half cycles, so that nothing is rounded.
        const uint64_t settle_ns = SETTLE_NS + uint64_t(stages - 1) * STAGE_SETTLE_NS;
        if (switches.any && (2 * cycle - changed) * 500000000ull >= settle_ns * CLOCK_HZ) {
            const uint64_t mark = uint64_t(1) << channel;
            if (drive != driven || converted & mark) {
                flush();
                fabric.drive(drive == driven, this->codes);
                driven = drive;
            }
            converted |= mark;
            std::copy_n(this->codes + channel * ADCS, ADCS, codes);
            return;
        }
        for (int part = 0; part < ADCS; ++part) {  // not settled: worth nothing
            garbage = garbage * 1664525u + 1013904223u;
            codes[part] = garbage >> 20;
        }
    }

    // Python is entered once a drive: before what comes next.
    void flush() {
        if (converted) fabric.convert(converted);
        converted = 0;
    }

    // The parts see the pins of the cycle before: the pads are registers.
    void parts() {
        int half = 0;
        if (rows.cycle(row_bus, half)) rows_or_switches_changed(half);
        rails.cycle(rail_bus, half);
        if (switches.cycle(switch_bus, reset_n)) rows_or_switches_changed(0);
        if (gate && !was_open) {
            opened = cycle;
            flush();
            over = fabric.gate_opens();
        }
        if (!gate && was_open) {
            over = false;
            fabric.gate_closes(cycle - opened);
        }
        was_open = gate;
        adcs.cycle(adc_bus, [&](int channel, int16_t *codes) { sample(channel, codes); });
    }

    // Whether there is power in this cycle. Without it a pulse under way ends here, and a change of the flash stays half done.
    bool powered() {
        if (cycle != power_fails) return cycle < power_fails;
        flush();
        if (was_open) fabric.gate_closes(cycle - opened);
        flash.cut(cycle, power_seed);
        ++cycle;
        return false;
    }

    void emulation() {
        if (top.PORT(to__fabric____valid).get<uint32_t>()) {
            asked.push_back(top.PORT(to__fabric____payload).get<uint32_t>());
            if (asked.size() == ADVANCE_BYTES) {
                flush();
                answer.resize(256);
                answer.resize(fabric.advance(asked.data(), answer.data()));
                asked.clear();
                answered = 0;
            }
        } else if (answered < answer.size() && top.PORT(from__fabric____valid).get<uint32_t>() &&
                   top.PORT(from__fabric____ready).get<uint32_t>()) {
            ++answered;
        }
    }

    // One evaluation a cycle: before its end, when all wires show what they do in this cycle.
    void tick() {
        top.p_rx.set<uint32_t>(rx);
        top.PORT(pins____sdo).set<uint32_t>(adcs.sdo);
        top.PORT(pins____over__current).set<uint32_t>(over);
        top.PORT(flash____miso).set<uint32_t>(flash.miso);
        const bool more = answered < answer.size();
        top.PORT(from__fabric____valid).set<uint32_t>(more);
        if (more) top.PORT(from__fabric____payload).set<uint32_t>(answer[answered]);
        top.prev_p_clk.set<bool>(false);
        top.p_clk.set<bool>(true);
        top.eval();
#ifdef WAVES
        waves.cycle(cycle, CLOCK_HZ, [&](bool level) { top.p_clk.set<bool>(level); });
#endif
        parts();
        row_bus = BUS(row__dac);
        rail_bus = BUS(rail__dac);
        adc_bus = BUS(adc);
        switch_bus = BUS(switch);
        reset_n = top.PORT(pins____switch__reset__n).get<uint32_t>();
        gate = top.PORT(pins____pulse__gate).get<uint32_t>();
        flash.cycle(top.PORT(flash____sclk).get<uint32_t>(), top.PORT(flash____select__n).get<uint32_t>(),
                    top.PORT(flash____mosi).get<uint32_t>(), cycle);
        emulation();
        executed += top.PORT(executing).get<uint32_t>();
        top.commit();
        ++cycle;
    }
};

// The other end of the UART, at `baud`.
struct Line {
    Twin &twin;
    const uint8_t *data;
    size_t length, sent = 0;
    double bit;                      // cycles
    double next = 0;                 // of the bit that is sent
    int sending = 10, receiving = 10;  // bits of the current bytes that are done
    double sample_at = 0;
    uint32_t byte = 0;
    bool was_high = true;
    std::vector<uint8_t> received;

    void before() {
        const double now = double(twin.cycle);
        if (sending == 10 && sent < length && now >= next) {
            sending = 0;
            next = std::max(next, now);
        }
        while (sending < 10 && now >= next) {
            twin.rx = sending == 0 ? false : sending == 9 ? true : data[sent] >> (sending - 1) & 1;
            next += bit;
            if (++sending == 10) ++sent;
        }
    }

    void after() {
        const bool high = twin.top.p_tx.get<uint32_t>();
        const double now = double(twin.cycle);
        if (receiving == 10) {
            if (was_high && !high) {
                receiving = 1;
                byte = 0;
                sample_at = now + 1.5 * bit;
            }
        } else if (now >= sample_at) {
            sample_at += bit;
            if (receiving < 9) byte |= uint32_t(high) << (receiving - 1);
            else received.push_back(byte);
            ++receiving;
        }
        was_high = high;
    }

    bool busy() const {
        return sent < length || sending < 10 || receiving < 10 || !was_high || twin.top.PORT(busy).get<uint32_t>();
    }
};

}  // namespace

extern "C" {

void *twin_new(Fabric fabric) { return new Twin(fabric); }
void twin_delete(void *twin) { delete static_cast<Twin *>(twin); }
uint64_t twin_cycles(void *twin) { return static_cast<Twin *>(twin)->cycle; }
uint64_t twin_executed(void *twin) { return static_cast<Twin *>(twin)->executed; }

// What the parts show now; the arrays live as long as the twin.
const int16_t *twin_rows(void *twin) { return static_cast<Twin *>(twin)->rows.outputs.data()->data(); }
const int16_t *twin_rails(void *twin) { return static_cast<Twin *>(twin)->rails.outputs.data()->data(); }
const uint8_t *twin_switches(void *twin) { return static_cast<Twin *>(twin)->switches.closed.data(); }

void twin_store_read(void *twin, uint16_t *words) {
    for (size_t place = 0; place < STORE_WORDS; ++place) words[place] = static_cast<Twin *>(twin)->top.STORE[place].get<uint32_t>();
}
void twin_store_write(void *twin, const uint16_t *words) {
    for (size_t place = 0; place < STORE_WORDS; ++place) static_cast<Twin *>(twin)->top.STORE[place].set<uint32_t>(words[place]);
}

// The core's flash.
void twin_flash_read(void *twin, uint64_t offset, uint64_t length, uint8_t *bytes) {
    std::memcpy(bytes, static_cast<Twin *>(twin)->flash.content.data() + offset, length);
}
void twin_flash_write(void *twin, uint64_t offset, uint64_t length, const uint8_t *bytes) {
    std::memcpy(static_cast<Twin *>(twin)->flash.content.data() + offset, bytes, length);
}

// The power fails after that many more cycles, in a `twin_feed`. It does not come back: another twin has what is in the flash then.
void twin_cut(void *twin, uint64_t cycles, uint32_t seed) {
    Twin &mine = *static_cast<Twin *>(twin);
    mine.power_fails = mine.cycle + cycles;
    mine.power_seed = seed;
}

// Runs until the firmware is about to read the journal, or until it can be asked, but for `most` cycles; whether it has come so far.
int twin_boot(void *twin, uint64_t most, int journal) {
    Twin &mine = *static_cast<Twin *>(twin);
    const auto there = [&] { return journal ? mine.flash.at_journal : bool(mine.top.PORT(alive).get<uint32_t>()); };
    for (const uint64_t end = mine.cycle + most; mine.cycle < end && !there();) mine.tick();
    return there();
}

// All that the twin remembers but for its flash's content, as `length` bytes that the twin owns until the next call.
const uint8_t *twin_save(void *twin, uint64_t *length) {
    static Saving saving;
    Twin &mine = *static_cast<Twin *>(twin);
    saving.bytes.clear();
    Checkpoint<Saving>{saving}.one(mine);
    save_design(mine.top, [&](auto use) { EACH_MEMORY(use, mine.top); }, saving);
    *length = saving.bytes.size();
    return saving.bytes.data();
}

// Whether the bytes were those that this library's `twin_save` gave; else the twin is spoilt.
int twin_load(void *twin, const uint8_t *bytes, uint64_t length) {
    Twin &mine = *static_cast<Twin *>(twin);
    Loading loading{bytes, bytes + length};
    Checkpoint<Loading>{loading}.one(mine);
    load_design(mine.top, [&](auto use) { EACH_MEMORY(use, mine.top); }, loading);
    return loading.good && loading.at == loading.end;
}

#ifdef WAVES
// Writes cycles first .. end - 1 to a VCD file; whether it can be written.
int twin_waves(void *twin, const char *path, uint64_t first, uint64_t end) {
    return static_cast<Twin *>(twin)->waves.open(static_cast<Twin *>(twin)->top, path, first, end);
}
void twin_waves_end(void *twin) { static_cast<Twin *>(twin)->waves.close(); }
#endif

// Sends bytes and runs until nothing has happened for `quiet` cycles; returns how many bytes came back.
size_t twin_feed(void *pointer, const uint8_t *data, size_t length, uint32_t baud, uint64_t quiet, uint8_t *received, size_t room) {
    Twin &twin = *static_cast<Twin *>(pointer);
    Line line{twin, data, length};
    line.bit = double(CLOCK_HZ) / baud;
    for (uint64_t silent = 0; silent < quiet && twin.powered(); ++silent) {
        line.before();
        twin.tick();
        line.after();
        if (line.busy()) silent = 0;
    }
    twin.rx = true;
    twin.flush();
    const size_t count = std::min(room, line.received.size());
    std::memcpy(received, line.received.data(), count);
    return count;
}
}
