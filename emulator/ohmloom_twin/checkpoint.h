// All that a twin remembers, as bytes: what is in the fields of `parts.h`, and the compiled design as it lies in memory.
#pragma once
#include <cstring>
#include <type_traits>
#include <vector>

struct Saving {
    std::vector<uint8_t> bytes;
    void raw(const void *from, size_t count) {
        bytes.insert(bytes.end(), static_cast<const uint8_t *>(from), static_cast<const uint8_t *>(from) + count);
    }
};

struct Loading {
    const uint8_t *at, *end;
    bool good = true;
    void raw(void *to, size_t count) {
        good = good && size_t(end - at) >= count;
        if (!good) return;
        std::memcpy(to, at, count);
        at += count;
    }
};

template <class Direction> struct Checkpoint {
    Direction &direction;

    template <class... Fields> void operator()(Fields &...fields) { (one(fields), ...); }

    template <class Field> void one(Field &field) {
        if constexpr (std::is_trivially_copyable_v<Field>) direction.raw(&field, sizeof field);
        else field.fields(*this);
    }

    template <class Item> void one(std::vector<Item> &items) {
        size_t count = items.size();
        one(count);
        if constexpr (std::is_same_v<Direction, Loading>) {
            if (!direction.good || count > size_t(direction.end - direction.at)) {
                direction.good = false;
                return;
            }
            if (count != items.size()) items.resize(count);  // else it stays where it is
        }
        direction.raw(items.data(), count * sizeof(Item));
    }
};

// The design lies in memory as plain values, but for its first word, which is the class's, its memories, which own theirs, and with waves a
// function.
template <class Design, class EachMemory> void save_design(Design &top, EachMemory each_memory, Saving &to) {
    to.raw(&top, sizeof top);
    each_memory([&](auto &memory) { to.raw(&memory[0], memory.depth * sizeof memory[0]); });
}

template <class Design, class EachMemory> void load_design(Design &top, EachMemory each_memory, Loading &from) {
    std::vector<uint8_t> kept(sizeof top);
    from.raw(kept.data(), kept.size());
    if (!from.good) return;
    const auto keep = [&](const void *place, size_t count) {
        const size_t offset = static_cast<const uint8_t *>(place) - reinterpret_cast<uint8_t *>(&top);
        std::memcpy(kept.data() + offset, place, count);
    };
    keep(&top, sizeof(void *));
#ifdef WAVES
    keep(&top.debug_eval_outline, sizeof top.debug_eval_outline);
#endif
    each_memory([&](auto &memory) { keep(&memory, sizeof memory); });
    std::memcpy(static_cast<void *>(&top), kept.data(), kept.size());
    each_memory([&](auto &memory) { from.raw(&memory[0], memory.depth * sizeof memory[0]); });
}
