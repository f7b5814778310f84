// Activation functions and their derivatives, a whole vector at a time.
//
// Each is within 2e-7 or 4 ulp (distances of floats at the exact result) of float64. The stated bounds are the largest
// errors at every 97th float and around zero and every branch, the worst of AVX-512, AVX2 and SSE2 without FMA. Results
// below the normal floats count as zero. NaN gives NaN, except in slopes; infinity gives what the formulas of
// reference.py give, which is NaN where they multiply it with zero.
//
// Coefficients are minimax fits (Remez exchange, weighted by their effect on the result), rounded to float one after
// another; after each rounding the others were fitted again.
#pragma once

#include <cstdint>

#include "kernel/simd.h"
#include "kernels.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace unrolled::UNROLLED_TARGET {

constexpr float kLog2E = 1.44269504f;
constexpr float kHighest = 127.6f;  // as an exponent of two this rounds to that of infinity

UNROLLED_INLINE Vec absolute(Vec x) { return from_bits(bits(x) & 0x7fffffff); }

// A NaN in x is kept: if an operand is NaN, the processor's minimum and maximum return the second operand.
UNROLLED_INLINE Vec minimum(Vec x, float bound) {
#if defined(__AVX512F__)
  return _mm512_maskz_min_ps(0xffff, broadcast(bound), x);
#elif defined(__AVX2__)
  return _mm256_min_ps(broadcast(bound), x);
#elif defined(__SSE2__)
  return _mm_min_ps(broadcast(bound), x);
#else
  return select(bound < x, broadcast(bound), x);
#endif
}

UNROLLED_INLINE Vec maximum(Vec x, float bound) {
#if defined(__AVX512F__)
  return _mm512_maskz_max_ps(0xffff, broadcast(bound), x);
#elif defined(__AVX2__)
  return _mm256_max_ps(broadcast(bound), x);
#elif defined(__SSE2__)
  return _mm_max_ps(broadcast(bound), x);
#else
  return select(bound > x, broadcast(bound), x);
#endif
}

// Zero for every number.
UNROLLED_INLINE Vec nan_at_infinity(Vec x) { return x - x; }

// The smaller of x * factor and highest, as whole + fraction with |fraction| <= 1/2; scale is 2^whole,
// 0 when too small and infinity when too large for a float.
struct Split {
  Vec whole, fraction, scale;
};

