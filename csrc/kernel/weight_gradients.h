// The gradients of the weights: in each chunk of steps one product, operand^T times gate gradients.
#pragma once

#include "kernel/weights.h"
#include "runtime/parallel.h"
#include "runtime/workspace.h"

namespace unrolled::UNROLLED_TARGET {

// The gradients of z in all rows of a chunk. Not owned.
struct GateGradients {
  float* data;
  int64_t columns;
  int64_t stride() const { return row_stride(columns); }
  float* row(int64_t k) const { return data + k * stride(); }
};

// The arguments of one backward pass and what its slices share. Refers to objects that must outlive it; the memory that
// it points to belongs to run_backward().
struct BackwardPass {
  BackwardPass(const Recurrence& recurrence_, const Dims& dims_, const BatchSchedule& schedule_, const Inputs& inputs_,
               const Tape& tape_, const Cotangents& cotangents_, const Gradients& gradients_)
      : recurrence(recurrence_),
        dims(dims_),
        schedule(schedule_),
        inputs(inputs_),
        tape(tape_),
        cotangents(cotangents_),
        gradients(gradients_),
        input_groups(input_gate_groups(recurrence, inputs)),
        recurrent_groups(recurrent_gate_groups(recurrence, inputs)),
        kernel(inputs.kernel, dims.features, dims, dims.all_units(), input_groups, true),
        recurrent_kernel(inputs.recurrent_kernel, dims.units, dims, dims.all_units(), recurrent_groups, true),
        gate_gradients{nullptr, dims.gate_columns} {}

  // Takes as chunk the last steps before `end` whose rows are at most `max_rows`.
  void take_chunk(int64_t end, int64_t max_rows) {
    chunk_end = end;
    chunk_begin = end - 1;
    while (chunk_begin > 0 && schedule.row_offset(end) - schedule.row_offset(chunk_begin - 1) <= max_rows)
      --chunk_begin;
    depth = schedule.row_offset(chunk_end) - schedule.row_offset(chunk_begin);
  }

  const Recurrence& recurrence;
  const Dims& dims;
  const BatchSchedule& schedule;
  const Inputs& inputs;
  const Tape& tape;
  const Cotangents& cotangents;
  const Gradients& gradients;
  const GateGroups input_groups, recurrent_groups;
  WeightMatrix kernel, recurrent_kernel;  // transposed
  GateGradients gate_gradients;           // rows of the chunk
  float* dh = nullptr;                    // [rows, H] padded, in the order of the schedule
  float* dc = nullptr;
  int64_t chunk_begin = 0, chunk_end = 0;  // steps
  int64_t depth = 0;                       // rows of the chunk
};

#if defined(__AVX512F__)
constexpr int kGradientRows = 8;  // of a tile
#else
constexpr int kGradientRows = kTileRows;
#endif

// The left operands of the weight gradients, in one chunk of steps: the factors of `kernel` and `recurrent_kernel` in
// the forward pass. There is one operand for each dropout mask of the inputs, then one for each mask of the state, and
// last that of a separate candidate. Operands whose gradient is null are left out.
//
// Packed for tile(): column c of row k is element c % kGradientRows of at(i, c / kGradientRows, k).
class GradientOperands {
 public:
  explicit GradientOperands(const BackwardPass& pass)
      : pass_(pass), dims_(pass.dims), schedule_(pass.schedule), inputs_(pass.inputs) {
    if (pass.gradients.kernel != nullptr) of_kernel_ = count_ = pass.input_groups.masks;
    if (pass.gradients.recurrent_kernel != nullptr) {
      has_candidate_ = has_separate_candidate(pass.recurrence);
      // With a mask for each gate, the last of them is that of the candidate.
      count_ += pass.recurrent_groups.masks + (has_candidate_ && pass.recurrent_groups.masks == 1 ? 1 : 0);
    }
  }

  int count() const { return count_; }
  bool is_of_kernel(int i) const { return i < of_kernel_; }
  bool has_candidate() const { return has_candidate_; }
  bool is_candidate(int i) const { return has_candidate_ && i + 1 == count_; }
  int mask(int i) const { return is_of_kernel(i) ? i : i - of_kernel_; }
  int64_t columns(int i) const { return is_of_kernel(i) ? dims_.features : dims_.units; }
  int64_t tiles(int i) const { return (columns(i) + kGradientRows - 1) / kGradientRows; }

  // The index of an operand's first column among the columns of all operands.
  int64_t first_column(int i) const {
    return i <= of_kernel_ ? i * dims_.features : of_kernel_ * dims_.features + (i - of_kernel_) * dims_.units;
  }

  // Floats of one row of all operands.
  int64_t row_size() const { return first_tile(count_) * kGradientRows; }

