#include "kernel/entry.h"

namespace unrolled::UNROLLED_ISA {
namespace {

// h' = a(z)
template <class Act>
struct SimpleRnnRule {
  static constexpr bool kOwnRecurrentSlot = false;
  static constexpr bool kCandidateApart = false;

  void advance(const ForwardRow& row) const {
    for (int64_t n = 0; n < row.units; n += kLanes) {
      const Vec z = load(row.z + n), h = a.value(z);
      store(row.h + n, h);
      if (row.gates != nullptr) store(row.gates + n, a.saved(z, h));
    }
  }

  void retreat(const BackwardRow& row) const {
    for (int64_t n = 0; n < row.units; n += kLanes) {
      store(row.dz + n, load(row.dh + n) * a.slope_of_saved(load(row.gates + n)));
      store(row.dh + n, Vec{});
    }
  }

  Act a;
};

template <class Visitor>
void with_rule(const Recurrence& recurrence, const Visitor& visit) {
  Recurrence without_gates = recurrence;
  without_gates.recurrent_activation = Activation::sigmoid;  // of no effect, but one of the usual pairs
  with_activations(without_gates, [&](auto a, auto) { visit(SimpleRnnRule<decltype(a)>{a}); });
}

}  // namespace

UNROLLED_PASSES(kSimpleRnn)

}  // namespace unrolled::UNROLLED_ISA
