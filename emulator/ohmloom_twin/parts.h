// Models of the front end's parts, a cycle at a time: what their pins show is constant within each half of a cycle.
// Written from the data sheets named in spec/parts/*.toml; times that a data sheet asks for are checked where the gateware
// is simulated with edges (tests/cocotb), not here.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

// Fields of a part, in their order, to `visit`: what a checkpoint of the twin keeps.
#define FIELDS(...) template <class Visit> void fields(Visit &&visit) { visit(__VA_ARGS__); }

// One serial bus in one cycle.
struct Bus {
    bool clock_high, clock_low, select_n;
    uint32_t data;
    FIELDS(clock_high, clock_low, select_n, data)
};

// Calls falls() at each falling edge of the clock with whether it is the one in the middle of the cycle, and rises().
struct Clock {
    bool level = true;
    FIELDS(level)
    template <class Falls, class Rises> void cycle(const Bus &bus, Falls falls, Rises rises) {
        const bool halves[2] = {bus.clock_high, bus.clock_low};
        for (int half = 0; half < 2; ++half) {
            if (level && !halves[half]) falls(half);
            if (!level && halves[half]) rises(half);
            level = halves[half];
        }
    }
};

// AD5628: 32-bit frames, sampled at the clock's falls, acted on at the 32nd.
struct Dacs {
    static constexpr int CHANNELS = 8, FRAME = 32;
    enum Command { WRITE = 0, UPDATE = 1, WRITE_UPDATE_ALL = 2, WRITE_UPDATE = 3, REFERENCE = 8 };
    int parts;
    Clock clock;
    int bits = FRAME;  // of the current frame
    bool selected = false;
    std::vector<uint32_t> words;
    std::vector<std::array<int16_t, CHANNELS>> inputs, outputs;
    FIELDS(clock, bits, selected, words, inputs, outputs)
    explicit Dacs(int parts) : parts(parts), words(parts), inputs(parts), outputs(parts) {}

    // True when outputs may have changed; `half` is then when.
    bool cycle(const Bus &bus, int &half) {
        if (!bus.select_n && !selected) bits = 0;
        selected = !bus.select_n;
        bool updated = false;
        clock.cycle(bus, [&](int at) {
            if (!selected || bits == FRAME) return;
            for (int part = 0; part < parts; ++part) words[part] = words[part] << 1 | (bus.data >> part & 1);
            if (++bits < FRAME) return;
            for (int part = 0; part < parts; ++part) updated |= act(part, words[part]);
            half = at;
        }, [](int) {});
        return updated;
    }

    bool act(int part, uint32_t word) {
        const int command = word >> 24 & 15, address = word >> 20 & 15;
        const int16_t code = word >> 8 & 0xFFF;
        const int first = address == 15 ? 0 : address, last = address == 15 ? CHANNELS - 1 : address;
        if (command == REFERENCE) return true;
        if (command > WRITE_UPDATE || first >= CHANNELS) return false;
        for (int channel = first; channel <= last; ++channel) {
            if (command != UPDATE) inputs[part][channel] = code;
            if (command == UPDATE || command == WRITE_UPDATE) outputs[part][channel] = inputs[part][channel];
        }
        if (command == WRITE_UPDATE_ALL) outputs[part] = inputs[part];
        return command != WRITE;
    }
};

// ADG714 chains: shifted at the clock's falls, taken over when SYNC rises; all open while RESET is low.
struct Switches {
    int chains, bits;
    Clock clock;
    bool selected = false, any = false;
    std::vector<uint8_t> shift, closed;  // chains x bits, bit 0 the one that was shifted first
    FIELDS(clock, selected, any, shift, closed)
    Switches(int chains, int bits) : chains(chains), bits(bits), shift(chains * bits), closed(chains * bits) {}

    // True when switches may have changed.
    bool cycle(const Bus &bus, bool reset_n) {
        if (!reset_n) {
            const bool changed = any;
            std::fill(shift.begin(), shift.end(), 0);
            std::fill(closed.begin(), closed.end(), 0);
            any = selected = false;
            clock.cycle(bus, [](int) {}, [](int) {});
            return changed;
        }
        bool changed = false;
        if (bus.select_n && selected) {
            closed = shift;
            any = changed = true;
        }
        selected = !bus.select_n;
        clock.cycle(bus, [&](int) {
            if (!selected) return;
            for (int chain = 0; chain < chains; ++chain) {
                uint8_t *place = &shift[chain * bits];
                std::move(place + 1, place + bits, place);
                place[bits - 1] = bus.data >> chain & 1;
            }
        }, [](int) {});
        return changed;
    }
};

// ADS7953: samples at CS's fall; SDO changes there and at the clock's falls; the multiplexer moves at the second one.
struct Adcs {
    static constexpr int FRAME = 16, CODE_BITS = 12, MUX_FALL = 2;
    enum Mode { MANUAL = 1 };
    int parts;
    Clock clock{false};
    bool selected = false;
    int falls = FRAME, channel = 0, next_channel = 0;
    uint16_t command = 0;
    std::vector<uint16_t> words;
    uint32_t sdo = 0;
    FIELDS(clock, selected, falls, channel, next_channel, command, words, sdo)
    explicit Adcs(int parts) : parts(parts), words(parts) {}

