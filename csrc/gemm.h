// The matrix product: one register tile and the packing that feeds it.
//
//   C[r, n] = start[r, n] + sum over k of A[r, k] * B[k, n]
//
// The sum runs over k in order, one fused multiply-add after another in one register, whatever the
// shape of the tile. So a row of C has the same bits whichever rows are computed beside it, and
// results do not depend on how rows or columns are dealt to threads.
#pragma once

#include <cstdint>
#include <cstring>

#include "simd.h"

namespace unrolled::UNROLLED_ISA {

// A tile holds kTileRows x kTileVectors sums in registers and needs a few more for its operands.
#if defined(__AVX512F__)
constexpr int kTileRows = 12, kTileVectors = 2;
#elif defined(__AVX2__)
constexpr int kTileRows = 6, kTileVectors = 2;
#elif defined(__aarch64__)
constexpr int kTileRows = 6, kTileVectors = 4;
#else
constexpr int kTileRows = 4, kTileVectors = 2;
#endif
constexpr int kPanel = kTileVectors * kLanes;  // columns of B that are packed side by side
constexpr int64_t kDepth = 256;                // of a block of A; with one panel of B it fits the first cache
constexpr int64_t kRowStride = kDepth + 16;    // not a power of two: rows of a block must not share cache sets
constexpr int kThinRows = 2;                   // up to here one panel cannot hide the latency of the sums
constexpr int kThinPanels = 4;

UNROLLED_INLINE int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}
UNROLLED_INLINE int64_t at_most(int64_t value, int64_t bound) { return value < bound ? value : bound; }

// The stride of rows of `columns` floats that are neither split over a vector nor 2 KB apart.
UNROLLED_INLINE int64_t row_stride(int64_t columns) { return round_up(columns, kLanes) + 16; }

// Element (r, k) of A is at a[r * RowStride + k * a_step], element (k, n) of panel p of B is at
// b[p * panel_stride + k * b_step + n]. RowStride is a constant, else the compiler spills the sums.
template <int Rows, int Vectors, int Panels, int64_t RowStride>
UNROLLED_INLINE void tile(const float* a, int64_t a_step, const float* b, int64_t b_step, int64_t panel_stride,
                          int64_t depth, const float* start, int64_t start_stride, float* c, int64_t c_stride) {
  Vec sum[Rows][Panels][Vectors];
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int p = 0; p < Panels; ++p)
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) sum[r][p][v] = load(start + r * start_stride + (p * Vectors + v) * kLanes);
  for (int64_t k = 0; k < depth; ++k) {
    Vec right[Panels][Vectors];
#pragma GCC unroll 8
    for (int p = 0; p < Panels; ++p)
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) right[p][v] = load(b + p * panel_stride + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
      const Vec left = broadcast(a[r * RowStride]);
#pragma GCC unroll 8
      for (int p = 0; p < Panels; ++p)
#pragma GCC unroll 8
        for (int v = 0; v < Vectors; ++v) sum[r][p][v] += left * right[p][v];
    }
    a += a_step;
    b += b_step;
  }
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int p = 0; p < Panels; ++p)
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) store(c + r * c_stride + (p * Vectors + v) * kLanes, sum[r][p][v]);
}

// Calls tile() with the number of rows that is known only now.
template <int Vectors, int64_t RowStride, int Rows = kTileRows>
UNROLLED_INLINE void tile_of(int64_t rows, const float* a, int64_t a_step, const float* b, int64_t b_step,
                             int64_t depth, const float* start, int64_t start_stride, float* c, int64_t c_stride) {
  if (rows == Rows) {
    tile<Rows, Vectors, 1, RowStride>(a, a_step, b, b_step, 0, depth, start, start_stride, c, c_stride);
  } else if constexpr (Rows > 1) {
    tile_of<Vectors, RowStride, Rows - 1>(rows, a, a_step, b, b_step, depth, start, start_stride, c, c_stride);
  }
}

}  // namespace unrolled::UNROLLED_ISA
