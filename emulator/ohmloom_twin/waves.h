// A window of all wires of the compiled design, as a VCD file.
#pragma once
#include <cxxrtl/cxxrtl_vcd.h>
#include <cstdio>

struct Waves {
    std::FILE *file = nullptr;
    cxxrtl::vcd_writer writer;
    uint64_t first = 0, end = 0;  // cycles

    // Whether the file can be written. One window in a twin's life.
    bool open(cxxrtl::module &top, const char *path, uint64_t first, uint64_t end) {
        file = std::fopen(path, "w");
        if (!file) return false;
        cxxrtl::debug_items items;
        top.debug_info(&items, nullptr, "");
        writer.timescale(1, "ps");
        // Names that begin with $, which no reader expects, are those of wires that have no name of their own.
        writer.add(items, [](const std::string &name, const cxxrtl::debug_item &item) {
            return item.type != cxxrtl::debug_item::MEMORY && name[name.find_last_of(' ') + 1] != '$';
        });
        this->first = first;
        this->end = end;
        return true;
    }

    // After the evaluation of a cycle; `level` sets the clock, which falls in the middle.
    template <class Level> void cycle(uint64_t number, uint64_t clock_hz, Level level) {
        if (!file || number < first) return;
        if (number >= end) return close();
        const auto at_ps = [&](uint64_t halves) { return uint64_t((unsigned __int128)halves * 500000000000ull / clock_hz); };
        writer.sample(at_ps(2 * number));
        level(false);
        writer.sample(at_ps(2 * number + 1));
        level(true);
        put();
    }

    void put() {
        std::fwrite(writer.buffer.data(), 1, writer.buffer.size(), file);
        writer.buffer.clear();
    }

    void close() {
        if (!file) return;
        put();  // the names, when no cycle was in the window
        std::fclose(file);
        file = nullptr;
    }

    ~Waves() { close(); }
};
