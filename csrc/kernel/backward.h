// The backward pass of all cells, divided among threads.
//
// Steps are taken in chunks, the last chunk first. In each chunk every thread first takes its slice of the batch back
// through the steps and stores the gradients of z; then the threads divide the panels of the weight gradients, which
// are one product whose depth is the rows of all sequences and steps of the chunk, summed in the order of the schedule.
#pragma once

#include "kernel/forward.h"
#include "kernel/weight_gradients.h"

namespace unrolled::UNROLLED_TARGET {

// The backward pass of some rows through one chunk of steps.
template <class CellType>
class BackwardSlice {
 public:
  // The rows [begin, end) of the schedule. cell and pass must outlive the slice.
  BackwardSlice(const CellType& cell, const BackwardPass& pass, int64_t begin, int64_t end)
      : cell_(cell),
        pass_(pass),
        recurrence_(pass.recurrence),
        dims_(pass.dims),
        schedule_(pass.schedule),
        inputs_(pass.inputs),
        cotangents_(pass.cotangents),
        gradients_(pass.gradients),
        tape_(pass.tape),
        begin_(begin),
        rows_(end - begin),
        block_steps_(rows_ >= kBlockRows || pass.gradients.sequences == nullptr ? 1 : kBlockRows / rows_),
        block_rows_(rows_ * block_steps_),
        units_stride_(row_stride(dims_.units)),
        features_stride_(row_stride(dims_.features)),
        workspace_(packed_rows_size(block_rows_, dims_.gate_columns) + rows_ * units_stride_ +
                   block_rows_ * features_stride_ + zeros_size(dims_)),
        packed_(workspace_.data()),
        product_(packed_ + packed_rows_size(block_rows_, dims_.gate_columns)),
        dx_(product_ + rows_ * units_stride_),
        zeros_(dx_ + block_rows_ * features_stride_) {
    std::memset(zeros_, 0, static_cast<size_t>(zeros_size(dims_)) * sizeof(float));
  }

  void run() const {
    const int64_t steps = at_most(pass_.chunk_end, schedule_.length(begin_));
    for (int64_t to = steps; to > pass_.chunk_begin;) {
      const int64_t from = to - at_most(block_steps_, to - pass_.chunk_begin);
      int64_t q = 0;
      for (int64_t s = to; s-- > from;) q += backward_step(s, q);
      if (gradients_.sequences != nullptr) write_input_gradients(from, to, q);
      to = from;
    }
  }

 private:
  static int64_t zeros_size(const Dims& dims) {
    const int64_t features = round_up(dims.features, kLanes);
    return features > dims.gate_columns ? features : dims.gate_columns;
  }

  int64_t active_rows(int64_t s) const { return schedule_.active_rows(s, begin_ + rows_) - begin_; }
  float* dh(int64_t r) const { return pass_.dh + (begin_ + r) * dims_.padded_units; }
  float* dc(int64_t r) const { return pass_.dc + (begin_ + r) * dims_.padded_units; }
  const float* factors(const float* dropout, int mask, int64_t r, int64_t columns) const {
    return row_of(dropout, mask * dims_.batch + schedule_.batch_index(begin_ + r), columns);
  }

  // An infinite input times the zeros that pad its weights is NaN, which must not reach the products.
  void clear_padding(float* dz, int from_slot, int to_slot) const {
    const int64_t padding = dims_.padded_units - dims_.units;
    if (padding == 0) return;
    for (int slot = from_slot; slot < to_slot; ++slot) {
      std::memset(dz + slot * dims_.padded_units + dims_.units, 0, static_cast<size_t>(padding) * sizeof(float));
    }
  }

  // The row of the chunk that is row r at step s.
  int64_t chunk_row(int64_t s, int64_t r) const {
    return schedule_.row_offset(s) - schedule_.row_offset(pass_.chunk_begin) + begin_ + r;
  }

  BackwardRow row_at(int64_t s, int64_t r) const {
    return {tape_.gates(s, begin_ + r),
            tape_.h(s, begin_ + r),
            tape_.c(s, begin_ + r),
            tape_.c(s + 1, begin_ + r),
            dh(r),
            dc(r),
            pass_.gate_gradients.row(chunk_row(s, r)),
            dims_.padded_units};
  }

