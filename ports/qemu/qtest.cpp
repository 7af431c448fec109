#include <ports/qemu/qtest.hpp>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>

namespace sluice::ports::qemu {

std::string hex(std::uint64_t value) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, 16).ptr;
  return "0x" + std::string{digits.data(), end};
}

std::string Qtest::failure() const {
  const std::lock_guard guard{one_at_a_time_};
  return failure_;
}

std::uint64_t Qtest::calls() const {
  const std::lock_guard guard{one_at_a_time_};
  return calls_;
}

std::uint64_t Qtest::read(char width, std::uint64_t at) {
  const std::string line = std::string{"read"} + width + ' ' + hex(at);
  const std::string answer = ask(line); // "OK 0x0000000000000000"
  constexpr std::string_view before = "OK 0x";
  std::uint64_t value{};
  if (answer.rfind(before, 0) != 0 ||
      std::from_chars(answer.data() + before.size(), answer.data() + answer.size(), value, 16).ec != std::errc{}) {
    const std::lock_guard guard{one_at_a_time_};
    fail(line, "the answer was '" + answer + "'");
    return ~0ULL;
  }
  return value;
}

void Qtest::write(char width, std::uint64_t at, std::uint64_t value) {
  command(std::string{"write"} + width + ' ' + hex(at) + ' ' + hex(value));
}

void Qtest::pulse_irq(const std::string& device, unsigned input) {
  for (const char* const level : {" 1", " 0"}) {
    command("set_irq_in " + device + " unnamed-gpio-in " + std::to_string(input) + level);
  }
}

void Qtest::command(const std::string& line) {
  const std::string answer = ask(line);
  if (answer != "OK") {
    const std::lock_guard guard{one_at_a_time_};
    fail(line, "the answer was '" + answer + "'");
  }
}

std::string Qtest::ask(std::string_view line) {
  const std::lock_guard guard{one_at_a_time_};
  if (!failure_.empty()) {
    return "";
  }
  std::string answer;
  if (!send(line)) {
    return fail(line, "QEMU closed the connection");
  }
  do {
    if (!receive(answer)) {
      return fail(line, std::strerror(errno));
    }
  } while (answer.rfind("IRQ ", 0) == 0); // news that nobody asked for
  ++calls_;
  return answer;
}

bool Qtest::send(std::string_view line) {
  const std::string text = std::string{line} + '\n';
  return ::send(peer_.get(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

// The next line without its end. False with errno: ETIMEDOUT, ECONNRESET or what poll and recv say.
bool Qtest::receive(std::string& line) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::milliseconds{limit_ms_};
  for (;;) {
    if (const auto found = unread_.find('\n'); found != std::string::npos) {
      line = unread_.substr(0, found);
      unread_.erase(0, found + 1);
      return true;
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    pollfd waiting{peer_.get(), POLLIN, 0};
    const int ready = left > 0 ? ::poll(&waiting, 1, static_cast<int>(left)) : 0;
    if (ready == 0) {
      errno = ETIMEDOUT;
      return false;
    }
    std::array<char, 512> part{};
    const auto n = ready < 0 ? -1 : ::recv(peer_.get(), part.data(), part.size(), 0);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      errno = n == 0 ? ECONNRESET : errno;
      return false;
    }
    unread_.append(part.data(), static_cast<std::size_t>(n));
  }
}

std::string Qtest::fail(std::string_view line, std::string_view why) {
  if (failure_.empty()) {
    failure_ = "qtest '" + std::string{line} + "': " + std::string{why};
  }
  return "";
}

} // namespace sluice::ports::qemu
