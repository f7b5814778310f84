// How the columns of the gates lie in memory, and which of them share an operand.
#pragma once

#include "kernel/gemm.h"
#include "kernels.h"
#include "runtime/schedule.h"

namespace unrolled::UNROLLED_ISA {

// Consecutive units of a layer in whole vectors: those from H on are padding.
struct UnitRange {
  int64_t first, count;
};

// Rows of gates are padded: each gate has a slot of whole vectors. A GRU has a fourth slot, for the
// part of the candidate that comes from the state, and its slots are ordered so that those that meet
// `kernel` (h z r) and those that meet `recurrent_kernel` (z r and the fourth) both lie side by side.
struct Slots {
  int gates;              // G
  int slots;              // in a row
  int kernel_slot[4];     // of each gate
  int recurrent_slot[4];  // of each gate
};

constexpr Slots kLstmSlots{4, 4, {0, 1, 2, 3}, {0, 1, 2, 3}};
constexpr Slots kGruResetAfterSlots{3, 4, {1, 2, 0}, {1, 2, 3}};
constexpr Slots kGruResetBeforeSlots{3, 4, {1, 2, 0}, {1, 2, 0}};
constexpr Slots kSimpleRnnSlots{1, 1, {0}, {0}};

UNROLLED_INLINE const Slots& slots_of(const Recurrence& recurrence) {
  if (recurrence.cell == Cell::lstm) return kLstmSlots;
  if (recurrence.cell == Cell::simple_rnn) return kSimpleRnnSlots;
  return recurrence.reset_after ? kGruResetAfterSlots : kGruResetBeforeSlots;
}

// Gates in consecutive slots that are multiplied with the same operand.
struct Group {
  int first_slot;
  int slots;
  int gate[4];  // the gate of each slot
  int mask;     // the dropout mask of the operand
};

struct Groups {
  int count;
  Group group[4];
  int masks;  // different operands: 1, or one for each gate
};

// In a GRU that resets before the product, the candidate has an operand of its own: r * h.
UNROLLED_INLINE bool candidate_apart(const Recurrence& recurrence) {
  return recurrence.cell == Cell::gru && !recurrence.reset_after;
}

// One of the product with `kernel` and one of that with `recurrent_kernel`.
UNROLLED_INLINE bool two_biases(const Recurrence& recurrence) {
  return recurrence.cell == Cell::gru && recurrence.reset_after;
}

UNROLLED_INLINE Groups groups_of(const Slots& slots, const int* slot_of, int masks, bool candidate_apart) {
  Groups result{};
  result.masks = masks > 1 ? slots.gates : 1;
  int gate_in[4] = {-1, -1, -1, -1};
  for (int gate = 0; gate < slots.gates; ++gate) gate_in[slot_of[gate]] = gate;
  bool open = false;
  for (int slot = 0; slot < slots.slots; ++slot) {
    const int gate = gate_in[slot];
    if (gate < 0) continue;
    if (!open) {
      Group& next = result.group[result.count++];
      next.first_slot = slot;
      next.mask = masks > 1 ? gate : 0;
    }
    Group& group = result.group[result.count - 1];
    group.gate[group.slots++] = gate;
    open = masks <= 1 && !(candidate_apart && slot == 0);
  }
  return result;
}

struct Geometry {
  Geometry(const Recurrence& recurrence, const Sizes& sizes)
      : slots(slots_of(recurrence)),
        has_cell_state(recurrence.cell == Cell::lstm),
        batch(sizes.batch),
        time(sizes.time),
        features(sizes.features),
        units(sizes.units),
        padded_units(round_up(sizes.units, kLanes)),
        row(slots.slots * padded_units) {}

  int64_t tape_size() const {
    return batch * time * row + (batch + batch * time) * padded_units * (has_cell_state ? 2 : 1);
  }

  UnitRange all_units() const { return {0, padded_units}; }

  const Slots& slots;
  bool has_cell_state;
  int64_t batch, time, features, units;
  int64_t padded_units;  // of a slot
  int64_t row;           // of all slots: one row of gates
};

// The rows of all steps, packed one step after another, the rows of a step in the order of the plan.
class Tape {
 public:
  Tape(const Geometry& geometry, const Plan& plan, const float* data)
      : geometry_(geometry),
        plan_(plan),
        gates_(const_cast<float*>(data)),
        h_(gates_ + geometry.batch * geometry.time * geometry.row),
        c_(h_ + (geometry.batch + geometry.batch * geometry.time) * geometry.padded_units) {}

  // What step s did in row r: for each gate its value, or its input where the slope needs that.
  float* gates(int64_t s, int64_t r) const { return gates_ + (plan_.first(s) + r) * geometry_.row; }
  // The states before step s, so that those after it are the ones before s + 1.
  float* h(int64_t s, int64_t r) const { return h_ + state_row(s, r) * geometry_.padded_units; }
  float* c(int64_t s, int64_t r) const { return c_ + state_row(s, r) * geometry_.padded_units; }

 private:
  int64_t state_row(int64_t s, int64_t r) const { return s == 0 ? r : geometry_.batch + plan_.first(s - 1) + r; }

  const Geometry& geometry_;
  const Plan& plan_;
  float *gates_, *h_, *c_;
};

// The rows of a block of consecutive steps that one slice computes together: enough for the products
// that do not wait for the state to use each packed panel many times, few enough to stay in cache.
constexpr int64_t kBlockRows = 64;

UNROLLED_INLINE void copy_padded(float* to, const float* from, int64_t count, int64_t padded) {
  if (from != nullptr) std::memcpy(to, from, static_cast<size_t>(count) * sizeof(float));
  const int64_t copied = from != nullptr ? count : 0;
  std::memset(to + copied, 0, static_cast<size_t>(padded - copied) * sizeof(float));
}

// Row b of an optional [B, columns] array.
UNROLLED_INLINE const float* row_of(const float* array, int64_t b, int64_t columns) {
  return array != nullptr ? array + b * columns : nullptr;
}

}  // namespace unrolled::UNROLLED_ISA
