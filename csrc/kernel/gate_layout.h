// The layout of the gates in memory, the sizes after padding, and the layout of a tape.
#pragma once

#include "kernel/gemm.h"
#include "kernels.h"
#include "runtime/schedule.h"

namespace unrolled::UNROLLED_TARGET {

// Consecutive units of a layer in whole vectors: those from H on are padding.
struct UnitRange {
  int64_t first, count;
};

// A row of gates is padded: each gate has a slot of whole vectors. A GRU has a fourth slot, for the part of the
// candidate that comes from the state, and its slots are ordered so that those that are multiplied with `kernel`
// (h z r) and those that are multiplied with `recurrent_kernel` (z r and the fourth) are adjacent.
struct GateLayout {
  int gates;              // G
  int slots;              // in a row
  int kernel_slot[4];     // of each gate
  int recurrent_slot[4];  // of each gate
};

constexpr GateLayout kLstmLayout{4, 4, {0, 1, 2, 3}, {0, 1, 2, 3}};
constexpr GateLayout kGruResetAfterLayout{3, 4, {1, 2, 0}, {1, 2, 3}};
constexpr GateLayout kGruResetBeforeLayout{3, 4, {1, 2, 0}, {1, 2, 0}};
constexpr GateLayout kSimpleRnnLayout{1, 1, {0}, {0}};

UNROLLED_INLINE const GateLayout& gate_layout(const Recurrence& recurrence) {
  if (recurrence.cell == Cell::lstm) return kLstmLayout;
  if (recurrence.cell == Cell::simple_rnn) return kSimpleRnnLayout;
  return recurrence.reset_after ? kGruResetAfterLayout : kGruResetBeforeLayout;
}

// A GRU that resets before the product multiplies the candidate's columns with r * h instead of h.
UNROLLED_INLINE bool has_separate_candidate(const Recurrence& recurrence) {
  return recurrence.cell == Cell::gru && !recurrence.reset_after;
}

// One bias for the product with `kernel` and one for that with `recurrent_kernel`.
UNROLLED_INLINE bool has_two_biases(const Recurrence& recurrence) {
  return recurrence.cell == Cell::gru && recurrence.reset_after;
}

// Gates in adjacent slots that are multiplied with the same operand.
struct GateGroup {
  int first_slot;
  int slots;
  int gate[4];  // the gate of each slot
  int mask;     // the dropout mask of the operand
};

struct GateGroups {
  int count;
  GateGroup group[4];
  int masks;  // different operands: 1, or one for each gate
};

// Groups the gates for the product with one weight matrix.
//
// slot_of: [G] the slot of each gate in that product, kernel_slot or recurrent_slot of the layout.
// masks: the number of dropout masks of the operand, 1 without dropout.
UNROLLED_INLINE GateGroups group_gates(const GateLayout& layout, const int* slot_of, int masks,
                                       bool separate_candidate) {
  GateGroups result{};
  result.masks = masks > 1 ? layout.gates : 1;
  int gate_in[4] = {-1, -1, -1, -1};
  for (int gate = 0; gate < layout.gates; ++gate) gate_in[slot_of[gate]] = gate;
  bool extend = false;
  for (int slot = 0; slot < layout.slots; ++slot) {
    const int gate = gate_in[slot];
    if (gate < 0) continue;
    if (!extend) {
      GateGroup& next = result.group[result.count++];
      next.first_slot = slot;
      next.mask = masks > 1 ? gate : 0;
    }
    GateGroup& group = result.group[result.count - 1];
    group.gate[group.slots++] = gate;
    extend = masks <= 1 && !(separate_candidate && slot == 0);
  }
  return result;
}

UNROLLED_INLINE GateGroups input_gate_groups(const Recurrence& recurrence, const Inputs& inputs) {
  const GateLayout& layout = gate_layout(recurrence);
  const int masks = inputs.input_dropout != nullptr ? inputs.input_dropout_masks : 1;
  return group_gates(layout, layout.kernel_slot, masks, false);
}

UNROLLED_INLINE GateGroups recurrent_gate_groups(const Recurrence& recurrence, const Inputs& inputs) {
  const GateLayout& layout = gate_layout(recurrence);
  const int masks = inputs.recurrent_dropout != nullptr ? inputs.recurrent_dropout_masks : 1;
  return group_gates(layout, layout.recurrent_slot, masks, has_separate_candidate(recurrence));
}

struct Dims {
  Dims(const Recurrence& recurrence, const Sizes& sizes)
      : layout(gate_layout(recurrence)),
        has_cell_state(recurrence.cell == Cell::lstm),
        batch(sizes.batch),
        time(sizes.time),
        features(sizes.features),
        units(sizes.units),
        padded_units(round_up(sizes.units, kLanes)),
        gate_columns(layout.slots * padded_units) {}