  // to: row_size() * max_rows floats, not owned, written by pack_part().
  void set_memory(float* to, int64_t max_rows) {
    data_ = to;
    max_rows_ = max_rows;
  }

  float* at(int i, int64_t tile, int64_t k) const {
    return data_ + ((first_tile(i) + tile) * max_rows_ + k) * kGradientRows;
  }

  // The number of parts, which may be packed in any order and in parallel.
  int parts() const { return count_ * static_cast<int>((pass_.depth + kRowsOfPart - 1) / kRowsOfPart); }

  void pack_part(int part) const {
    const int i = part % count_;
    const int64_t begin = part / count_ * kRowsOfPart, end = at_most(begin + kRowsOfPart, pass_.depth);
    const Workspace workspace(kRowsTogether * columns(i));
    int64_t s = pass_.chunk_begin;
    for (int64_t k = begin; k < end; k += kRowsTogether) {
      const int64_t count = at_most(kRowsTogether, end - k);
      const float* rows[kRowsTogether];
      for (int64_t j = 0; j < count; ++j) {
        const int64_t row = schedule_.row_offset(pass_.chunk_begin) + k + j;
        while (schedule_.row_offset(s + 1) <= row) ++s;
        rows[j] = operand_row(i, s, row - schedule_.row_offset(s), workspace.data() + j * columns(i));
      }
      pack_rows(i, k, rows, count);
    }
  }

 private:
  static constexpr int64_t kRowsOfPart = 128;
  static constexpr int64_t kRowsTogether = 8;  // so that the rows of a tile are written one after another

  int64_t first_tile(int i) const {
    const int64_t of_kernel = (dims_.features + kGradientRows - 1) / kGradientRows;
    const int64_t of_state = (dims_.units + kGradientRows - 1) / kGradientRows;
    return i <= of_kernel_ ? i * of_kernel : of_kernel_ * of_kernel + (i - of_kernel_) * of_state;
  }

  // The row itself; with dropout `product`, to which row times factors are written.
  const float* operand_row(int i, int64_t s, int64_t r, float* product) const {
    const int64_t b = schedule_.batch_index(r);
    if (is_of_kernel(i)) {
      const int64_t time = schedule_.time_index(schedule_.position(r, s));
      return multiply_row(inputs_.sequences + (b * dims_.time + time) * dims_.features,
                          row_of(inputs_.input_dropout, mask(i) * dims_.batch + b, dims_.features), dims_.features,
                          product);
    }
    const int mask_of_state = is_candidate(i) ? pass_.recurrent_groups.group[0].mask : mask(i);
    return multiply_row(is_candidate(i) ? pass_.tape.gates(s, r) + 3 * dims_.padded_units : pass_.tape.h(s, r),
                        row_of(inputs_.recurrent_dropout, mask_of_state * dims_.batch + b, dims_.units), dims_.units,
                        product);
  }

  static const float* multiply_row(const float* row, const float* factors, int64_t count, float* product) {
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

  const BackwardPass& pass_;
  const Dims& dims_;
  const BatchSchedule& schedule_;
  const Inputs& inputs_;
  int of_kernel_ = 0, count_ = 0;
  bool has_candidate_ = false;
  float* data_ = nullptr;
  int64_t max_rows_ = 0;
};

// The sums over all chunks. Threads divide the result, never a sum, so that the bits do not depend on their number.
class WeightGradients {
 public:
  // Both arguments must outlive it.
  WeightGradients(const BackwardPass& pass, const GradientOperands& operands)
      : pass_(pass),
        operands_(operands),
        dims_(pass.dims),
        gradients_(pass.gradients),
        stride_(row_stride(dims_.gate_columns)),
        rows_(operands.first_column(operands.count())),
        workspace_((rows_ + 1) * stride_),
        sums_(workspace_.data()),
        bias_sums_(sums_ + rows_ * stride_) {
    std::memset(bias_sums_, 0, static_cast<size_t>(stride_) * sizeof(float));
  }

  // Adds the chunk of the pass, whose operands and gate gradients must be complete.
  void add_chunk(TaskGroup& threads, bool is_first) const {
    const int panels = count_panels(), parts = parts_of_panel(threads.size());
    threads.run(panels * parts, [&](int index) {
      add_panel(static_cast<int64_t>(index % panels) * kPanel, index / panels, parts, is_first);
    });
  }

  // Writes the gradients that are not null. is_empty: no chunk was added.
  void write(TaskGroup& threads, bool is_empty) const {
    if (is_empty) std::memset(sums_, 0, static_cast<size_t>(rows_ * stride_) * sizeof(float));
    threads.run(count_panels() * operands_.count(), [&](int index) {
      const int64_t begin = static_cast<int64_t>(index / operands_.count()) * kPanel;
      for (int64_t column = begin; column < at_most(begin + kPanel, dims_.gate_columns); column += kLanes)
        write_vector(index % operands_.count(), column);
    });
    if (gradients_.bias != nullptr) write_bias();
  }

