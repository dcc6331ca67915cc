#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace replicate {

/// How ggml stores the numbers of a tensor. Source: block_q4_0 to block_q6_K in ggml-common.h.
///
/// The q types hold 32 numbers a block: float16 scale d (and minimum m), then the quants q.
/// q4_0: d (q - 8); q5_0: d (q - 16); q8_0: d q; q4_1, q5_1: d q + m.
///
/// The K types hold 256 numbers a block in groups of 16 (q2_K, q3_K, q6_K) or 32 (q4_K, q5_K), each
/// with a small integer s that scales d (and n that scales m) for it. q2_K, q4_K, q5_K:
/// d s q - m n; q3_K: d s (q - 4); q6_K: d s (q - 32).
enum class TensorType { f32, f16, bf16, q4_0, q4_1, q5_0, q5_1, q8_0, q2_k, q3_k, q4_k, q5_k, q6_k };

std::span<const TensorType> tensor_types();   ///< all of them
std::string_view type_name(TensorType type);  ///< as ggml spells it: "F32", "Q4_K", ...
int64_t block_elements(TensorType type);      ///< numbers in a block: 1, 32 or 256
int64_t block_bytes(TensorType type);         ///< bytes of a block

/// Decodes whole blocks to float32, exactly: no value is rounded that the format's definition does
/// not round. Callers slice `bytes` by block to decode some rows. Any alignment. Error when
/// `numbers` is no whole number of blocks, or `bytes` is not as long as those blocks.
void dequantize(TensorType type, std::span<const std::byte> bytes, std::span<float> numbers);

/// What a number changes by where its quant is one larger, d or d s above; 0 for types that are not quantised. Takes
/// and refuses what dequantize does.
void quantization_steps(TensorType type, std::span<const std::byte> bytes, std::span<float> steps);

/// Whether no number of these whole blocks is NaN or infinite. Reads scales and minima alone, a small part of decoding.
bool all_finite(TensorType type, std::span<const std::byte> bytes);

}  // namespace replicate
