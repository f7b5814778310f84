// The gradients of the weights: for a chunk of steps one product, operand^T times gate gradients.
#pragma once

#include "backward.h"

namespace unrolled::UNROLLED_ISA {

#if defined(__AVX512F__)
constexpr int kGradientRows = 8;  // of a tile: half a cache line of an operand
#else
constexpr int kGradientRows = kTileRows;
#endif

// Sums over chunks, and deals the work to threads by parts of the result, never along its sum.
class WeightGradients {
 public:
  WeightGradients(const Geometry& geometry, const BackwardPass& pass, const Gradients& gradients, bool two_biases)
      : geometry_(geometry),
        pass_(pass),
        gradients_(gradients),
        two_biases_(two_biases),
        stride_(row_stride(geometry.row)),
        scratch_((count_rows(pass) + 1) * stride_),
        sums_(scratch_.data()),
        bias_sums_(sums_ + count_rows(pass) * stride_) {
    if (pass.chunk_rows == 0)
      std::memset(sums_, 0, static_cast<size_t>((count_rows(pass) + 1) * stride_) * sizeof(float));
  }

  // One chunk, as the slices have left it.
  void add_chunk(Team& team, bool is_first) const {
    if (is_first) std::memset(bias_sums_, 0, static_cast<size_t>(geometry_.row) * sizeof(float));
    int parts = gradients_.bias != nullptr ? 1 : 0;
    for (int i = 0; i < pass_.operand_count; ++i) parts += parts_of(i);
    team.run(panels() * parts, [&](int index) { add_part(index / parts, index % parts, is_first); });
  }

  void write(Team& team) const {
    team.run(panels() * pass_.operand_count, [&](int index) {
      const int operand = index % pass_.operand_count;
      for (int64_t n = 0; n < kPanel; n += kLanes) {
        const int64_t column = index / pass_.operand_count * static_cast<int64_t>(kPanel) + n;
        if (column < geometry_.row) write_vector(operand, column);
      }
    });
    if (gradients_.bias != nullptr) write_bias();
  }

 private:
  static constexpr int64_t kTilesOfPart = 16;

  static int64_t tiles(const Rows& operand) { return (operand.columns + kGradientRows - 1) / kGradientRows; }

  static int64_t count_rows(const BackwardPass& pass) {
    int64_t rows = 0;
    for (int i = 0; i < pass.operand_count; ++i) rows += pass.operands[i].columns;
    return rows;
  }

  int panels() const { return static_cast<int>((geometry_.row + kPanel - 1) / kPanel); }

  int parts_of(int operand) const {
    return static_cast<int>((tiles(pass_.operands[operand]) + kTilesOfPart - 1) / kTilesOfPart);
  }

  // The sums of an operand's row in one vector of columns.
  float* sums(int operand, int64_t row, int64_t column) const {
    for (int i = 0; i < operand; ++i) row += pass_.operands[i].columns;
    return sums_ + row * stride_ + column;
  }

  // The gate in this slot whose product took this operand, or -1.
  int gate_of(int operand, int64_t slot) const {
    const bool of_input = operand < pass_.input_operands;
    const Groups& groups = of_input ? pass_.input_groups : pass_.recurrent_groups;
    const int mask = of_input ? operand : operand - pass_.input_operands;
    for (int g = 0; g < groups.count; ++g) {
      const Group& group = groups.group[g];
      if (slot < group.first_slot || slot >= group.first_slot + group.slots) continue;
      // The last of the operands is the candidate's own, where there is one: it takes the first group.
      const bool apart = !of_input && pass_.operand_count - pass_.input_operands > groups.masks;
      if (apart && g == 0 ? mask == groups.masks : mask == group.mask) return group.gate[slot - group.first_slot];
    }
    return -1;
  }

  bool takes(int operand, int64_t column, int64_t width) const {
    for (int64_t n = column; n < column + width; n += kLanes) {
      if (gate_of(operand, n / geometry_.padded_units) >= 0) return true;
    }
    return false;
  }

