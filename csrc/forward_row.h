// What a cell's equations see of a forward pass.
#pragma once

#include "simd.h"

namespace unrolled::UNROLLED_ISA {

// Some units, or all, of one row at one step. Every pointer is to the first of them, in whole vectors.
struct ForwardRow {
  const float* z;         // [slots, units] what the products gave
  const float* h_before;  // [units]
  const float* c_before;
  float* gates;         // of the tape, null in inference
  int64_t gate_stride;  // from a slot of gates to the next
  float* h;             // [units] may be h_before
  float* c;             // may be c_before
  int64_t units;        // padded
};

}  // namespace unrolled::UNROLLED_ISA
