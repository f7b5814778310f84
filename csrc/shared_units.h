// The forward pass of fewer sequences than there are threads: the threads share the units.
//
// Each takes its units through all steps, with weights that it has packed itself. A step needs the state of all units,
// so the threads meet once for each, twice where a candidate needs r * h of all units.
#pragma once

#include "forward_slice.h"
#include "stages.h"

namespace unrolled::UNROLLED_ISA {

template <class Rule>
class UnitShare {
 public:
  UnitShare(const Rule& rule, const ForwardPass& pass, const ForwardStates& states, UnitRange units)
      : pass_(pass),
        layer_(pass.recurrence, pass.geometry, units, pass.inputs),
        packed_(layer_.size()),
        slice_(rule, pass, (layer_.place(packed_.data()), layer_), states) {}

  // Of a step that has two, the first stage ends where r * h is known.
  static constexpr int kStagesOfStep = Rule::kCandidateApart ? 2 : 1;

  void work(int64_t stage) {
    if (stage == 0) pack();
    if (stage % kStagesOfStep == 0) slice_.begin_step(stage / kStagesOfStep);
    if (stage % kStagesOfStep == kStagesOfStep - 1) slice_.end_step(stage / kStagesOfStep);
  }

 private:
  void pack() const {
    layer_.pack_bias(pass_.geometry.slots, pass_.inputs.bias, two_biases(pass_.recurrence));
    for (int part = 0; part < layer_.parts(); ++part) layer_.pack(part);
  }

  const ForwardPass& pass_;
  PackedLayer layer_;
  const Scratch packed_;
  ForwardSlice<Rule> slice_;
};

template <class Rule>
void share_units(const Rule& rule, const ForwardPass& pass, Team& team, int count) {
  const ForwardStates states(pass, 0, pass.geometry.batch, true);
  const int64_t vectors = pass.geometry.padded_units / kLanes;
  const std::unique_ptr<std::unique_ptr<UnitShare<Rule>>[]> shares(new std::unique_ptr<UnitShare<Rule>>[count]);
  for (int i = 0; i < count; ++i) {
    const int64_t begin = vectors * i / count * kLanes, end = vectors * (i + 1) / count * kLanes;
    shares[i].reset(new UnitShare<Rule>(rule, pass, states, {begin, end - begin}));
  }
  states.read();
  Stages stages(pass.plan.steps() * UnitShare<Rule>::kStagesOfStep, count);
  stages.run(team, [&](int64_t stage, int share) { shares[share]->work(stage); });
  states.write();
}

}  // namespace unrolled::UNROLLED_ISA
