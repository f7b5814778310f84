// The gradients of the weights: for a chunk of steps one product, operand^T times gate gradients.
#pragma once

#include "kernel/forward.h"

namespace unrolled::UNROLLED_ISA {

// The gradients of the gates in all rows of a chunk.
struct GateGradients {
  float* data;
  int64_t columns;
  int64_t stride() const { return row_stride(columns); }
  float* row(int64_t k) const { return data + k * stride(); }
};

// What the slices of one backward pass share.
struct BackwardPass {
  BackwardPass(const Recurrence& recurrence, const Geometry& geometry, const Inputs& inputs)
      : input_groups(groups_of(geometry.slots, geometry.slots.kernel_slot,
                               inputs.input_dropout != nullptr ? inputs.input_dropout_masks : 1, false)),
        recurrent_groups(groups_of(geometry.slots, geometry.slots.recurrent_slot,
                                   inputs.recurrent_dropout != nullptr ? inputs.recurrent_dropout_masks : 1,
                                   candidate_apart(recurrence))),
        kernel{
            inputs.kernel, geometry.features, geometry.units, geometry.all_units(), geometry.slots.gates, input_groups,
            true},
        recurrent_kernel{inputs.recurrent_kernel,
                         geometry.units,
                         geometry.units,
                         geometry.all_units(),
                         geometry.slots.gates,
                         recurrent_groups,
                         true},
        gate_gradients{nullptr, geometry.row} {}

  // The last steps before `end` whose rows fit into a chunk of `most_rows`.
  void take_chunk(const Plan& plan, int64_t end, int64_t most_rows) {
    chunk_end = end;
    chunk_begin = end - 1;
    while (chunk_begin > 0 && plan.first(end) - plan.first(chunk_begin - 1) <= most_rows) --chunk_begin;
    depth = plan.first(chunk_end) - plan.first(chunk_begin);
  }

  Groups input_groups, recurrent_groups;
  Weights kernel, recurrent_kernel;  // transposed
  GateGradients gate_gradients;      // what the products gave
  float* dh = nullptr;               // [B, H] padded, in the order of the plan
  float* dc = nullptr;
  int64_t chunk_begin = 0, chunk_end = 0;  // steps
  int64_t depth = 0;                       // rows of the chunk
};

#if defined(__AVX512F__)
constexpr int kGradientRows = 8;  // of a tile
#else
constexpr int kGradientRows = kTileRows;
#endif

// Those of one chunk of steps, packed for tile(): column c of row k is element c % kGradientRows of
// at(i, c / kGradientRows, k). There is one operand for each dropout mask of the inputs, then one for
// each of the state; where the candidate has an operand of its own, it is the last. What nobody wants is
// left out.
class Operands {
 public:
  Operands(const Recurrence& recurrence, const Geometry& geometry, const Plan& plan, const Inputs& inputs,
           const Tape& tape, const BackwardPass& pass, const Gradients& gradients)
      : geometry_(geometry), plan_(plan), inputs_(inputs), tape_(tape), pass_(pass) {
    if (gradients.kernel != nullptr) of_kernel_ = count_ = pass.input_groups.masks;
    if (gradients.recurrent_kernel != nullptr) {
      has_candidate_ = candidate_apart(recurrence);
      // With a mask for each gate, the last of them is the candidate's.
      count_ += pass.recurrent_groups.masks + (has_candidate_ && pass.recurrent_groups.masks == 1 ? 1 : 0);
    }
  }

  int count() const { return count_; }
  bool is_of_kernel(int i) const { return i < of_kernel_; }
  bool has_candidate() const { return has_candidate_; }
  bool is_candidate(int i) const { return has_candidate_ && i + 1 == count_; }
  int mask(int i) const { return is_of_kernel(i) ? i : i - of_kernel_; }
  int64_t columns(int i) const { return is_of_kernel(i) ? geometry_.features : geometry_.units; }
  int64_t tiles(int i) const { return (columns(i) + kGradientRows - 1) / kGradientRows; }

  // All operands' columns, one after another.
  int64_t first_column(int i) const {
    return i <= of_kernel_ ? i * geometry_.features
                           : of_kernel_ * geometry_.features + (i - of_kernel_) * geometry_.units;
  }

