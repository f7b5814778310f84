// The forward pass that all cells share, divided among threads.
//
// Each thread takes a slice of the batch through all steps, so that nobody waits within the loop; where that would
// leave threads without work, they share the units.
#pragma once

#include "shared_units.h"

namespace unrolled::UNROLLED_ISA {

// Below this many multiply-adds a thread is not worth waking.
constexpr int64_t kWorkForThread = 1000000;
// Below this many in each step a thread is not worth meeting.
constexpr int64_t kWorkForMeeting = 32000;

UNROLLED_INLINE int threads_for(int64_t rows, int64_t work) {
  const int64_t most = work / kWorkForThread;
  return static_cast<int>(at_most(rows, most < 1 ? 1 : at_most(most, 4096)));
}

template <class Rule>
void share_rows(const Rule& rule, const ForwardPass& pass, Team& team) {
  PackedLayer layer(pass.recurrence, pass.geometry, pass.geometry.all_units(), pass.inputs);
  const Scratch scratch(layer.size());
  layer.place(scratch.data());
  layer.pack_bias(pass.geometry.slots, pass.inputs.bias, two_biases(pass.recurrence));
  team.run(layer.parts(), [&](int part) { layer.pack(part); });
  const int slices = team.size();
  team.run(slices, [&](int i) {
    const int64_t begin = i == 0 ? 0 : pass.plan.slice_end(i - 1, slices), end = pass.plan.slice_end(i, slices);
    if (begin == end) return;
    const ForwardStates states(pass, begin, end, false);
    ForwardSlice<Rule>(rule, pass, layer, states).run();
  });
}

template <class Rule>
void run_forward(const Rule& rule, const Recurrence& recurrence, const Sizes& sizes, const Inputs& inputs,
                 const Outputs& outputs, float* tape) {
  const Geometry geometry(recurrence, sizes);
  const Plan plan(recurrence, sizes, inputs.mask);
  const ForwardPass pass{recurrence, geometry, plan, inputs, outputs, tape};
  const int64_t work = plan.first(plan.steps()) * (sizes.features + sizes.units) * geometry.row;
  const int for_rows = threads_for(sizes.batch, work);
  const int64_t most =
      at_most(geometry.padded_units / kLanes, sizes.batch * sizes.units * geometry.row / kWorkForMeeting);
  int for_units = threads_for(most < 1 ? 1 : most, work);
  if (for_units > for_rows && !Stages::are_worthwhile()) for_units = for_rows;
  Team team(for_rows > for_units ? for_rows : for_units);
  const int shares = static_cast<int>(at_most(team.size(), for_units));
  if (sizes.batch < shares) {
    share_units(rule, pass, team, shares);
  } else {
    share_rows(rule, pass, team);
  }
}

}  // namespace unrolled::UNROLLED_ISA