  int64_t tape_size() const {
    return batch * time * gate_columns + (batch + 1 + batch * time) * padded_units * (has_cell_state ? 2 : 1);
  }

  UnitRange all_units() const { return {0, padded_units}; }

  const GateLayout& layout;
  bool has_cell_state;
  int64_t batch, time, features, units;
  int64_t padded_units;  // of one slot
  int64_t gate_columns;  // of all slots: the floats of one row of gates
};

// The values that a forward pass stores: rows in the order of the schedule, one step after another.
class Tape {
 public:
  // data: Dims::tape_size() floats, or null; dims, schedule and data must outlive the tape.
  Tape(const Dims& dims, const BatchSchedule& schedule, const float* data)
      : dims_(dims),
        schedule_(schedule),
        gates_(const_cast<float*>(data)),
        h_(gates_ + dims.batch * dims.time * dims.gate_columns),
        c_(h_ + (dims.batch + 1 + dims.batch * dims.time) * dims.padded_units) {}

  // [slots, H] padded: for each gate of row r at step s its value, or its input where the slope needs that.
  float* gates(int64_t s, int64_t r) const { return gates_ + (schedule_.row_offset(s) + r) * dims_.gate_columns; }
  // [H] padded: the states before step s; those after it are the states before step s + 1. All rows that begin without
  // an initial state share that before their first step, which is zero.
  float* h(int64_t s, int64_t r) const { return h_ + state_row(s, r) * dims_.padded_units; }
  float* c(int64_t s, int64_t r) const { return c_ + state_row(s, r) * dims_.padded_units; }

  void clear_shared_state() const {
    const size_t bytes = static_cast<size_t>(dims_.padded_units) * sizeof(float);
    std::memset(h_ + dims_.batch * dims_.padded_units, 0, bytes);
    if (dims_.has_cell_state) std::memset(c_ + dims_.batch * dims_.padded_units, 0, bytes);
  }

 private:
  int64_t state_row(int64_t s, int64_t r) const {
    if (s > 0) return dims_.batch + 1 + schedule_.row_offset(s - 1) + r;
    return schedule_.has_initial_state(r) ? schedule_.batch_index(r) : dims_.batch;
  }

  const Dims& dims_;
  const BatchSchedule& schedule_;
  float *gates_, *h_, *c_;
};

// The rows of consecutive steps that a slice multiplies in one product where that does not depend on the state: enough
// to use each packed panel many times, few enough to stay in the cache.
constexpr int64_t kBlockRows = 64;

// Copies `count` floats and fills up with zeros to `padded`; null counts as zeros.
UNROLLED_INLINE void copy_padded(float* to, const float* from, int64_t count, int64_t padded) {
  if (from != nullptr) std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
  const int64_t copied = from != nullptr ? count : 0;
  std::memset(to + copied, 0, static_cast<size_t>(padded - copied) * sizeof(float));
}

// Row b of an optional [B, columns] array.
UNROLLED_INLINE const float* row_of(const float* array, int64_t b, int64_t columns) {
  return array != nullptr ? array + b * columns : nullptr;
}

}  // namespace unrolled::UNROLLED_TARGET
