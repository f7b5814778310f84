// The vector type that every kernel is written in. GCC and Clang compile it to the instructions of the target, so the
// same source serves all targets: each translation unit is compiled once per target, in a namespace named by
// UNROLLED_TARGET.
//
// Neither this file nor a file that includes it may instantiate a template of the standard library that is not inlined:
// the linker keeps one copy of such a function, possibly one with instructions that this processor does not support.
#pragma once

#include <cstdint>
#include <cstring>

#ifndef UNROLLED_TARGET
#error "compile with -DUNROLLED_TARGET=<name of the target>"
#endif

#define UNROLLED_INLINE inline __attribute__((always_inline))

namespace unrolled::UNROLLED_TARGET {

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

// condition: the comparison of two Vec, -1 (true) or 0. A comparison with NaN is false.
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

}  // namespace unrolled::UNROLLED_TARGET
