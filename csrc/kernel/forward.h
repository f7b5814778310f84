// The forward pass of all cells, divided among threads.
//
// Each thread takes a slice of the batch through all steps, so that no thread waits within the loop over time. If the
// batch is smaller than the number of threads, they divide the units instead.
#pragma once

#include "kernel/cell.h"
#include "kernel/weights.h"
#include "runtime/parallel.h"
#include "runtime/workspace.h"

namespace unrolled::UNROLLED_TARGET {

// The arguments of one forward pass. Refers to objects that must outlive it.
struct ForwardPass {
  const Recurrence& recurrence;
  const Dims& dims;
  const BatchSchedule& schedule;
  const Inputs& inputs;
  const Outputs& outputs;
  float* tape;  // null in inference
};

// The states of the rows [begin, end) of the schedule, here counted from 0: on the tape or, in inference, in memory of
// their own.
class ForwardStates {
 public:
  // keep_h_before: in inference, a step does not overwrite the h before it, because other slices have yet to read it.
  ForwardStates(const ForwardPass& pass, int64_t begin, int64_t end, bool keep_h_before)
      : pass_(pass),
        dims_(pass.dims),
        tape_(pass.dims, pass.schedule, pass.tape),
        training_(pass.tape != nullptr),
        begin_(begin),
        rows_(end - begin),
        second_h_(keep_h_before ? 1 : 0),
        workspace_(training_ ? 0 : (3 + second_h_) * size()),
        h_(workspace_.data()),
        c_(h_ + (1 + second_h_) * size()),
        candidate_(c_ + size()) {}

  int64_t begin() const { return begin_; }
  int64_t rows() const { return rows_; }

  // [H] padded: the states before step s. In inference, c of step s + 1 is in the memory of c of step s.
  float* h(int64_t s, int64_t r) const {
    return training_ ? tape_.h(s, begin_ + r) : h_ + ((s & second_h_) * rows_ + r) * dims_.padded_units;
  }
  float* c(int64_t s, int64_t r) const { return training_ ? tape_.c(s, begin_ + r) : c_ + r * dims_.padded_units; }
  // [slots, H] padded; null in inference.
  float* gates(int64_t s, int64_t r) const { return training_ ? tape_.gates(s, begin_ + r) : nullptr; }
  // [H] padded: r * h at step s, the operand of a separate candidate.
  float* candidate(int64_t s, int64_t r) const {
    return training_ ? gates(s, r) + 3 * dims_.padded_units : candidate_ + r * dims_.padded_units;
  }

  void read_initial_states() const {
    const Inputs& inputs = pass_.inputs;
    for (int64_t r = 0; r < rows_; ++r) {
      const bool is_zero = !pass_.schedule.has_initial_state(begin_ + r);
      if (training_ && is_zero) continue;
      const int64_t b = pass_.schedule.batch_index(begin_ + r);
      const float* const from_h = is_zero ? nullptr : row_of(inputs.initial_h, b, dims_.units);
      const float* const from_c = is_zero ? nullptr : row_of(inputs.initial_c, b, dims_.units);
      copy_padded(h(0, r), from_h, dims_.units, dims_.padded_units);
      if (dims_.has_cell_state) copy_padded(c(0, r), from_c, dims_.units, dims_.padded_units);
    }
  }

  // Writes the final states, and all outputs that the steps have not written.
  void write_results() const {
    const Recurrence& recurrence = pass_.recurrence;
    const Outputs& outputs = pass_.outputs;
    const BatchSchedule& schedule = pass_.schedule;
    const size_t bytes = static_cast<size_t>(dims_.units) * sizeof(float);
    for (int64_t r = 0; r < rows_; ++r) {
      if (!schedule.is_last(begin_ + r)) continue;
      const int64_t b = schedule.batch_index(begin_ + r), length = schedule.length(begin_ + r);
      std::memcpy(outputs.h + b * dims_.units, h(length, r), bytes);
      if (dims_.has_cell_state) std::memcpy(outputs.c + b * dims_.units, c(length, r), bytes);
      if (recurrence.return_sequences || outputs.outputs == nullptr) continue;
      const bool ends_masked = length == 0 || schedule.position(begin_ + r, length - 1) != dims_.time - 1;
      const bool zero = length == 0 || (ends_masked && recurrence.zero_output_for_mask);
      copy_padded(outputs.outputs + b * dims_.units, zero ? nullptr : h(length, r), dims_.units, dims_.units);
    }
    if (recurrence.return_sequences && schedule.has_gaps()) fill_masked_outputs();
  }

