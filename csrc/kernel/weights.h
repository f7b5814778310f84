// The weights of a layer, packed for multiply().
#pragma once

#include "kernel/gate_layout.h"
#include "runtime/workspace.h"

namespace unrolled::UNROLLED_TARGET {

// One weight matrix, kernel [F, G*H] or recurrent_kernel [H, G*H], packed group by group. Packed as it is, it is B of
// the products of the forward pass: depth F or H, columns those of a group's slots, of some units or of all.
// Transposed, it is B of the products of the backward pass: depth a group's slots of all units, columns F or H.
struct WeightMatrix {
  // data: [rows, G*H], used until the last part is packed.
  WeightMatrix(const float* data, int64_t row_count, const Dims& dims, UnitRange units_to_pack,
               const GateGroups& gate_groups, bool transpose)
      : from(data),
        rows(row_count),
        units(dims.units),
        range(units_to_pack),
        gates(dims.layout.gates),
        groups(gate_groups),
        transposed(transpose) {}

  const float* from;
  int64_t rows;   // F or H
  int64_t units;  // H
  UnitRange range;
  int gates;
  GateGroups groups;
  bool transposed;
  float* packed = nullptr;  // size() floats, not owned, written by pack_part()

  int64_t depth(const GateGroup& group) const { return transposed ? group.slots * range.count : rows; }
  int64_t columns(const GateGroup& group) const {
    return transposed ? round_up(rows, kLanes) : group.slots * range.count;
  }

  int64_t size() const {
    int64_t total = 0;
    for (int g = 0; g < groups.count; ++g) total += depth(groups.group[g]) * columns(groups.group[g]);
    return total;
  }

  // The number of parts, which may be packed in any order and in parallel.
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

  void pack_part(int part) const {
    int index = 0;
    int64_t first = static_cast<int64_t>(part) * kPanel;
    while (first >= round_up(columns(groups.group[index]), kPanel))
      first -= round_up(columns(groups.group[index++]), kPanel);
    const GateGroup& group = groups.group[index];
    float* const to = const_cast<float*>(panels(index).data);
    for (int64_t n = first; n < at_most(first + kPanel, columns(group));) {
      const int64_t width = panel_width(columns(group), n);
      for (int64_t v = 0; v < width; v += kLanes) pack_vector(group, n + v, to + n * depth(group) + v, width);
      n += width;
    }
  }

 private:
  // Columns [n, n + kLanes) of the group's B, to rows that are `width` apart.
  void pack_vector(const GateGroup& group, int64_t n, float* to, int64_t width) const {
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

// The weights of some units of a layer, or of all, in memory of their own.
class LayerWeights {
 public:
  // inputs: only the weights and the numbers of dropout masks are used, the weights until the last part is packed.
  LayerWeights(const Recurrence& recurrence, const Dims& dims, UnitRange units, const Inputs& inputs)
      : range(units),
        gate_columns(dims.layout.slots * units.count),
        kernel(inputs.kernel, dims.features, dims, units, input_gate_groups(recurrence, inputs), false),
        recurrent_kernel(inputs.recurrent_kernel, dims.units, dims, units, recurrent_gate_groups(recurrence, inputs),
                         false),
        layout_(dims.layout),
        from_bias_(inputs.bias),
        biases_(has_two_biases(recurrence) ? 2 : 1),
        workspace_(kernel.size() + recurrent_kernel.size() + gate_columns),
        bias_(workspace_.data() + kernel.size() + recurrent_kernel.size()) {
    kernel.packed = workspace_.data();
    recurrent_kernel.packed = kernel.packed + kernel.size();
  }

  // The number of parts, which may be packed in any order and in parallel.
  int parts() const { return kernel.parts() + recurrent_kernel.parts(); }

  void pack_part(int part) const {
    if (part < kernel.parts()) {
      kernel.pack_part(part);
    } else {
      recurrent_kernel.pack_part(part - kernel.parts());
    }
  }

  // Adds up the two biases of a gate where both belong to one slot.
  void pack_bias() const {
    std::memset(bias_, 0, static_cast<size_t>(gate_columns) * sizeof(float));
    if (from_bias_ == nullptr) return;
    const float* from = from_bias_ + range.first;
    for (int half = 0; half < biases_; ++half) {
      for (int gate = 0; gate < layout_.gates; ++gate, from += kernel.units) {
        float* const to = bias_ + (half == 0 ? layout_.kernel_slot : layout_.recurrent_slot)[gate] * range.count;
        for (int64_t n = 0; n < valid_units(); ++n) to[n] += from[n];
      }
    }
  }

  void pack() const {
    pack_bias();
    for (int part = 0; part < parts(); ++part) pack_part(part);
  }

  // [gate_columns], written by pack_bias().
  const float* bias() const { return bias_; }
  // The units of the range that are not padding.
  int64_t valid_units() const { return at_most(range.count, kernel.units - range.first); }

  const UnitRange range;
  const int64_t gate_columns;  // of all slots, of the units of the range
  WeightMatrix kernel, recurrent_kernel;

 private:
  const GateLayout& layout_;
  const float* const from_bias_;
  const int biases_;
  const Workspace workspace_;
  float* const bias_;
};

}  // namespace unrolled::UNROLLED_TARGET