 private:
  int count_panels() const { return static_cast<int>((dims_.gate_columns + kPanel - 1) / kPanel); }

  // Enough parts to keep all threads busy to the end, but few, because each packs its panel of gate gradients.
  int parts_of_panel(int thread_count) const {
    if (operands_.count() == 0) return 1;
    const int wanted = (4 * thread_count + count_panels() - 1) / count_panels();
    return wanted < 8 ? wanted : 8;
  }

  float* sums(int operand, int64_t row, int64_t column) const {
    return sums_ + (operands_.first_column(operand) + row) * stride_ + column;
  }

  // The gate in this slot if it was multiplied with this operand, else -1.
  int gate_of(int operand, int64_t slot) const {
    const bool of_kernel = operands_.is_of_kernel(operand);
    const GateGroups& groups = of_kernel ? pass_.input_groups : pass_.recurrent_groups;
    for (int g = 0; g < groups.count; ++g) {
      const GateGroup& group = groups.group[g];
      if (slot < group.first_slot || slot >= group.first_slot + group.slots) continue;
      // The first group is that of a separate candidate.
      const bool is_candidate = !of_kernel && operands_.has_candidate() && g == 0;
      const bool is_operand = is_candidate ? operands_.is_candidate(operand)
                                           : !operands_.is_candidate(operand) && operands_.mask(operand) == group.mask;
      if (is_operand) return group.gate[slot - group.first_slot];
    }
    return -1;
  }

  // True if the column's slot was multiplied with this operand.
  bool is_factor(int operand, int64_t column) const { return gate_of(operand, column / dims_.padded_units) >= 0; }

  // Each kDepth rows have a sum of their own: one running sum would lose a digit for each power of ten of its length.
  void add_panel(int64_t column, int part, int parts, bool is_first) const {
    const int vectors = static_cast<int>(at_most(kPanel, dims_.gate_columns - column) / kLanes);
    float panel[kDepth * kPanel];
    for (int64_t k = 0; k < pass_.depth; k += kDepth) {
      const int64_t depth = at_most(kDepth, pass_.depth - k);
      pack_panel(panel, column, k, depth, vectors);
      if (part == 0) add_bias(panel, column, depth, vectors);
      const bool replaces = is_first && k == 0;
      for (int i = 0; i < operands_.count(); ++i) {
        const int64_t begin = operands_.tiles(i) * part / parts, end = operands_.tiles(i) * (part + 1) / parts;
        if (vectors == kTileVectors && is_factor(i, column) && is_factor(i, column + kPanel - kLanes)) {
          add_tiles<kTileVectors>(i, begin, end, k, panel, column, depth, replaces);
          continue;
        }
        for (int v = 0; v < vectors; ++v) {
          if (is_factor(i, column + v * kLanes))
            add_tiles<1>(i, begin, end, k, panel + v * kLanes, column + v * kLanes, depth, replaces);
        }
      }
    }
  }

  // Copies a panel of gate gradients, whose rows are in different pages, to consecutive memory.
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
    const int64_t slot = column / dims_.padded_units, unit = column % dims_.padded_units;
    const int gate = gate_of(operand, slot);
    if (gate < 0) return;
    float* to = operands_.is_of_kernel(operand) ? gradients_.kernel : gradients_.recurrent_kernel;
    to += gate * dims_.units + unit;
    const size_t bytes = static_cast<size_t>(at_most(kLanes, dims_.units - unit)) * sizeof(float);
    for (int64_t row = 0; row < operands_.columns(operand); ++row, to += dims_.layout.gates * dims_.units)
      std::memcpy(to, sums(operand, row, column), bytes);
  }

  void write_bias() const {
    float* to = gradients_.bias;
    for (int half = 0; half < (has_two_biases(pass_.recurrence) ? 2 : 1); ++half) {
      const int* const slots = half == 0 ? dims_.layout.kernel_slot : dims_.layout.recurrent_slot;
      for (int gate = 0; gate < dims_.layout.gates; ++gate, to += dims_.units) {
        std::memcpy(to, bias_sums_ + slots[gate] * dims_.padded_units,
                    static_cast<size_t>(dims_.units) * sizeof(float));
      }
    }
  }

  const BackwardPass& pass_;
  const GradientOperands& operands_;
  const Dims& dims_;
  const Gradients& gradients_;
  const int64_t stride_, rows_;
  const Workspace workspace_;
  float* const sums_;  // [columns of all operands, row]
  float* const bias_sums_;
};

}  // namespace unrolled::UNROLLED_TARGET