 private:
  int64_t size() const { return rows_ * dims_.padded_units; }

  void fill_masked_outputs() const {
    const BatchSchedule& schedule = pass_.schedule;
    for (int64_t r = 0; r < rows_; ++r) {
      float* const outputs = pass_.outputs.outputs + schedule.batch_index(begin_ + r) * dims_.time * dims_.units;
      int64_t s = 0;
      for (int64_t p = schedule.begin(begin_ + r), end = schedule.end(begin_ + r); p < end; ++p) {
        if (s < schedule.length(begin_ + r) && schedule.position(begin_ + r, s) == p) {
          ++s;
          continue;
        }
        const bool zero = s == 0 || pass_.recurrence.zero_output_for_mask;
        copy_padded(outputs + p * dims_.units, zero ? nullptr : outputs + (p - 1) * dims_.units, dims_.units,
                    dims_.units);
      }
    }
  }

  const ForwardPass& pass_;
  const Dims& dims_;
  const Tape tape_;
  const bool training_;
  const int64_t begin_, rows_, second_h_;
  const Workspace workspace_;
  float *const h_, *const c_, *const candidate_;
};

// The forward pass of the rows of `states` and the units of `weights`. Block by block of steps it multiplies the inputs
// with `kernel`, then computes the steps one by one.
//
// Slices of other units may share the states. They must then compute each step together: end_step() may be called once
// all of them have returned from begin_step().
template <class CellType>
class ForwardSlice {
 public:
  // All arguments must outlive the slice.
  ForwardSlice(const CellType& cell, const ForwardPass& pass, const LayerWeights& weights, const ForwardStates& states)
      : cell_(cell),
        pass_(pass),
        dims_(pass.dims),
        schedule_(pass.schedule),
        weights_(weights),
        states_(states),
        begin_(states.begin()),
        rows_(states.rows()),
        units_(weights.range.count),
        block_steps_(rows_ >= kBlockRows ? 1 : kBlockRows / rows_),
        block_rows_(rows_ * block_steps_),
        z_stride_(row_stride(weights.gate_columns)),
        masks_(weights.kernel.groups.masks > weights.recurrent_kernel.groups.masks
                   ? weights.kernel.groups.masks
                   : weights.recurrent_kernel.groups.masks),
        inputs_size_(packed_rows_size(block_rows_, dims_.features)),
        state_size_(packed_rows_size(rows_, dims_.units)),
        workspace_(block_rows_ * z_stride_ + masks_ * (inputs_size_ + state_size_)),
        block_z_(workspace_.data()),
        packed_inputs_(block_z_ + block_rows_ * z_stride_),
        packed_state_(packed_inputs_ + masks_ * inputs_size_),
        z_(block_z_) {}

  // The whole pass of the rows, for a slice of all units.
  void run() {
    states_.read_initial_states();
    for (int64_t s = 0, steps = schedule_.length(begin_); s < steps; ++s) {
      begin_step(s);
      end_step(s);
    }
    states_.write_results();
  }

  // The part of step s that needs only the state before it.
  void begin_step(int64_t s) {
    if (s % block_steps_ == 0) multiply_inputs(s, at_most(s + block_steps_, schedule_.length(begin_)));
    const int64_t rows = active_rows(s);
    pack_state(s, rows);
    for (int g = CellType::kSeparateCandidate ? 1 : 0; g < weights_.recurrent_kernel.groups.count; ++g)
      multiply_state(g, rows);
    if constexpr (CellType::kSeparateCandidate) {
      for (int64_t r = 0; r < rows; ++r)
        cell_.forward_reset(z(r), states_.h(s, r) + first(), states_.candidate(s, r) + first(), units_);
    }
  }

  // The other part, which may need r * h of all units.
  void end_step(int64_t s) {
    const int64_t rows = active_rows(s);
    if constexpr (CellType::kSeparateCandidate) multiply_candidate(s, rows);
    for (int64_t r = 0; r < rows; ++r) {
      float* const gates = states_.gates(s, r);
      cell_.forward_step({z(r), states_.h(s, r) + first(), states_.c(s, r) + first(),
                          gates != nullptr ? gates + first() : nullptr, dims_.padded_units,
                          states_.h(s + 1, r) + first(), states_.c(s + 1, r) + first(), units_});
      if (!pass_.recurrence.return_sequences) continue;
      const int64_t index = schedule_.batch_index(begin_ + r) * dims_.time + schedule_.position(begin_ + r, s);
      std::memcpy(pass_.outputs.outputs + index * dims_.units + first(), states_.h(s + 1, r) + first(),
                  static_cast<size_t>(weights_.valid_units()) * sizeof(float));
    }
    z_ += rows * z_stride_;
  }