    // sample(channel, codes) fills the parts' codes.
    template <class Sample> void cycle(const Bus &bus, Sample sample) {
        if (!bus.select_n && !selected) {
            std::vector<int16_t> codes(parts);
            sample(channel, codes.data());
            for (int part = 0; part < parts; ++part) words[part] = channel << CODE_BITS | codes[part];
            falls = command = 0;
            show();
        }
        selected = !bus.select_n;
        clock.cycle(bus, [&](int) {
            if (!selected || falls == FRAME) return;
            if (++falls == MUX_FALL) channel = next_channel;
            if (falls < FRAME) show();
            else if (command >> 12 == MANUAL && command >> 11 & 1) next_channel = command >> 7 & 15;
        }, [&](int) {
            if (selected && falls < FRAME) command = command << 1 | (bus.data & 1);
        });
    }

    void show() {
        sdo = 0;
        for (int part = 0; part < parts; ++part) sdo |= uint32_t(words[part] >> (FRAME - 1 - falls) & 1) << part;
    }
};

// W25Q128JV: SPI mode 0; the commands that the firmware uses. A command that writes takes its time, in which only the status is read.
struct Flash {
    static constexpr size_t BYTES = 1 << 24, PAGE = 256, SECTOR = 4096;
    static constexpr double PROGRAM_S = 0.4e-3, ERASE_S = 45e-3;  // typical, section 9.6
    enum Command { PROGRAM = 0x02, READ = 0x03, STATUS = 0x05, WRITE_ENABLE = 0x06, ERASE = 0x20 };
    uint64_t program_cycles, erase_cycles;
    std::vector<uint8_t> content = std::vector<uint8_t>(BYTES, 0xFF), before;  // before: what is being changed, for `cut`
    size_t changing = 0;
    uint64_t busy_until = 0;
    bool selected = false, level = false, enabled = false, miso = true;
    uint32_t shift = 0, address = 0;
    uint8_t command = 0, out = 0xFF;
    size_t bits = 0;
    std::vector<uint8_t> page;
    bool at_journal = false;  // the journal's first byte is about to be read
    FIELDS(before, changing, busy_until, selected, level, enabled, miso, shift, address, command, out, bits, page)  // not the content
    explicit Flash(double clock_hz)
        : program_cycles(uint64_t(PROGRAM_S * clock_hz)), erase_cycles(uint64_t(ERASE_S * clock_hz)) {}

    void cycle(bool clock, bool select_n, bool mosi, uint64_t now) {
        if (select_n) {
            if (selected) ends(now);
            selected = false;
        } else if (!selected) {
            selected = true;
            bits = 0;
            page.clear();
            out = 0xFF;
        } else if (clock && !level) {
            shift = shift << 1 | mosi;
            if (++bits % 8 == 0) byte(shift, now);
        } else if (!clock && level) {
            miso = out >> 7;
            out = out << 1 | 1;
        }
        level = clock;
    }

    void byte(uint8_t value, uint64_t now) {
        const size_t number = bits / 8;
        if (number == 1) command = value;
        if (command == STATUS) out = (now < busy_until) | enabled << 1;
        if (now < busy_until) return;
        if (number >= 2 && number <= 4) address = (address << 8 | value) & (BYTES - 1);
        if (command == READ && number == 3 && (address & 0xFFFF) == JOURNAL >> 8) at_journal = true;
        if (command == READ && number >= 4) out = content[address++ & (BYTES - 1)];
        if (command == PROGRAM && number > 4) page.push_back(value);
    }

    // Programs and erases are done when the part is deselected after whole bytes.
    void ends(uint64_t now) {
        if (bits % 8 || now < busy_until || command == STATUS) return;
        const size_t number = bits / 8;
        if (command == WRITE_ENABLE && number == 1) enabled = true;
        else if (enabled && command == PROGRAM && number > 4) {
            remember(address / PAGE * PAGE, PAGE);
            for (size_t place = 0; place < page.size(); ++place)
                content[changing + (address + place) % PAGE] &= page[place];
            busy_until = now + program_cycles;
        } else if (enabled && command == ERASE && number == 4) {
            remember(address / SECTOR * SECTOR, SECTOR);
            std::fill_n(content.begin() + changing, SECTOR, 0xFF);
            busy_until = now + erase_cycles;
        }
        if (command != WRITE_ENABLE) enabled = false;
    }

    void remember(size_t start, size_t count) {
        changing = start;
        before.assign(content.begin() + start, content.begin() + start + count);
    }

    // The supply fails: of the bits that are being changed, the longer it has taken the more are as they would be.
    void cut(uint64_t now, uint32_t random) {
        if (now >= busy_until) return;
        const double left = double(busy_until - now) / (before.size() == PAGE ? program_cycles : erase_cycles);
        const auto threshold = uint32_t(std::min(left, 1.0) * UINT32_MAX);
        for (size_t bit = 0; bit < 8 * before.size(); ++bit) {
            random = random * 1664525u + 1013904223u;
            const uint8_t mask = random < threshold ? 1u << bit % 8 : 0;
            uint8_t &byte = content[changing + bit / 8];
            byte = (byte & ~mask) | (before[bit / 8] & mask);
        }
        busy_until = 0;
    }
};
