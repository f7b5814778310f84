// A weight matrix, packed group by group for multiply().
#pragma once

#include "kernel/gate_layout.h"

namespace unrolled::UNROLLED_ISA {

// One of kernel [F, G*H] and recurrent_kernel [H, G*H]. Packed as it stands it is B of the products
// of the forward pass: depth F or H, columns those of a group's slots, of some units or of all. Transposed
// it is B of the products of the backward pass: depth those slots, of all units, columns F or H.
struct Weights {
  const float* from;
  int64_t rows;   // F or H
  int64_t units;  // H
  UnitRange range;
  int gates;
  Groups groups;
  bool transposed;
  float* packed = nullptr;  // size() floats

  int64_t depth(const Group& group) const { return transposed ? group.slots * range.count : rows; }
  int64_t columns(const Group& group) const { return transposed ? round_up(rows, kLanes) : group.slots * range.count; }

  int64_t size() const {
    int64_t total = 0;
    for (int g = 0; g < groups.count; ++g) total += depth(groups.group[g]) * columns(groups.group[g]);
    return total;
  }

  // In this many independent parts.
  int parts() const {
    int64_t total = 0;
    for (int g = 0; g < groups.count; ++g) total += (columns(groups.group[g]) + kPanel - 1) / kPanel;
    return static_cast<int>(total);
  }

  Panels panels(int index) const {
    const float* at = packed;
    for (int g = 0; g < index; ++g) at += depth(groups.group[g]) * columns(groups.group[g]);
    return {at, depth(groups.group[index]), columns(groups.group[index])};
  }

  void pack(int part) const {
    int index = 0;
    int64_t first = static_cast<int64_t>(part) * kPanel;
    while (first >= round_up(columns(groups.group[index]), kPanel))
      first -= round_up(columns(groups.group[index++]), kPanel);
    const Group& group = groups.group[index];
    float* const to = const_cast<float*>(panels(index).data);
    for (int64_t n = first; n < at_most(first + kPanel, columns(group));) {
      const int64_t width = panel_width(columns(group), n);
      for (int64_t v = 0; v < width; v += kLanes) pack_vector(group, n + v, to + n * depth(group) + v, width);
      n += width;
    }
  }

 private:
  // Columns [n, n + kLanes) of the group's B, to rows that are `width` apart.
  void pack_vector(const Group& group, int64_t n, float* to, int64_t width) const {
    const int64_t row = gates * units;
    if (!transposed) {
      const int64_t unit = range.first + n % range.count;
      pack_columns(to, width, from + group.gate[n / range.count] * units + unit, row, rows, units - unit);
      return;
    }
    for (int slot = 0; slot < group.slots; ++slot) {
      float* const begin = to + slot * range.count * width;
      pack_columns_transposed(begin, width, from + n * row + group.gate[slot] * units, row, units, rows - n);
      for (int64_t k = units; k < range.count; ++k) store(begin + k * width, Vec{});
    }
  }
};

// Those of some units of a layer, or of all, packed.
struct PackedLayer {
  // kernel [F, G*H] and recurrent_kernel [H, G*H] are read by pack(). The masks are the numbers of dropout
  // masks, 1 where there is no dropout.
  PackedLayer(const Recurrence& recurrence, const Geometry& geometry, UnitRange units, const float* from_kernel,
              const float* from_recurrent_kernel, int input_masks, int recurrent_masks)
      : range(units),
        row(geometry.slots.slots * units.count),
        kernel{from_kernel,
               geometry.features,
               geometry.units,
               units,
               geometry.slots.gates,
               groups_of(geometry.slots, geometry.slots.kernel_slot, input_masks, false),
               false},
        recurrent_kernel{
            from_recurrent_kernel,
            geometry.units,
            geometry.units,
            units,
            geometry.slots.gates,
            groups_of(geometry.slots, geometry.slots.recurrent_slot, recurrent_masks, candidate_apart(recurrence)),
            false} {}

  PackedLayer(const Recurrence& recurrence, const Geometry& geometry, UnitRange units, const Inputs& inputs)
      : PackedLayer(recurrence, geometry, units, inputs.kernel, inputs.recurrent_kernel,
                    inputs.input_dropout != nullptr ? inputs.input_dropout_masks : 1,
                    inputs.recurrent_dropout != nullptr ? inputs.recurrent_dropout_masks : 1) {}

  int64_t size() const { return kernel.size() + recurrent_kernel.size() + row; }

  // Takes size() floats, which pack() and pack_bias() write.
  void place(float* at) {
    kernel.packed = at;
    recurrent_kernel.packed = at + kernel.size();
    bias = recurrent_kernel.packed + recurrent_kernel.size();
  }

  int parts() const { return kernel.parts() + recurrent_kernel.parts(); }

  void pack(int part) const {
    if (part < kernel.parts()) {
      kernel.pack(part);
    } else {
      recurrent_kernel.pack(part - kernel.parts());
    }
  }

  // Where both biases of a gate meet in one slot they are added. `from` is [G*H], [2, G*H] with two, or null.
  void pack_bias(const Slots& slots, const float* from, bool two) const {
    std::memset(bias, 0, static_cast<size_t>(row) * sizeof(float));
    if (from == nullptr) return;
    from += range.first;
    for (int half = 0; half < (two ? 2 : 1); ++half) {
      for (int gate = 0; gate < slots.gates; ++gate, from += kernel.units) {
        float* const to = bias + (half == 0 ? slots.kernel_slot : slots.recurrent_slot)[gate] * range.count;
        for (int64_t n = 0; n < valid_units(); ++n) to[n] += from[n];
      }
    }
  }

  int64_t valid_units() const { return at_most(range.count, kernel.units - range.first); }

  UnitRange range;
  int64_t row;  // of all slots
  Weights kernel, recurrent_kernel;
  float* bias = nullptr;  // [row]
};

}  // namespace unrolled::UNROLLED_ISA