 private:
  int64_t first() const { return weights_.range.first; }
  int64_t active_rows(int64_t s) const { return schedule_.active_rows(s, begin_ + rows_) - begin_; }
  float* z(int64_t r) const { return z_ + r * z_stride_; }

  // z = bias + x kernel, for all rows of the steps [from, to).
  void multiply_inputs(int64_t from, int64_t to) {
    const GateGroups& groups = weights_.kernel.groups;
    z_ = block_z_;
    int64_t q = 0;
    for (int64_t s = from; s < to; ++s) {
      for (int64_t r = 0, end = active_rows(s); r < end; ++r, ++q) {
        const int64_t b = schedule_.batch_index(begin_ + r);
        const int64_t time = schedule_.time_index(schedule_.position(begin_ + r, s));
        const float* const x = pass_.inputs.sequences + (b * dims_.time + time) * dims_.features;
        for (int m = 0; m < groups.masks; ++m) {
          const float* const factors = row_of(pass_.inputs.input_dropout, m * dims_.batch + b, dims_.features);
          pack_row(packed_inputs_ + m * inputs_size_, block_rows_, q, 0, x, dims_.features, factors);
        }
        if constexpr (CellType::kSeparateRecurrentSlot) {
          std::memcpy(z(q) + 3 * units_, weights_.bias() + 3 * units_, static_cast<size_t>(units_) * sizeof(float));
        }
      }
    }
    for (int g = 0; g < groups.count; ++g) {
      const GateGroup& group = groups.group[g];
      const int64_t column = group.first_slot * units_;
      multiply(packed_inputs_ + group.mask * inputs_size_, block_rows_, 0, q, 0, weights_.kernel.panels(g),
               weights_.bias() + column, 0, z_ + column, z_stride_);
    }
  }

  const float* recurrent_factors(int mask, int64_t r) const {
    return row_of(pass_.inputs.recurrent_dropout, mask * dims_.batch + schedule_.batch_index(begin_ + r), dims_.units);
  }

  void pack_state(int64_t s, int64_t rows) const {
    for (int m = 0; m < weights_.recurrent_kernel.groups.masks; ++m) {
      for (int64_t r = 0; r < rows; ++r) {
        pack_row(packed_state_ + m * state_size_, rows_, r, 0, states_.h(s, r), dims_.units, recurrent_factors(m, r));
      }
    }
  }

  // z += h recurrent_kernel, in the columns of one group.
  void multiply_state(int index, int64_t rows) const {
    const GateGroup& group = weights_.recurrent_kernel.groups.group[index];
    float* const to = z_ + group.first_slot * units_;
    multiply(packed_state_ + group.mask * state_size_, rows_, 0, rows, 0, weights_.recurrent_kernel.panels(index), to,
             z_stride_, to, z_stride_);
  }

  // z += (r * h) recurrent_kernel, in the columns of the candidate.
  void multiply_candidate(int64_t s, int64_t rows) const {
    const int mask = weights_.recurrent_kernel.groups.group[0].mask;
    for (int64_t r = 0; r < rows; ++r) {
      pack_row(packed_state_ + mask * state_size_, rows_, r, 0, states_.candidate(s, r), dims_.units,
               recurrent_factors(mask, r));
    }
    multiply_state(0, rows);
  }

  const CellType& cell_;
  const ForwardPass& pass_;
  const Dims& dims_;
  const BatchSchedule& schedule_;
  const LayerWeights& weights_;
  const ForwardStates& states_;
  const int64_t begin_, rows_, units_, block_steps_, block_rows_, z_stride_;
  const int64_t masks_, inputs_size_, state_size_;
  const Workspace workspace_;
  float *const block_z_, *const packed_inputs_, *const packed_state_;
  float* z_;  // of the current step, or of the next one between steps
};

// The share of one thread if the units are divided: some units of all rows, with weights that it has packed itself.
template <class CellType>
class UnitShare {
 public:
  UnitShare(const CellType& cell, const ForwardPass& pass, const ForwardStates& states, UnitRange units)
      : weights_(pass.recurrence, pass.dims, units, pass.inputs), slice_(cell, pass, weights_, states) {}

