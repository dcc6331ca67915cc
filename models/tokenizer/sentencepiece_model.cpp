// SentencePiece's own files, through its library.

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/mapped_file.h"
#include "models/tokenizer/sentencepiece_check.h"
#include "models/tokenizer/tokenizer.h"
#include "models/tokenizer/tokenizer_builder.h"

#ifdef REPLICATE_SENTENCEPIECE

#include <sentencepiece_processor.h>

namespace replicate {
namespace {

using Processor = sentencepiece::SentencePieceProcessor;

/// A model that the library splits texts with.
class SentencePieceModel : public TokenModel {
 public:
  explicit SentencePieceModel(std::shared_ptr<const Processor> processor) : processor_(std::move(processor)) {}

  void encode(std::string_view text, std::vector<int64_t>& ids) const override {
    std::vector<int> pieces;
    const auto status = processor_->Encode({text.data(), text.size()}, &pieces);
    if (!status.ok())
      throw Error("SentencePiece cannot split the text, " + in_quotes(status.ToString()), "text",
                  "use another tokenizer");
    ids.insert(ids.end(), pieces.begin(), pieces.end());
  }

 private:
  std::shared_ptr<const Processor> processor_;
};

/// The library reports most of what is wrong with a file, and throws the rest.
std::shared_ptr<const Processor> loaded(std::string_view bytes, const std::string& where) {
  auto processor = std::make_shared<Processor>();
  std::string trouble;
  try {
    const auto status = processor->LoadFromSerializedProto({bytes.data(), bytes.size()});
    if (status.ok()) return processor;
    trouble = status.ToString();
  } catch (const std::exception& e) {
    trouble = e.what();
  }
  throw Error("not a model of SentencePiece, " + in_quotes(trouble), where, "fetch the file again");
}

/// -1 is how the library says that there is none.
std::optional<int64_t> id_or_nothing(int id) { return id < 0 ? std::nullopt : std::optional<int64_t>(id); }

}  // namespace

Tokenizer Tokenizer::from_sentencepiece_bytes(std::string_view bytes, const std::string& where) {
  check_sentencepiece_model(bytes, where);
  const auto processor = loaded(bytes, where);
  TokenizerBuilder builder(where, {});
  std::vector<std::string> spelled;
  std::vector<size_t> special;
  for (int id = 0; id < processor->GetPieceSize(); ++id) {
    const auto kind = processor->IsByte(id) ? SentencePieceBpe::Kind::byte : SentencePieceBpe::Kind::normal;
    spelled.push_back(SentencePieceBpe::bytes_of(processor->IdToPiece(id), kind));
    if (processor->IsControl(id) || processor->IsUnknown(id) || processor->IsUnused(id))
      special.push_back(static_cast<size_t>(id));
  }
  builder.set_model(std::make_shared<const SentencePieceModel>(processor), std::move(spelled), bytes);
  for (const auto id : special) builder.set_special(id);
  builder.set_bos(id_or_nothing(processor->bos_id()), true);
  builder.set_eos(id_or_nothing(processor->eos_id()));
  return builder.finish();
}

#else

namespace replicate {

Tokenizer Tokenizer::from_sentencepiece_bytes(std::string_view, const std::string& where) {
  throw Error("this program was built without the SentencePiece library", where,
              "give the model a tokenizer.json, or build with libsentencepiece-dev");
}

#endif

Tokenizer Tokenizer::from_sentencepiece(const std::filesystem::path& path) {
  const MappedFile file = MappedFile::open(path);
  const auto bytes = file.bytes();
  return from_sentencepiece_bytes({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
}

}  // namespace replicate
