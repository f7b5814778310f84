// The one vector type that every kernel is written in. GCC and Clang turn it into whatever the
// instruction set offers, so the same source serves each of them: a translation unit is compiled
// once per set, with UNROLLED_ISA naming the namespace that keeps the copies apart.
//
// Nothing in here or in a file that includes it may instantiate a template of the standard library
// with code of its own: the linker keeps one copy of such a function, and it could be the one
// compiled for instructions that this processor does not have.
#pragma once

#include <cstdint>
#include <cstring>

#ifndef UNROLLED_ISA
#error "compile with -DUNROLLED_ISA=<name of the instruction set>"
#endif

#define UNROLLED_INLINE inline __attribute__((always_inline))

namespace unrolled::UNROLLED_ISA {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float Vec __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));
typedef int32_t IntVec __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));

UNROLLED_INLINE Vec load(const float* from) { return *reinterpret_cast<const Vec*>(from); }
UNROLLED_INLINE void store(float* to, Vec value) { *reinterpret_cast<Vec*>(to) = value; }
UNROLLED_INLINE Vec broadcast(float value) { return value - Vec{}; }

// A comparison of two Vec gives an IntVec of -1 (true) and 0. A NaN compares false.
UNROLLED_INLINE Vec select(IntVec condition, Vec where_true, Vec where_false) {
  return condition ? where_true : where_false;
}

UNROLLED_INLINE IntVec bits(Vec value) {
  IntVec result;
  std::memcpy(&result, &value, sizeof result);
  return result;
}

UNROLLED_INLINE Vec from_bits(IntVec value) {
  Vec result;
  std::memcpy(&result, &value, sizeof result);
  return result;
}

}  // namespace unrolled::UNROLLED_ISA
