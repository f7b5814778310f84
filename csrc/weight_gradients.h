// The gradients of the weights: for a chunk of steps one product, operand^T times gate gradients.
#pragma once

#include "operands.h"

namespace unrolled::UNROLLED_ISA {

// Sums over chunks, and deals the work to threads by parts of the result, never along its sum.
class WeightGradients {
 public:
  WeightGradients(const Geometry& geometry, const BackwardPass& pass, const Operands& operands,
                  const Gradients& gradients, bool two_biases)
      : geometry_(geometry),
        pass_(pass),
        operands_(operands),
        gradients_(gradients),
        two_biases_(two_biases),
        stride_(row_stride(geometry.row)),
        rows_(operands.first_column(operands.count())),
        scratch_((rows_ + 1) * stride_),
        sums_(scratch_.data()),
        bias_sums_(sums_ + rows_ * stride_) {
    std::memset(bias_sums_, 0, static_cast<size_t>(stride_) * sizeof(float));
  }

  // One chunk, as the slices have left it.
  void add_chunk(Team& team, bool is_first) const {
    const int panels = count_panels(), parts = parts_of_panel(team.size());
    team.run(panels * parts, [&](int index) {
      add_panel(static_cast<int64_t>(index % panels) * kPanel, index / panels, parts, is_first);
    });
  }

  void write(Team& team, bool is_empty) const {
    if (is_empty) std::memset(sums_, 0, static_cast<size_t>(rows_ * stride_) * sizeof(float));
    team.run(count_panels() * operands_.count(), [&](int index) {
      const int64_t begin = static_cast<int64_t>(index / operands_.count()) * kPanel;
      for (int64_t column = begin; column < at_most(begin + kPanel, geometry_.row); column += kLanes)
        write_vector(index % operands_.count(), column);
    });
    if (gradients_.bias != nullptr) write_bias();
  }

 private:
  int count_panels() const { return static_cast<int>((geometry_.row + kPanel - 1) / kPanel); }

  // Enough to keep all threads busy to the end; each packs its panel of gate gradients anew.
  int parts_of_panel(int threads) const {
    if (operands_.count() == 0) return 1;
    const int wanted = (4 * threads + count_panels() - 1) / count_panels();
    return wanted < 8 ? wanted : 8;
  }

  float* sums(int operand, int64_t row, int64_t column) const {
    return sums_ + (operands_.first_column(operand) + row) * stride_ + column;
  }

  // The gate in this slot whose product took this operand, or -1.
  int gate_of(int operand, int64_t slot) const {
    const bool of_kernel = operands_.is_of_kernel(operand);
    const Groups& groups = of_kernel ? pass_.input_groups : pass_.recurrent_groups;
    for (int g = 0; g < groups.count; ++g) {
      const Group& group = groups.group[g];
      if (slot < group.first_slot || slot >= group.first_slot + group.slots) continue;
      // The candidate's own operand takes the first group.
      const bool apart = !of_kernel && operands_.has_candidate() && g == 0;
      const bool takes = apart ? operands_.is_candidate(operand)
                               : !operands_.is_candidate(operand) && operands_.mask(operand) == group.mask;
      if (takes) return group.gate[slot - group.first_slot];
    }
    return -1;
  }

  // Of a panel's columns, those that meet this operand: in a slot, all or none.
  bool takes(int operand, int64_t column) const { return gate_of(operand, column / geometry_.padded_units) >= 0; }

  // Every kDepth rows are summed by themselves: a sum that ran through all of them would lose a digit for
  // each power of ten of its length.
  void add_panel(int64_t column, int part, int parts, bool is_first) const {
    const int vectors = static_cast<int>(at_most(kPanel, geometry_.row - column) / kLanes);
    float panel[kDepth * kPanel];
    for (int64_t k = 0; k < pass_.depth; k += kDepth) {
      const int64_t depth = at_most(kDepth, pass_.depth - k);
      pack_panel(panel, column, k, depth, vectors);
      if (part == 0) add_bias(panel, column, depth, vectors);
      const bool replaces = is_first && k == 0;
      for (int i = 0; i < operands_.count(); ++i) {
        const int64_t begin = operands_.tiles(i) * part / parts, end = operands_.tiles(i) * (part + 1) / parts;
        if (vectors == kTileVectors && takes(i, column) && takes(i, column + kPanel - kLanes)) {
          add_tiles<kTileVectors>(i, begin, end, k, panel, column, depth, replaces);
          continue;
        }
        for (int v = 0; v < vectors; ++v) {
          if (takes(i, column + v * kLanes))
            add_tiles<1>(i, begin, end, k, panel + v * kLanes, column + v * kLanes, depth, replaces);
        }
      }
    }
  }

  // Where the gate gradients stand, the rows of a panel are in as many pages.
  void pack_panel(float* panel, int64_t column, int64_t k, int64_t depth, int vectors) const {
    for (int64_t row = 0; row < depth; ++row) {
      const float* const from = pass_.gate_gradients.row(k + row) + column;
      for (int v = 0; v < vectors; ++v) store(panel + row * kPanel + v * kLanes, load(from + v * kLanes));
    }
  }

