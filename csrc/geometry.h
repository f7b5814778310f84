// Sizes after padding, and where a tape keeps what.
#pragma once

#include "layout.h"
#include "plan.h"

namespace unrolled::UNROLLED_ISA {

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
