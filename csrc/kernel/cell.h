// What a cell's equations see of a pass, and how they call their activations.
#pragma once

#include "kernel/activations.h"
#include "kernel/simd.h"

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

// One row at one step, as a cell sees it. Every pointer is to whole vectors.
struct BackwardRow {
  const float* gates;  // [row] of the tape
  const float* h_before;
  const float* c_before;
  const float* c;
  float* dh;      // [H] in: gradient of the state after the step. Out: what of it reaches the state before
                  // without passing through the recurrent product
  float* dc;      // [H] in: gradient of the cell state after the step. Out: before it
  float* dz;      // [row] out: gradient of what the products gave
  int64_t units;  // padded
};

// Calls visit(activation, recurrent_activation): the usual pairs compiled for themselves, the rest
// chosen as it runs.
template <class Visitor>
void with_activations(const Recurrence& recurrence, const Visitor& visit) {
  if (recurrence.recurrent_activation == Activation::sigmoid && recurrence.activation == Activation::tanh) {
    visit(Known<Activation::tanh>(), Known<Activation::sigmoid>());
  } else if (recurrence.recurrent_activation == Activation::sigmoid && recurrence.activation == Activation::relu) {
    visit(Known<Activation::relu>(), Known<Activation::sigmoid>());
  } else {
    visit(Any{recurrence.activation}, Any{recurrence.recurrent_activation});
  }
}

}  // namespace unrolled::UNROLLED_ISA
