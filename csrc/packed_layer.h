// The weights that forward passes of one layer have in common.
#pragma once

#include "geometry.h"
#include "weights.h"

namespace unrolled::UNROLLED_ISA {

// Those of some units of a layer, or of all, packed.
struct PackedLayer {
  // kernel [F, G*H] and recurrent_kernel [H, G*H] are read by pack(). The masks are the numbers of dropout
  // masks, 1 where there is no dropout.
  PackedLayer(const Recurrence& recurrence, const Geometry& geometry, UnitRange units, const float* from_kernel,
              const float* from_recurrent_kernel, int input_masks, int recurrent_masks)
      : range(units),
        row(geometry.slots.slots * units.count),
        kernel{from_kernel,
               geometry.features,
               geometry.units,
               units,
               geometry.slots.gates,
               groups_of(geometry.slots, geometry.slots.kernel_slot, input_masks, false),
               false},
        recurrent_kernel{
            from_recurrent_kernel,
            geometry.units,
            geometry.units,
            units,
            geometry.slots.gates,
            groups_of(geometry.slots, geometry.slots.recurrent_slot, recurrent_masks, candidate_apart(recurrence)),
            false} {}

  PackedLayer(const Recurrence& recurrence, const Geometry& geometry, UnitRange units, const Inputs& inputs)
      : PackedLayer(recurrence, geometry, units, inputs.kernel, inputs.recurrent_kernel,
                    inputs.input_dropout != nullptr ? inputs.input_dropout_masks : 1,
                    inputs.recurrent_dropout != nullptr ? inputs.recurrent_dropout_masks : 1) {}

  int64_t size() const { return kernel.size() + recurrent_kernel.size() + row; }

  // Takes size() floats, which pack() and pack_bias() write.
  void place(float* at) {
    kernel.packed = at;
    recurrent_kernel.packed = at + kernel.size();
    bias = recurrent_kernel.packed + recurrent_kernel.size();
  }

  int parts() const { return kernel.parts() + recurrent_kernel.parts(); }

  void pack(int part) const {
    if (part < kernel.parts()) {
      kernel.pack(part);
    } else {
      recurrent_kernel.pack(part - kernel.parts());
    }
  }

  // Where both biases of a gate meet in one slot they are added. `from` is [G*H], [2, G*H] with two, or null.
  void pack_bias(const Slots& slots, const float* from, bool two) const {
    std::memset(bias, 0, static_cast<size_t>(row) * sizeof(float));
    if (from == nullptr) return;
    from += range.first;
    for (int half = 0; half < (two ? 2 : 1); ++half) {
      for (int gate = 0; gate < slots.gates; ++gate, from += kernel.units) {
        float* const to = bias + (half == 0 ? slots.kernel_slot : slots.recurrent_slot)[gate] * range.count;
        for (int64_t n = 0; n < valid_units(); ++n) to[n] += from[n];
      }
    }
  }

  int64_t valid_units() const { return at_most(range.count, kernel.units - range.first); }

  UnitRange range;
  int64_t row;  // of all slots
  Weights kernel, recurrent_kernel;
  float* bias = nullptr;  // [row]
};

}  // namespace unrolled::UNROLLED_ISA