  // Goes back one step. Packs its rows from row q of the block on and returns their number.
  int64_t backward_step(int64_t s, int64_t q) const {
    const int64_t rows = active_rows(s);
    if constexpr (CellType::kSeparateCandidate) backward_candidate(s, q, rows);
    for (int64_t r = 0; r < rows; ++r) {
      const BackwardRow row = row_at(s, r);
      if constexpr (CellType::kSeparateCandidate) {
        cell_.backward_reset(row, product_ + r * units_stride_);
        clear_padding(row.dz, 2, 3);
        pack_row(packed_, block_rows_, q + r, 2 * dims_.padded_units, row.dz + 2 * dims_.padded_units,
                 dims_.padded_units, nullptr);
      } else {
        add_output_gradient(s, r);
        cell_.backward_step(row);
        clear_padding(row.dz, 0, dims_.layout.slots);
        pack_row(packed_, block_rows_, q + r, 0, row.dz, dims_.gate_columns, nullptr);
      }
    }
    for (int g = CellType::kSeparateCandidate ? 1 : 0; g < pass_.recurrent_groups.count; ++g)
      multiply_state(g, q, rows);
    return rows;
  }

  // Computes dz of a separate candidate and of z, and the gradient of r * h, which the gradient of r needs.
  void backward_candidate(int64_t s, int64_t q, int64_t rows) const {
    for (int64_t r = 0; r < rows; ++r) {
      const BackwardRow row = row_at(s, r);
      add_output_gradient(s, r);
      cell_.backward_candidate(row);
      clear_padding(row.dz, 0, 2);
      pack_row(packed_, block_rows_, q + r, 0, row.dz, 2 * dims_.padded_units, nullptr);
    }
    multiply(packed_, block_rows_, q, rows, 0, pass_.recurrent_kernel.panels(0), zeros_, 0, product_, units_stride_);
    if (inputs_.recurrent_dropout == nullptr) return;
    for (int64_t r = 0; r < rows; ++r) {
      const float* const mask =
          factors(inputs_.recurrent_dropout, pass_.recurrent_groups.group[0].mask, r, dims_.units);
      float* const product = product_ + r * units_stride_;
      for (int64_t n = 0; n < dims_.units; ++n) product[n] *= mask[n];
    }
  }

  // Adds the cotangents of the output of step s, which may also be the output of the masked steps after it.
  void add_output_gradient(int64_t s, int64_t r) const {
    if (cotangents_.outputs == nullptr) return;
    const int64_t b = schedule_.batch_index(begin_ + r), length = schedule_.length(begin_ + r);
    const bool repeats = schedule_.has_gaps() && !recurrence_.zero_output_for_mask;
    const int64_t position = schedule_.position(begin_ + r, s);
    const int64_t next = s + 1 < length ? schedule_.position(begin_ + r, s + 1) : schedule_.end(begin_ + r);
    if (!recurrence_.return_sequences) {
      const bool is_returned = s + 1 == length && next == dims_.time && (repeats || position + 1 == next);
      if (is_returned) add(dh(r), cotangents_.outputs + b * dims_.units);
      return;
    }
    for (int64_t p = position; p < (repeats ? next : position + 1); ++p) {
      add(dh(r), cotangents_.outputs + (b * dims_.time + p) * dims_.units);
    }
  }

  void add(float* to, const float* from) const {
    int64_t n = 0;
    for (; n + kLanes <= dims_.units; n += kLanes) store(to + n, load(to + n) + load(from + n));
    for (; n < dims_.units; ++n) to[n] += from[n];
  }

  // dh += (dz recurrent_kernel^T) * dropout factors, for the columns of one group.
  void multiply_state(int index, int64_t q, int64_t rows) const {
    const GateGroup& group = pass_.recurrent_groups.group[index];
    const int64_t column = group.first_slot * dims_.padded_units;
    const Panels panels = pass_.recurrent_kernel.panels(index);
    if (inputs_.recurrent_dropout == nullptr) {
      multiply(packed_, block_rows_, q, rows, column, panels, dh(0), dims_.padded_units, dh(0), dims_.padded_units);
      return;
    }
    multiply(packed_, block_rows_, q, rows, column, panels, zeros_, 0, product_, units_stride_);
    for (int64_t r = 0; r < rows; ++r) {
      const float* const mask = factors(inputs_.recurrent_dropout, group.mask, r, dims_.units);
      const float* const from = product_ + r * units_stride_;
      float* const to = dh(r);
      for (int64_t n = 0; n < dims_.units; ++n) to[n] += from[n] * mask[n];
    }
  }