  void add_part(int panel, int part, bool is_first) const {
    int operand = 0;
    while (operand < pass_.operand_count && part >= parts_of(operand)) part -= parts_of(operand++);
    const int64_t begin = panel * static_cast<int64_t>(kPanel), end = at_most(begin + kPanel, geometry_.row);
    if (operand == pass_.operand_count) {
      add_bias(begin, end);
    } else if (end - begin == kPanel) {
      if (takes(operand, begin, kPanel)) add_tiles<kTileVectors>(operand, part, begin, is_first);
    } else {
      for (int64_t column = begin; column < end; column += kLanes) {
        if (takes(operand, column, kLanes)) add_tiles<1>(operand, part, column, is_first);
      }
    }
  }

  // Every kDepth rows are summed by themselves: a sum that ran through all of them would lose a digit for
  // each power of ten of its length.
  template <int Vectors>
  void add_tiles(int operand, int part, int64_t column, bool is_first) const {
    static const float zeros[kPanel] = {};
    constexpr int64_t kWidth = Vectors * kLanes;
    const Rows& left = pass_.operands[operand];
    const Rows& right = pass_.gate_gradients;
    const int64_t end = at_most((part + 1) * kTilesOfPart, tiles(left));
    float sum[kGradientRows * kWidth];
    for (int64_t k = 0; k < pass_.depth; k += kDepth) {
      const int64_t depth = at_most(kDepth, pass_.depth - k);
      for (int64_t t = part * kTilesOfPart; t < end; ++t) {
        const int64_t row = t * kGradientRows, rows = at_most(kGradientRows, left.columns - row);
        tile_of<Vectors, 1, kGradientRows>(rows, left.row(k) + row, left.stride(), right.row(k) + column,
                                           right.stride(), depth, zeros, 0, sum, kWidth);
        for (int64_t r = 0; r < rows; ++r)
          add_to(sums(operand, row + r, column), sum + r * kWidth, kWidth, is_first && k == 0);
      }
    }
  }

  static void add_to(float* to, const float* from, int64_t count, bool replaces) {
    for (int64_t n = 0; n < count; n += kLanes)
      store(to + n, replaces ? load(from + n) : load(to + n) + load(from + n));
  }

  void add_bias(int64_t begin, int64_t end) const {
    for (int64_t n = begin; n < end; n += kLanes) {
      for (int64_t k = 0; k < pass_.depth; k += kDepth) {
        Vec sum{};
        for (int64_t i = k; i < at_most(k + kDepth, pass_.depth); ++i) sum += load(pass_.gate_gradients.row(i) + n);
        store(bias_sums_ + n, load(bias_sums_ + n) + sum);
      }
    }
  }

  void write_vector(int operand, int64_t column) const {
    const int64_t slot = column / geometry_.padded_units, unit = column % geometry_.padded_units;
    const int gate = gate_of(operand, slot);
    if (gate < 0) return;
    float* to = operand < pass_.input_operands ? gradients_.kernel : gradients_.recurrent_kernel;
    to += gate * geometry_.units + unit;
    const size_t bytes = static_cast<size_t>(at_most(kLanes, geometry_.units - unit)) * sizeof(float);
    const float* from = sums(operand, 0, column);
    for (int64_t row = 0; row < pass_.operands[operand].columns; ++row) {
      std::memcpy(to, from, bytes);
      from += stride_;
      to += geometry_.slots.gates * geometry_.units;
    }
  }

  void write_bias() const {
    float* to = gradients_.bias;
    for (int half = 0; half < (two_biases_ ? 2 : 1); ++half) {
      const int* const slots = half == 0 ? geometry_.slots.kernel_slot : geometry_.slots.recurrent_slot;
      for (int gate = 0; gate < geometry_.slots.gates; ++gate, to += geometry_.units) {
        std::memcpy(to, bias_sums_ + slots[gate] * geometry_.padded_units,
                    static_cast<size_t>(geometry_.units) * sizeof(float));
      }
    }
  }