  template <int Vectors>
  void add_tiles(int operand, int64_t begin, int64_t end, int64_t k, const float* panel, int64_t column, int64_t depth,
                 bool replaces) const {
    static const float zeros[kPanel] = {};
    for (int64_t t = begin; t < end; ++t) {
      const int64_t row = t * kGradientRows, rows = at_most(kGradientRows, operands_.columns(operand) - row);
      float sum[kGradientRows * kPanel];
      tile_of<Vectors, 1, kGradientRows>(rows, operands_.at(operand, t, k), kGradientRows, panel, kPanel, depth, zeros,
                                         0, sum, kPanel);
      for (int64_t r = 0; r < rows; ++r) {
        float* const to = sums(operand, row + r, column);
        for (int v = 0; v < Vectors; ++v) add_to(to + v * kLanes, load(sum + r * kPanel + v * kLanes), replaces);
      }
    }
  }

  static void add_to(float* to, Vec sum, bool replaces) { store(to, replaces ? sum : load(to) + sum); }

  void add_bias(const float* panel, int64_t column, int64_t depth, int vectors) const {
    for (int v = 0; v < vectors; ++v) {
      Vec sum{};
      for (int64_t k = 0; k < depth; ++k) sum += load(panel + k * kPanel + v * kLanes);
      add_to(bias_sums_ + column + v * kLanes, sum, false);
    }
  }

  void write_vector(int operand, int64_t column) const {
    const int64_t slot = column / geometry_.padded_units, unit = column % geometry_.padded_units;
    const int gate = gate_of(operand, slot);
    if (gate < 0) return;
    float* to = operands_.is_of_kernel(operand) ? gradients_.kernel : gradients_.recurrent_kernel;
    to += gate * geometry_.units + unit;
    const size_t bytes = static_cast<size_t>(at_most(kLanes, geometry_.units - unit)) * sizeof(float);
    for (int64_t row = 0; row < operands_.columns(operand); ++row, to += geometry_.slots.gates * geometry_.units)
      std::memcpy(to, sums(operand, row, column), bytes);
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
  const Operands& operands_;
  const Gradients& gradients_;
  const bool two_biases_;
  const int64_t stride_, rows_;
  const Scratch scratch_;
  float* const sums_;  // [columns of all operands, row]
  float* const bias_sums_;
};

// Rows of a chunk: it should stay in cache, and holds one step at least.
UNROLLED_INLINE int64_t rows_of_chunk(const Plan& plan, int64_t batch, int64_t row_size) {
  constexpr int64_t kChunk = 1 << 20;  // floats
  const int64_t rows = kChunk / row_size < batch ? batch : kChunk / row_size;
  return at_most(rows, plan.first(plan.steps()));
}

template <class Rule>
void run_backward(const Rule& rule, const Recurrence& recurrence, const Sizes& sizes, const Inputs& inputs,
                  const float* tape_data, const Cotangents& cotangents, const Gradients& gradients) {
  const Geometry geometry(recurrence, sizes);
  const Plan plan(recurrence, sizes, inputs.mask);
  const Tape tape(geometry, plan, tape_data);
  BackwardPass pass(recurrence, geometry, inputs);
  Operands operands(recurrence, geometry, plan, inputs, tape, pass, gradients);
  const int64_t most_rows = rows_of_chunk(plan, geometry.batch, pass.gate_gradients.stride() + operands.row_size());
  const int64_t states = geometry.batch * geometry.padded_units;
  const int64_t kernel_size = gradients.sequences != nullptr ? pass.kernel.size() : 0;
  const Scratch scratch(2 * states + pass.recurrent_kernel.size() + kernel_size +
                        most_rows * (pass.gate_gradients.stride() + operands.row_size()));
  pass.dh = scratch.data();
  pass.dc = pass.dh + states;
  pass.recurrent_kernel.packed = pass.dc + states;
  pass.kernel.packed = pass.recurrent_kernel.packed + pass.recurrent_kernel.size();
  pass.gate_gradients.data = pass.kernel.packed + kernel_size;
  operands.place(pass.gate_gradients.row(most_rows), most_rows);
  const WeightGradients weight_gradients(geometry, pass, operands, gradients, two_biases(recurrence));

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
  const bool weights_wanted = operands.count() > 0 || gradients.bias != nullptr;
  const int slices = team.size();
  for (int64_t end = plan.steps(); end > 0; end = pass.chunk_begin) {
    pass.take_chunk(plan, end, most_rows);
    // Whoever is first through its slice packs the operands.
    team.run(slices + operands.parts(), [&](int i) {
      if (i >= slices) return operands.pack(i - slices);
      const int64_t from = i == 0 ? 0 : plan.slice_end(i - 1, slices), to = plan.slice_end(i, slices);
      if (from == to) return;
      BackwardSlice<Rule>(rule, recurrence, geometry, plan, inputs, cotangents, gradients, pass, tape, from, to).run();
    });
    if (weights_wanted) weight_gradients.add_chunk(team, end == plan.steps());
  }
  if (weights_wanted) weight_gradients.write(team, plan.steps() == 0);
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