  // dx = sum over groups of (dz kernel^T) * dropout factors.
  void write_input_gradients(int64_t from, int64_t to, int64_t rows) const {
    for (int g = 0; g < pass_.input_groups.count; ++g) {
      const GateGroup& group = pass_.input_groups.group[g];
      multiply(packed_, block_rows_, 0, rows, group.first_slot * dims_.padded_units, pass_.kernel.panels(g), zeros_, 0,
               dx_, features_stride_);
      const float* product = dx_;
      for (int64_t s = to; s-- > from;) {
        for (int64_t r = 0, end = active_rows(s); r < end; ++r, product += features_stride_) {
          const int64_t time = schedule_.time_index(schedule_.position(begin_ + r, s));
          float* const dx =
              gradients_.sequences + (schedule_.batch_index(begin_ + r) * dims_.time + time) * dims_.features;
          const float* const mask = factors(inputs_.input_dropout, group.mask, r, dims_.features);
          if (g == 0 && mask == nullptr) {
            std::memcpy(dx, product, static_cast<size_t>(dims_.features) * sizeof(float));
          } else {
            for (int64_t n = 0; n < dims_.features; ++n) {
              dx[n] = (g == 0 ? 0.0f : dx[n]) + (mask != nullptr ? product[n] * mask[n] : product[n]);
            }
          }
        }
      }
    }
  }

  const CellType& cell_;
  const BackwardPass& pass_;
  const Recurrence& recurrence_;
  const Dims& dims_;
  const BatchSchedule& schedule_;
  const Inputs& inputs_;
  const Cotangents& cotangents_;
  const Gradients& gradients_;
  const Tape& tape_;
  const int64_t begin_, rows_, block_steps_, block_rows_, units_stride_, features_stride_;
  const Workspace workspace_;
  float *const packed_, *const product_, *const dx_, *const zeros_;
};

// The memory of one backward pass, assigned to the parts of `pass` and to `operands`.
class BackwardWorkspace {
 public:
  BackwardWorkspace(BackwardPass& pass, GradientOperands& operands)
      : max_rows(rows_of_chunk(pass, operands)), workspace_(size(pass, operands, max_rows)) {
    const int64_t states = pass.schedule.rows() * pass.dims.padded_units;
    pass.dh = workspace_.data();
    pass.dc = pass.dh + states;
    pass.recurrent_kernel.packed = pass.dc + states;
    pass.kernel.packed = pass.recurrent_kernel.packed + pass.recurrent_kernel.size();
    pass.gate_gradients.data = pass.kernel.packed + kernel_size(pass);
    operands.set_memory(pass.gate_gradients.row(max_rows), max_rows);
  }

  const int64_t max_rows;  // of a chunk

 private:
  static int64_t kernel_size(const BackwardPass& pass) {
    return pass.gradients.sequences != nullptr ? pass.kernel.size() : 0;
  }

  // A chunk should stay in the cache, and holds at least one step.
  static int64_t rows_of_chunk(const BackwardPass& pass, const GradientOperands& operands) {
    constexpr int64_t kChunk = 1 << 20;  // floats
    const int64_t rows = kChunk / (pass.gate_gradients.stride() + operands.row_size());
    return at_most(rows < pass.schedule.rows() ? pass.schedule.rows() : rows,
                   pass.schedule.row_offset(pass.schedule.steps()));
  }

  static int64_t size(const BackwardPass& pass, const GradientOperands& operands, int64_t max_rows) {
    return 2 * pass.schedule.rows() * pass.dims.padded_units + pass.recurrent_kernel.size() + kernel_size(pass) +
           max_rows * (pass.gate_gradients.stride() + operands.row_size());
  }