  // A step needs the state of all units, so the threads synchronise at each step: twice if the candidate is separate,
  // where the first stage ends with r * h.
  static constexpr int kStagesPerStep = CellType::kSeparateCandidate ? 2 : 1;

  void run_stage(int64_t stage) {
    if (stage == 0) weights_.pack();
    if (stage % kStagesPerStep == 0) slice_.begin_step(stage / kStagesPerStep);
    if (stage % kStagesPerStep == kStagesPerStep - 1) slice_.end_step(stage / kStagesPerStep);
  }

 private:
  const LayerWeights weights_;
  ForwardSlice<CellType> slice_;
};

template <class CellType>
void divide_units(const CellType& cell, const ForwardPass& pass, TaskGroup& threads, int count) {
  const ForwardStates states(pass, 0, pass.schedule.rows(), true);
  const int64_t vectors = pass.dims.padded_units / kLanes;
  const std::unique_ptr<std::unique_ptr<UnitShare<CellType>>[]> shares(new std::unique_ptr<UnitShare<CellType>>[count]);
  for (int i = 0; i < count; ++i) {
    const int64_t begin = vectors * i / count * kLanes, end = vectors * (i + 1) / count * kLanes;
    shares[i].reset(new UnitShare<CellType>(cell, pass, states, {begin, end - begin}));
  }
  states.read_initial_states();
  StagedTasks stages(pass.schedule.steps() * UnitShare<CellType>::kStagesPerStep, count);
  stages.run(threads, [&](int64_t stage, int share) { shares[share]->run_stage(stage); });
  states.write_results();
}

template <class CellType>
void divide_rows(const CellType& cell, const ForwardPass& pass, TaskGroup& threads) {
  const LayerWeights weights(pass.recurrence, pass.dims, pass.dims.all_units(), pass.inputs);
  weights.pack_bias();
  threads.run(weights.parts(), [&](int part) { weights.pack_part(part); });
  const int slices = threads.size();
  threads.run(slices, [&](int i) {
    const int64_t begin = i == 0 ? 0 : pass.schedule.slice_end(i - 1, slices), end = pass.schedule.slice_end(i, slices);
    if (begin == end) return;
    const ForwardStates states(pass, begin, end, false);
    ForwardSlice<CellType>(cell, pass, weights, states).run();
  });
}

// With fewer multiply-adds than this for a thread, waking it takes longer than it saves.
constexpr int64_t kMinWorkPerThread = 1000000;
// The same for its synchronisation with the other threads, in each step.
constexpr int64_t kMinWorkPerStage = 32000;

UNROLLED_INLINE int useful_threads(int64_t rows, int64_t work) {
  const int64_t most = work / kMinWorkPerThread;
  return static_cast<int>(at_most(rows, most < 1 ? 1 : at_most(most, 4096)));
}

// forward() of kernels.h for one cell.
template <class CellType>
void run_forward(const Recurrence& recurrence, const Sizes& sizes, const Inputs& inputs, const Outputs& outputs,
                 float* tape) {
  const CellType cell(recurrence);
  const Dims dims(recurrence, sizes);
  const BatchSchedule schedule(recurrence, sizes, inputs.mask, inputs.resets);
  if (tape != nullptr) Tape(dims, schedule, tape).clear_shared_state();
  const ForwardPass pass{recurrence, dims, schedule, inputs, outputs, tape};
  const int64_t work = schedule.row_offset(schedule.steps()) * (sizes.features + sizes.units) * dims.gate_columns;
  const int for_rows = useful_threads(schedule.rows(), work);
  const int64_t most =
      at_most(dims.padded_units / kLanes, schedule.rows() * sizes.units * dims.gate_columns / kMinWorkPerStage);
  int for_units = useful_threads(most < 1 ? 1 : most, work);
  if (for_units > for_rows && !StagedTasks::are_worthwhile()) for_units = for_rows;
  TaskGroup threads(for_rows > for_units ? for_rows : for_units);
  const int shares = static_cast<int>(at_most(threads.size(), for_units));
  if (schedule.rows() < shares) {
    divide_units(cell, pass, threads, shares);
  } else {
    divide_rows(cell, pass, threads);
  }
}

}  // namespace unrolled::UNROLLED_TARGET
