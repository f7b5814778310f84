// A weight matrix, packed group by group for multiply().
#pragma once

#include "layout.h"

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

}  // namespace unrolled::UNROLLED_ISA