  const Workspace workspace_;
};

UNROLLED_INLINE void read_final_cotangents(const BackwardPass& pass) {
  const Dims& dims = pass.dims;
  for (int64_t r = 0; r < pass.schedule.rows(); ++r) {
    const int64_t b = pass.schedule.batch_index(r), row = r * dims.padded_units;
    const bool is_zero = !pass.schedule.is_last(r);
    const float* const from_h = is_zero ? nullptr : row_of(pass.cotangents.h, b, dims.units);
    const float* const from_c = is_zero ? nullptr : row_of(pass.cotangents.c, b, dims.units);
    copy_padded(pass.dh + row, from_h, dims.units, dims.padded_units);
    copy_padded(pass.dc + row, from_c, dims.units, dims.padded_units);
  }
}

UNROLLED_INLINE void write_initial_gradients(const BackwardPass& pass) {
  const Dims& dims = pass.dims;
  for (int64_t r = 0; r < pass.schedule.rows(); ++r) {
    if (pass.schedule.begin(r) > 0) continue;
    const int64_t to = pass.schedule.batch_index(r) * dims.units, row = r * dims.padded_units;
    const bool is_zero = !pass.schedule.has_initial_state(r);
    const float *const dh = is_zero ? nullptr : pass.dh + row, *const dc = is_zero ? nullptr : pass.dc + row;
    if (pass.gradients.initial_h != nullptr) copy_padded(pass.gradients.initial_h + to, dh, dims.units, dims.units);
    if (pass.gradients.initial_c != nullptr) copy_padded(pass.gradients.initial_c + to, dc, dims.units, dims.units);
  }
}

UNROLLED_INLINE void pack_weights(const BackwardPass& pass, TaskGroup& threads) {
  const int recurrent_parts = pass.recurrent_kernel.parts();
  const int parts = recurrent_parts + (pass.gradients.sequences != nullptr ? pass.kernel.parts() : 0);
  threads.run(parts, [&](int part) {
    if (part < recurrent_parts) {
      pass.recurrent_kernel.pack_part(part);
    } else {
      pass.kernel.pack_part(part - recurrent_parts);
    }
  });
}

// backward() of kernels.h for one cell.
template <class CellType>
void run_backward(const Recurrence& recurrence, const Sizes& sizes, const Inputs& inputs, const float* tape_data,
                  const Cotangents& cotangents, const Gradients& gradients) {
  const CellType cell(recurrence);
  const Dims dims(recurrence, sizes);
  const BatchSchedule schedule(recurrence, sizes, inputs.mask, inputs.resets);
  const Tape tape(dims, schedule, tape_data);
  BackwardPass pass(recurrence, dims, schedule, inputs, tape, cotangents, gradients);
  GradientOperands operands(pass);
  const BackwardWorkspace workspace(pass, operands);
  const WeightGradients weight_gradients(pass, operands);

  read_final_cotangents(pass);
  if (gradients.sequences != nullptr && schedule.has_gaps()) {
    std::memset(gradients.sequences, 0, static_cast<size_t>(sizes.batch * sizes.time * sizes.features) * sizeof(float));
  }
  const int64_t work = schedule.row_offset(schedule.steps()) * (sizes.features + sizes.units) * dims.gate_columns;
  TaskGroup threads(useful_threads(schedule.rows(), work));
  pack_weights(pass, threads);
  const bool weights_wanted = operands.count() > 0 || gradients.bias != nullptr;
  const int slices = threads.size();
  for (int64_t end = schedule.steps(); end > 0; end = pass.chunk_begin) {
    pass.take_chunk(end, workspace.max_rows);
    // The threads that finish their slices first pack the operands.
    threads.run(slices + operands.parts(), [&](int i) {
      if (i >= slices) return operands.pack_part(i - slices);
      const int64_t from = i == 0 ? 0 : schedule.slice_end(i - 1, slices), to = schedule.slice_end(i, slices);
      if (from != to) BackwardSlice<CellType>(cell, pass, from, to).run();
    });
    if (weights_wanted) weight_gradients.add_chunk(threads, end == schedule.steps());
  }
  if (weights_wanted) weight_gradients.write(threads, schedule.steps() == 0);
  write_initial_gradients(pass);
}

}  // namespace unrolled::UNROLLED_TARGET