  const Geometry& geometry_;
  const BackwardPass& pass_;
  const Gradients& gradients_;
  const bool two_biases_;
  const int64_t stride_;
  const Scratch scratch_;
  float* const sums_;  // [columns of all operands, row]
  float* const bias_sums_;
};

template <class Rule>
void run_backward(const Rule& rule, const Recurrence& recurrence, const Sizes& sizes, const Inputs& inputs,
                  const float* tape_data, const Cotangents& cotangents, const Gradients& gradients) {
  const Geometry geometry(recurrence, sizes);
  const Plan plan(recurrence, sizes, inputs.mask);
  const Tape tape(geometry, plan, tape_data);
  BackwardPass pass(recurrence, geometry, plan, inputs, gradients);
  const int64_t states = geometry.batch * geometry.padded_units;
  const int64_t kernel_size = gradients.sequences != nullptr ? pass.kernel.size() : 0;
  const Scratch scratch(2 * states + pass.chunk_rows * pass.chunk_row() + kernel_size + pass.recurrent_kernel.size());
  pass.dh = scratch.data();
  pass.dc = pass.dh + states;
  pass.recurrent_kernel.packed = pass.dc + states;
  pass.kernel.packed = pass.recurrent_kernel.packed + pass.recurrent_kernel.size();
  pass.place_chunk(pass.kernel.packed + kernel_size);
  const WeightGradients weight_gradients(geometry, pass, gradients,
                                         recurrence.cell == Cell::gru && recurrence.reset_after);

  for (int64_t r = 0; r < geometry.batch; ++r) {
    const int64_t b = plan.sequence(r);
    copy_padded(pass.dh + r * geometry.padded_units, row_of(cotangents.h, b, geometry.units), geometry.units,
                geometry.padded_units);
    copy_padded(pass.dc + r * geometry.padded_units, row_of(cotangents.c, b, geometry.units), geometry.units,
                geometry.padded_units);
  }
  if (gradients.sequences != nullptr && plan.masked()) {
    std::memset(gradients.sequences, 0, static_cast<size_t>(sizes.batch * sizes.time * sizes.features) * sizeof(float));
  }

  Team team(threads_for(sizes.batch, plan.first(plan.steps()) * (sizes.features + sizes.units) * geometry.row));
  const int recurrent_parts = pass.recurrent_kernel.parts();
  team.run(recurrent_parts + (kernel_size > 0 ? pass.kernel.parts() : 0), [&](int part) {
    if (part < recurrent_parts) {
      pass.recurrent_kernel.pack(part);
    } else {
      pass.kernel.pack(part - recurrent_parts);
    }
  });
  const int slices = team.size();
  for (pass.chunk_end = plan.steps(); pass.chunk_end > 0; pass.chunk_end = pass.chunk_begin) {
    pass.chunk_begin = pass.chunk_end - 1;
    while (pass.chunk_begin > 0 && plan.first(pass.chunk_end) - plan.first(pass.chunk_begin - 1) <= pass.chunk_rows) {
      --pass.chunk_begin;
    }
    pass.depth = plan.first(pass.chunk_end) - plan.first(pass.chunk_begin);
    team.run(slices, [&](int i) {
      const int64_t begin = i == 0 ? 0 : plan.slice_end(i - 1, slices), end = plan.slice_end(i, slices);
      if (begin == end) return;
      BackwardSlice<Rule>(rule, recurrence, geometry, plan, inputs, cotangents, gradients, pass, tape, begin, end)
          .run();
    });
    if (pass.weights_wanted) weight_gradients.add_chunk(team, pass.chunk_end == plan.steps());
  }
  if (pass.weights_wanted) weight_gradients.write(team);
  for (int64_t r = 0; r < geometry.batch; ++r) {
    const int64_t b = plan.sequence(r);
    const size_t bytes = static_cast<size_t>(geometry.units) * sizeof(float);
    if (gradients.initial_h != nullptr)
      std::memcpy(gradients.initial_h + b * geometry.units, pass.dh + r * geometry.padded_units, bytes);
    if (gradients.initial_c != nullptr)
      std::memcpy(gradients.initial_c + b * geometry.units, pass.dc + r * geometry.padded_units, bytes);
  }
}

}  // namespace unrolled::UNROLLED_ISA
