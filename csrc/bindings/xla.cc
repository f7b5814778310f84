// The kernels for XLA, through its foreign function interface: JAX calls them without Python.
#include <new>
#include <stdexcept>

#include "bindings/arguments.h"
#include "bindings/frameworks.h"
#include "runtime/parallel.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

// How XLA hands over a Recurrence: each field is an attribute of the same name, an enumeration as int32.
XLA_FFI_REGISTER_ENUM_ATTR_DECODING(unrolled::Cell);
XLA_FFI_REGISTER_ENUM_ATTR_DECODING(unrolled::Activation);
XLA_FFI_REGISTER_STRUCT_ATTR_DECODING(unrolled::Recurrence, StructMember<unrolled::Cell>("cell"),
                                      StructMember<unrolled::Activation>("activation"),
                                      StructMember<unrolled::Activation>("recurrent_activation"),
                                      StructMember<bool>("reset_after"), StructMember<bool>("go_backwards"),
                                      StructMember<bool>("return_sequences"),
                                      StructMember<bool>("zero_output_for_mask"));

namespace unrolled {
namespace {

using Floats = ffi::Buffer<ffi::F32>;
using Booleans = ffi::Buffer<ffi::PRED>;
using Result = ffi::Result<Floats>;

template <typename Buffer>
Array from_xla(const char* name, const Buffer& buffer) {
  const auto shape = buffer.dimensions();
  return {name, buffer.untyped_data(), shape.begin(), shape.size()};
}

InputArrays from_xla(Floats sequences, Floats kernel, Floats recurrent_kernel, Floats bias, Floats initial_h,
                     Floats initial_c, Booleans mask, Floats input_dropout, Floats recurrent_dropout) {
  return {from_xla("sequences", sequences),
          from_xla("kernel", kernel),
          from_xla("recurrent_kernel", recurrent_kernel),
          from_xla("bias", bias),
          from_xla("initial_h", initial_h),
          from_xla("initial_c", initial_c),
          from_xla("mask", mask),
          from_xla("input_dropout", input_dropout),
          from_xla("recurrent_dropout", recurrent_dropout)};
}

// Computes on XLA's threads. No exception may reach it.
template <typename Work>
ffi::Error answer(ffi::ThreadPool& pool, const Work& work) {
  const Lender lender{[](void* threads, void (*task)(void*), void* data) {
                        static_cast<ffi::ThreadPool*>(threads)->Schedule([=] { task(data); });
                      },
                      &pool, static_cast<int>(pool.num_threads())};
  const Borrowing borrowing(lender);
  try {
    work();
    return ffi::Error::Success();
  } catch (const std::invalid_argument& error) {
    return ffi::Error::InvalidArgument(error.what());
  } catch (const std::bad_alloc&) {
    return ffi::Error(ffi::ErrorCode::kResourceExhausted, "native kernel: out of memory.");
  } catch (const std::exception& error) {
    return ffi::Error::Internal(error.what());
  }
}

ffi::Error forward_for_xla(ffi::ThreadPool pool, Recurrence recurrence, Floats sequences, Floats kernel,
                           Floats recurrent_kernel, Floats bias, Floats initial_h, Floats initial_c, Booleans mask,
                           Floats input_dropout, Floats recurrent_dropout, Result outputs, Result h, Result c,
                           Result tape) {
  return answer(pool, [&] {
    ForwardCall(recurrence,
                from_xla(sequences, kernel, recurrent_kernel, bias, initial_h, initial_c, mask, input_dropout,
                         recurrent_dropout),
                {from_xla("outputs", *outputs), from_xla("h", *h), from_xla("c", *c)}, from_xla("tape", *tape))
        .run();
  });
}

ffi::Error backward_for_xla(ffi::ThreadPool pool, Recurrence recurrence, Floats sequences, Floats kernel,
                            Floats recurrent_kernel, Floats bias, Floats initial_h, Floats initial_c, Booleans mask,
                            Floats input_dropout, Floats recurrent_dropout, Floats tape, Floats outputs, Floats h,
                            Floats c, Result sequences_gradient, Result kernel_gradient,
                            Result recurrent_kernel_gradient, Result bias_gradient, Result initial_h_gradient,
                            Result initial_c_gradient) {
  return answer(pool, [&] {
    BackwardCall(
        recurrence,
        from_xla(sequences, kernel, recurrent_kernel, bias, initial_h, initial_c, mask, input_dropout,
                 recurrent_dropout),
        from_xla("tape", tape),
        {from_xla("outputs cotangent", outputs), from_xla("h cotangent", h), from_xla("c cotangent", c)},
        {from_xla("sequences gradient", *sequences_gradient), from_xla("kernel gradient", *kernel_gradient),
         from_xla("recurrent_kernel gradient", *recurrent_kernel_gradient), from_xla("bias gradient", *bias_gradient),
         from_xla("initial_h gradient", *initial_h_gradient), from_xla("initial_c gradient", *initial_c_gradient)})
        .run();
  });
}

auto bind_inputs() {
  return ffi::Ffi::Bind()
      .Ctx<ffi::ThreadPool>()
      .Attrs<Recurrence>()
      .Arg<Floats>()    // sequences [B, T, F]
      .Arg<Floats>()    // kernel [F, G*H]
      .Arg<Floats>()    // recurrent_kernel [H, G*H]
      .Arg<Floats>()    // bias
      .Arg<Floats>()    // initial_h [B, H]
      .Arg<Floats>()    // initial_c [B, H]
      .Arg<Booleans>()  // mask [B, T]
      .Arg<Floats>()    // input_dropout [M, B, F]
      .Arg<Floats>();   // recurrent_dropout [M, B, H]
}

XLA_FFI_DEFINE_HANDLER(kXlaForward, forward_for_xla,
                       bind_inputs()
                           .Ret<Floats>()    // outputs [B, T or 1, H]
                           .Ret<Floats>()    // h [B, H]
                           .Ret<Floats>()    // c [B, H]
                           .Ret<Floats>());  // tape

XLA_FFI_DEFINE_HANDLER(kXlaBackward, backward_for_xla,
                       bind_inputs()
                           .Arg<Floats>()  // tape
                           .Arg<Floats>()  // cotangents of outputs, h and c
                           .Arg<Floats>()
                           .Arg<Floats>()
                           .Ret<Floats>()  // gradients of the six first inputs
                           .Ret<Floats>()
                           .Ret<Floats>()
                           .Ret<Floats>()
                           .Ret<Floats>()
                           .Ret<Floats>());

}  // namespace

void* xla_forward() { return reinterpret_cast<void*>(kXlaForward); }

void* xla_backward() { return reinterpret_cast<void*>(kXlaBackward); }

}  // namespace unrolled
