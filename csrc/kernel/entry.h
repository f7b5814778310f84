// From the rules of a cell to its entry points.
#pragma once

#include "dispatch.h"
#include "kernel/backward.h"

namespace unrolled::UNROLLED_ISA {

// What each cell offers, defined in its own file.
struct Passes {
  void (*forward)(const Recurrence&, const Sizes&, const Inputs&, const Outputs&, float* tape);
  void (*backward)(const Recurrence&, const Sizes&, const Inputs&, const float* tape, const Cotangents&,
                   const Gradients&);
  Stream* (*open_stream)(const Recurrence&, const Sizes&, const float* kernel, const float* recurrent_kernel,
                         const float* bias);
};

extern const Passes kLstm, kGru, kSimpleRnn;

// One step at a time: a forward pass of one step whose plan, weights and memory are kept.
class OpenStream : public Stream {
 public:
  virtual ~OpenStream() = default;
  virtual void step(const float* inputs, float* h, float* c) = 0;
};

template <class Rule>
class RuleStream final : public OpenStream {
 public:
  RuleStream(const Rule& rule, const Recurrence& recurrence, const Sizes& sizes, const float* kernel,
             const float* recurrent_kernel, const float* bias)
      : rule_(rule),
        recurrence_(one_step(recurrence)),
        geometry_(recurrence_, sizes),
        plan_(recurrence_, sizes, nullptr),
        layer_(recurrence_, geometry_, geometry_.all_units(), kernel, recurrent_kernel, 1, 1),
        packed_(layer_.size()),
        states_(pass_, 0, sizes.batch, false),
        slice_((prepare(bias), rule_), pass_, layer_, states_) {}

  void step(const float* inputs, float* h, float* c) override {
    const FlushDenormals flush;
    inputs_.sequences = inputs;
    inputs_.initial_h = outputs_.h = h;
    inputs_.initial_c = outputs_.c = c;
    slice_.run();
  }

 private:
  static Recurrence one_step(Recurrence recurrence) {
    recurrence.go_backwards = recurrence.return_sequences = false;
    return recurrence;
  }

  void prepare(const float* bias) {
    layer_.place(packed_.data());
    layer_.pack_bias(geometry_.slots, bias, two_biases(recurrence_));
    for (int part = 0; part < layer_.parts(); ++part) layer_.pack(part);
  }

  const Rule rule_;
  const Recurrence recurrence_;
  const Geometry geometry_;
  const Plan plan_;
  Inputs inputs_{};
  Outputs outputs_{};
  const ForwardPass pass_{recurrence_, geometry_, plan_, inputs_, outputs_, nullptr};
  PackedLayer layer_;
  const Scratch packed_;
  const ForwardStates states_;
  ForwardSlice<Rule> slice_;
};

template <class Rule>
Stream* make_stream(const Rule& rule, const Recurrence& recurrence, const Sizes& sizes, const float* kernel,
                    const float* recurrent_kernel, const float* bias) {
  return new RuleStream<Rule>(rule, recurrence, sizes, kernel, recurrent_kernel, bias);
}

}  // namespace unrolled::UNROLLED_ISA

// Defines a cell's Passes from the with_rule() of its file.
#define UNROLLED_PASSES(name)                                                                                          \
  const Passes name{                                                                                                   \
      [](const Recurrence& recurrence, const Sizes& sizes, const Inputs& inputs, const Outputs& outputs,               \
         float* tape) {                                                                                                \
        with_rule(recurrence, [&](const auto& rule) { run_forward(rule, recurrence, sizes, inputs, outputs, tape); }); \
      },                                                                                                               \
      [](const Recurrence& recurrence, const Sizes& sizes, const Inputs& inputs, const float* tape,                    \
         const Cotangents& cotangents, const Gradients& gradients) {                                                   \
        with_rule(recurrence, [&](const auto& rule) {                                                                  \
          run_backward(rule, recurrence, sizes, inputs, tape, cotangents, gradients);                                  \
        });                                                                                                            \
      },                                                                                                               \
      [](const Recurrence& recurrence, const Sizes& sizes, const float* kernel, const float* recurrent_kernel,         \
         const float* bias) {                                                                                          \
        Stream* stream = nullptr;                                                                                      \
        with_rule(recurrence, [&](const auto& rule) {                                                                  \
          stream = make_stream(rule, recurrence, sizes, kernel, recurrent_kernel, bias);                               \
        });                                                                                                            \
        return stream;                                                                                                 \
      },                                                                                                               \
  };