UNROLLED_INLINE Split split(Vec x, float factor, float highest = kHighest) {
#if defined(__AVX512DQ__)
  const Vec product = highest < kHighest ? minimum(x * factor, highest) : x * factor;
  // The fraction of infinity is 0, so nothing else has to be clamped.
  const Vec fraction = _mm512_reduce_ps(product, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const Vec whole = product - fraction;
  return {whole, fraction, _mm512_maskz_scalef_ps(0xffff, broadcast(1.0f), whole)};
#else
  // Adding 1.5 * 2^23 rounds to an integer, left in the low bits; 127 more make it the exponent of scale.
  // The clamps keep that in [0, 255], the exponents of 0 and of infinity.
  constexpr float kRound = 12582912.0f + 127.0f;
  const float low = (factor > 0 ? -127.4f : highest) / factor, high = (factor > 0 ? highest : -127.4f) / factor;
  x = maximum(minimum(x, high), low);
  const Vec rounded = x * factor + kRound;
  const Vec whole = rounded - kRound;
  return {whole, x * factor - whole, from_bits(bits(rounded) << 23)};
#endif
}

// 2^f - 1 for |f| <= 1/2, exact at 0; the polynomial is off by at most 9.7e-8 * 2^f.
UNROLLED_INLINE Vec fractional_power_minus_one(Vec f) {
  return f * (0.693147f + f * (0.24022225f + f * (0.05550651f + f * (0.009672646f + f * 0.0013303531f))));
}

// 2^(x * factor). The product is rounded: relative error 2.1e-7 + 5e-8 * |x * factor|.
UNROLLED_INLINE Vec power_of_two(Vec x, float factor) {
  const Split s = split(x, factor);
  return s.scale * (1.0f + fractional_power_minus_one(s.fraction));
}

// 2^(x * factor) - 1, with x * factor clamped to highest < 128. At most 1.1e-7, 12 ulp, below 0.
UNROLLED_INLINE Vec power_of_two_minus_one(Vec x, float factor, float highest) {
  const Split s = split(x, factor, highest);
  return s.scale * fractional_power_minus_one(s.fraction) + (s.scale - 1.0f);
}

// At most 1.1e-7.
UNROLLED_INLINE Vec sigmoid(Vec x) { return 1.0f / (1.0f + power_of_two(x, -kLog2E)); }

// At most 1.5e-7, 16 ulp; never beyond -1 and 1. In this form small x keep their relative accuracy.
UNROLLED_INLINE Vec hyperbolic_tangent(Vec x) {
  const Vec e = power_of_two_minus_one(x, 2 * kLog2E, 30.0f);
  return e / (e + 2.0f);
}

// log(1 + e) for e in [0, 1], which is 2 * atanh(z) with z = e / (2 + e); the polynomial is off by 4.6e-9 * z^3.
UNROLLED_INLINE Vec logarithm_of_one_plus(Vec e) {
  const Vec z = e / (2.0f + e);
  const Vec z2 = z * z;
  return z * (2.0f + z2 * (0.6666641f + z2 * (0.4002175f + z2 * (0.27998212f + z2 * 0.2802943f))));
}

// P(N > a) of the standard normal distribution N for a in [0, 14]; absolute error 1.4e-7 / (a + 0.3).
UNROLLED_INLINE Vec normal_tail(Vec a) {
  const Vec log2 =
      -1.0f +
      a * (-1.1511331f +
           a * (-0.45898062f + a * (-0.05313402f + a * (0.007903094f + a * (-0.0007157971f + a * 2.7057491e-05f)))));
  return power_of_two(log2, 1.0f);
}

// Largest errors where |value| <= 1; beyond, in ulp: linear and relu 0; tanh 1.5e-7; sigmoid 1.1e-7;
// hard_sigmoid 4e-8; elu 1.1e-7, 0 ulp; softsign 9e-8; softplus 2.2e-7 (3.6 ulp there), 1.5 ulp; silu
// 1.1e-7, 1.7 ulp; gelu 1.8e-7, 1.8 ulp. Softsign of infinity is NaN.
template <Activation A>
UNROLLED_INLINE Vec value(Vec x) {
  if constexpr (A == Activation::linear) return x;
  if constexpr (A == Activation::tanh) return hyperbolic_tangent(x);
  if constexpr (A == Activation::sigmoid) return sigmoid(x);
  if constexpr (A == Activation::hard_sigmoid) return maximum(minimum(x * (1.0f / 6) + 0.5f, 1.0f), 0.0f);
  if constexpr (A == Activation::relu) return maximum(x, 0.0f);
  if constexpr (A == Activation::elu) return select(x > 0.0f, x, power_of_two_minus_one(x, kLog2E, 0.0f));
  if constexpr (A == Activation::softsign) return x / (1.0f + absolute(x));
  if constexpr (A == Activation::softplus) {
    return maximum(x, 0.0f) + logarithm_of_one_plus(power_of_two(absolute(x), -kLog2E));
  }
  if constexpr (A == Activation::silu) return x / (1.0f + power_of_two(x, -kLog2E));
  if constexpr (A == Activation::gelu) {
    const Vec a = minimum(absolute(x), 14.0f);
    // The last term is NaN at -infinity and zero elsewhere.
    return maximum(x, 0.0f) - a * normal_tail(a) + minimum(x, 0.0f) * 0.0f;
  }
}

// True if slope() takes the input of the activation, false if it takes the value.
template <Activation A>
constexpr bool kSlopeNeedsInput = A == Activation::silu || A == Activation::gelu;

// The derivative of a smooth activation, for pull_back(). Largest errors, computed from the result of value():
// tanh 3.2e-7, sigmoid 1.2e-7, softsign 1.2e-7, softplus 1.7e-7; computed from the input: silu 1.9e-7, gelu 4.5e-7.
// Those of pull_back(): hard_sigmoid 5e-9 (but 0 where a value next to a kink was rounded to 0 or 1), elu 1.4e-7;
// linear and relu 0.
template <Activation A>
UNROLLED_INLINE Vec slope(Vec saved) {
  if constexpr (A == Activation::tanh) return 1.0f - saved * saved;
  if constexpr (A == Activation::sigmoid) return saved - saved * saved;
  if constexpr (A == Activation::softsign) {
    const Vec rest = 1.0f - absolute(saved);
    return rest * rest;
  }
  if constexpr (A == Activation::softplus) return -power_of_two_minus_one(saved, -kLog2E, 0.0f);
  if constexpr (A == Activation::silu) {
    const Vec x = maximum(minimum(saved, 80.0f), -80.0f);
    const Vec e = power_of_two(x, -kLog2E);
    const Vec s = 1.0f / (1.0f + e);
    return s + s * x * (e * s) + nan_at_infinity(saved);  // e * s is 1 - s without its cancellation
  }
  if constexpr (A == Activation::gelu) {
    const Vec a = minimum(absolute(saved), 14.0f);
    // At -a: the tail minus a times the density, 1 / sqrt(2 pi) * exp(-a * a / 2). At a: 1 minus that.
    const Vec left = normal_tail(a) - (0.39894228f * a) * power_of_two(a * a, -0.5f * kLog2E);
    return select(saved > 0.0f, 1.0f - left, left) + nan_at_infinity(saved);
  }
}

// The gradient of the input of the activation from that of its value: gradient * slope(saved). Where a piece of the
// activation is constant, nothing passes, NaN and infinity neither, as in Keras on JAX.
template <Activation A>
UNROLLED_INLINE Vec pull_back(Vec saved, Vec gradient) {
  const Vec zero = broadcast(0.0f);
  if constexpr (A == Activation::linear) {
    return gradient;
  } else if constexpr (A == Activation::relu) {
    return select(saved > 0.0f, gradient, zero);
  } else if constexpr (A == Activation::elu) {
    return select(saved > 0.0f, gradient, gradient * (saved + 1.0f));
  } else if constexpr (A == Activation::hard_sigmoid) {
    return select((saved > 0.0f) & (saved < 1.0f), gradient * (1.0f / 6), zero);
  } else {
    return gradient * slope<A>(saved);
  }
}

template <Activation A>
struct ActivationConstant {
  constexpr Activation operator()() const { return A; }
};

// Calls visit(ActivationConstant<A>{}).
template <class Visitor>
UNROLLED_INLINE auto dispatch(Activation activation, Visitor visit) {
  switch (activation) {
    case Activation::linear: return visit(ActivationConstant<Activation::linear>{});
    case Activation::tanh: return visit(ActivationConstant<Activation::tanh>{});
    case Activation::sigmoid: return visit(ActivationConstant<Activation::sigmoid>{});
    case Activation::hard_sigmoid: return visit(ActivationConstant<Activation::hard_sigmoid>{});
    case Activation::relu: return visit(ActivationConstant<Activation::relu>{});
    case Activation::elu: return visit(ActivationConstant<Activation::elu>{});
    case Activation::softsign: return visit(ActivationConstant<Activation::softsign>{});
    case Activation::softplus: return visit(ActivationConstant<Activation::softplus>{});
    case Activation::silu: return visit(ActivationConstant<Activation::silu>{});
    case Activation::gelu: return visit(ActivationConstant<Activation::gelu>{});
  }
  __builtin_unreachable();
}

}  // namespace unrolled::UNROLLED_TARGET