  // Floats of one row, all operands together.
  int64_t row_size() const { return first_tile(count_) * kGradientRows; }

  // Takes row_size() * most_rows floats.
  void place(float* at, int64_t most_rows) {
    data_ = at;
    most_rows_ = most_rows;
  }

  float* at(int i, int64_t tile, int64_t k) const {
    return data_ + ((first_tile(i) + tile) * most_rows_ + k) * kGradientRows;
  }

  // In this many independent parts.
  int parts() const { return count_ * static_cast<int>((pass_.depth + kRowsOfPart - 1) / kRowsOfPart); }

  void pack(int part) const {
    const int i = part % count_;
    const int64_t begin = part / count_ * kRowsOfPart, end = at_most(begin + kRowsOfPart, pass_.depth);
    const Scratch scratch(kTogether * columns(i));
    int64_t s = pass_.chunk_begin;
    for (int64_t k = begin; k < end; k += kTogether) {
      const int64_t count = at_most(kTogether, end - k);
      const float* rows[kTogether];
      for (int64_t j = 0; j < count; ++j) {
        const int64_t row = plan_.first(pass_.chunk_begin) + k + j;
        while (plan_.first(s + 1) <= row) ++s;
        rows[j] = row_of_operand(i, s, row - plan_.first(s), scratch.data() + j * columns(i));
      }
      pack_rows(i, k, rows, count);
    }
  }

 private:
  static constexpr int64_t kRowsOfPart = 128;
  static constexpr int64_t kTogether = 8;  // rows, so that a tile's are written side by side

  int64_t first_tile(int i) const {
    const int64_t of_kernel = (geometry_.features + kGradientRows - 1) / kGradientRows;
    const int64_t of_state = (geometry_.units + kGradientRows - 1) / kGradientRows;
    return i <= of_kernel_ ? i * of_kernel : of_kernel_ * of_kernel + (i - of_kernel_) * of_state;
  }

  // Where it stands; with dropout, where it has been multiplied to.
  const float* row_of_operand(int i, int64_t s, int64_t r, float* product) const {
    const int64_t b = plan_.sequence(r);
    if (is_of_kernel(i)) {
      const int64_t time = plan_.time(plan_.position(r, s));
      return times(inputs_.sequences + (b * geometry_.time + time) * geometry_.features,
                   row_of(inputs_.input_dropout, mask(i) * geometry_.batch + b, geometry_.features), geometry_.features,
                   product);
    }
    const int mask_of_state = is_candidate(i) ? pass_.recurrent_groups.group[0].mask : mask(i);
    return times(is_candidate(i) ? tape_.gates(s, r) + 3 * geometry_.padded_units : tape_.h(s, r),
                 row_of(inputs_.recurrent_dropout, mask_of_state * geometry_.batch + b, geometry_.units),
                 geometry_.units, product);
  }

  static const float* times(const float* row, const float* factors, int64_t count, float* product) {
    if (factors == nullptr) return row;
    int64_t n = 0;
    for (; n + kLanes <= count; n += kLanes) store(product + n, load(row + n) * load(factors + n));
    for (; n < count; ++n) product[n] = row[n] * factors[n];
    return product;
  }

  void pack_rows(int i, int64_t k, const float* const* rows, int64_t count) const {
    const int64_t whole = columns(i) / kGradientRows, rest = columns(i) % kGradientRows;
    for (int64_t tile = 0; tile < whole; ++tile) {
      float* to = at(i, tile, k);
      for (int64_t j = 0; j < count; ++j, to += kGradientRows)
        std::memcpy(to, rows[j] + tile * kGradientRows, kGradientRows * sizeof(float));
    }
    if (rest == 0) return;
    float* to = at(i, whole, k);
    for (int64_t j = 0; j < count; ++j, to += kGradientRows)
      std::memcpy(to, rows[j] + whole * kGradientRows, static_cast<size_t>(rest) * sizeof(float));
  }

  const Geometry& geometry_;
  const Plan& plan_;
  const Inputs& inputs_;
  const Tape& tape_;
  const BackwardPass& pass_;
  int of_kernel_ = 0, count_ = 0;
  bool has_candidate_ = false;
  float* data_ = nullptr;
  int64_t most_rows_ = 0;
};

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

}  // namespace unrolled::UNROLLED_ISA
