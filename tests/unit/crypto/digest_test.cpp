#include "daemoneye/crypto/digest.h"

#include <gtest/gtest.h>

#include "daemoneye/base/text.h"

namespace de::crypto {
namespace {

std::string hex(const Digest& digest) { return de::to_hex(as_bytes(digest)); }

// The input of the official BLAKE3 vectors: 0, 1, 2, ... 250, 0, 1, ...
std::string counting(std::size_t bytes) {
  std::string text(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(i % 251);
  return text;
}

TEST(Sha256, MatchesFips180Vectors) {
  EXPECT_EQ(hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hex(sha256(std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesHashLikeTheWholeAndFinishStartsOver) {
  Sha256 hash;
  for (int round = 0; round < 3; ++round) {
    const std::string text = counting(10'000);
    for (std::size_t at = 0; at < text.size(); at += 777) hash.update(std::string_view(text).substr(at, 777));
    EXPECT_EQ(hash.finish(), sha256(text));
  }
}

TEST(Sha256, CanBeMoved) {
  Sha256 first;
  first.update("a");
  Sha256 second = std::move(first);
  second.update("bc");
  EXPECT_EQ(second.finish(), sha256("abc"));
}

TEST(Blake3, MatchesOfficialVectors) {
  EXPECT_EQ(hex(blake3("")), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
  EXPECT_EQ(hex(blake3("abc")), "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85");
  EXPECT_EQ(hex(blake3(counting(1))), "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213");
  EXPECT_EQ(hex(blake3(counting(1024))), "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7");
}

TEST(Blake3, PiecesHashLikeTheWholeAndFinishStartsOver) {
  Blake3 hash;
  for (int round = 0; round < 3; ++round) {
    const std::string text = counting(10'000);
    for (std::size_t at = 0; at < text.size(); at += 777) hash.update(std::string_view(text).substr(at, 777));
    EXPECT_EQ(hash.finish(), blake3(text));
  }
}

TEST(Blake3, ContextSeparatesAndSurvivesFinish) {
  // Official derive_key vector for one zero byte.
  Blake3 derived("BLAKE3 2019-12-27 16:29:52 test vectors context");
  for (int round = 0; round < 2; ++round) {
    derived.update(counting(1));
    EXPECT_EQ(hex(derived.finish()), "b3e2e340a117a499c6cf2398a19ee0d29cca2bb7404c73063382693bf66cb06c");
  }
  EXPECT_NE(Blake3("one").finish(), Blake3("two").finish());
  EXPECT_NE(Blake3("one").finish(), Blake3().finish());
}

TEST(RandomBytes, FillsEverything) {
  std::array<std::uint8_t, 64> a{};
  std::array<std::uint8_t, 64> b{};
  random_bytes(a);
  random_bytes(b);
  EXPECT_NE(a, b);
  random_bytes({});
}

}  // namespace
}  // namespace de::crypto
