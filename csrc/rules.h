// How the rules of a cell call their activations.
#pragma once

#include "activations.h"
#include "simd.h"

namespace unrolled::UNROLLED_ISA {

// An activation that is known when the rule is compiled.
template <Activation A>
struct Known {
  Vec value(Vec x) const { return UNROLLED_ISA::value<A>(x); }
  // What the tape keeps of input x and value y, and what is read back from it.
  Vec saved(Vec x, Vec y) const { return kSlopeNeedsInput<A> ? x : y; }
  Vec value_of_saved(Vec saved) const { return kSlopeNeedsInput<A> ? UNROLLED_ISA::value<A>(saved) : saved; }
  Vec slope_of_saved(Vec saved) const { return UNROLLED_ISA::slope<A>(saved); }
};

// One that is known when it is called.
struct Any {
  Vec value(Vec x) const {
    return dispatch(activation, [x](auto chosen) { return Known<decltype(chosen)::activation>().value(x); });
  }
  Vec saved(Vec x, Vec y) const { return activation == Activation::silu || activation == Activation::gelu ? x : y; }
  Vec value_of_saved(Vec saved) const {
    return dispatch(activation,
                    [saved](auto chosen) { return Known<decltype(chosen)::activation>().value_of_saved(saved); });
  }
  Vec slope_of_saved(Vec saved) const {
    return dispatch(activation,
                    [saved](auto chosen) { return Known<decltype(chosen)::activation>().slope_of_saved(saved); });
  }

  Activation activation;
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
