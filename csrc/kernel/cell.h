// The interface between a cell's equations and the passes.
//
// A cell is a class of
//   CellType(const Recurrence&)
//   forward_step(const ForwardRow&): the equations of one row at one step
//   backward_step(const BackwardRow&): their derivative
//   kSeparateRecurrentSlot: the last slot of z holds only the product with the state and its bias
//   kSeparateCandidate: the candidate's operand is r * h. The cell then has forward_reset(), which computes it, and
//     backward_candidate() and backward_reset() instead of backward_step().
#pragma once

#include "kernel/activations.h"
#include "kernel/simd.h"

namespace unrolled::UNROLLED_TARGET {

// Some units of one row at one step, or all of them. Every pointer is to the first of these units; memory up to the
// next whole vector may be read and written. h and c may be h_before and c_before; nothing else overlaps.
struct ForwardRow {
  const float* z;         // [slots, units] inputs and state times their weights, plus biases
  const float* h_before;  // [units]
  const float* c_before;  // [units], LSTM only
  float* gates;           // [slots, units] of the tape, slots gate_stride apart; null in inference
  int64_t gate_stride;
  float* h;       // [units]
  float* c;       // [units], LSTM only
  int64_t units;  // padded
};

// All units of one row at one step. No two pointers overlap.
struct BackwardRow {
  const float* gates;     // [slots, units] of the tape
  const float* h_before;  // [units]
  const float* c_before;  // [units], LSTM only
  const float* c;         // [units], LSTM only
  float* dh;              // [units] in: gradient of the state after the step. Out: the part of the gradient of the
                          // state before the step that does not pass through the recurrent product
  float* dc;              // [units], LSTM only, in: gradient of the cell state after the step. Out: before it
  float* dz;              // [slots, units] out: gradient of z
  int64_t units;          // padded
};

// An activation that is a constant of the compiled cell.
template <Activation A>
struct StaticActivation {
  explicit StaticActivation(Activation) {}

  Vec value(Vec x) const { return UNROLLED_TARGET::value<A>(x); }
  // The tape stores saved(x, value(x)), from which the value and the slope are computed again.
  Vec saved(Vec x, Vec y) const { return kSlopeNeedsInput<A> ? x : y; }
  Vec value_of_saved(Vec saved) const { return kSlopeNeedsInput<A> ? UNROLLED_TARGET::value<A>(saved) : saved; }
  // The gradient of the input from that of the value.
  Vec pull_back(Vec saved, Vec gradient) const { return UNROLLED_TARGET::pull_back<A>(saved, gradient); }
};

// An activation that is looked up for each vector.
struct DynamicActivation {
  explicit DynamicActivation(Activation a) : activation(a) {}

  Vec value(Vec x) const {
    return dispatch(activation, [x](auto constant) { return UNROLLED_TARGET::value<constant()>(x); });
  }
  Vec saved(Vec x, Vec y) const { return activation == Activation::silu || activation == Activation::gelu ? x : y; }
  Vec value_of_saved(Vec saved) const {
    return dispatch(activation, [saved](auto constant) {
      return kSlopeNeedsInput<constant()> ? UNROLLED_TARGET::value<constant()>(saved) : saved;
    });
  }
  Vec pull_back(Vec saved, Vec gradient) const {
    return dispatch(activation, [=](auto constant) { return UNROLLED_TARGET::pull_back<constant()>(saved, gradient); });
  }

  Activation activation;
};

}  // namespace unrolled::UNROLLED_TARGET
