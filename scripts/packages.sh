# Sourced by run. need GROUP...: installs the Debian packages that are missing, saying which and why; silent when all
# are there.

packages_of() {
  case $1 in
  build) echo "g++ cmake ninja-build" ;;
  libs) echo "libcli11-dev libfmt-dev nlohmann-json3-dev" ;;
  tests) echo "libgtest-dev libgmock-dev libfdt-dev device-tree-compiler" ;;
  bench) echo "libbenchmark-dev" ;;
  lint) echo "clang-format codespell" ;;
  python) echo "python3" ;;
  qemu) echo "qemu-system-arm" ;;
  guest) echo "debian-archive-keyring e2fsprogs device-tree-compiler" ;;
  cross) echo "g++-aarch64-linux-gnu" ;;
  clang) echo "clang" ;;
  fuzz) echo "libclang-rt-14-dev" ;;
  esac
}

reason_of() {
  case $1 in
  build) echo "to compile" ;;
  libs) echo "libraries of the command line tool" ;;
  tests) echo "to run the tests" ;;
  bench) echo "to measure" ;;
  lint) echo "to check format and spelling" ;;
  python) echo "for the scripts of test and lint" ;;
  qemu) echo "the other SMMUv3, and bare metal" ;;
  guest) echo "to check what a guest is made of, its root disk, its device tree" ;;
  cross) echo "to build the core for bare metal, and a guest's programs" ;;
  clang) echo "the second compiler, and fuzzing" ;;
  fuzz) echo "libFuzzer and its sanitizers" ;;
  esac
}

need() {
  local group package missing=()
  if ! command -v dpkg-query apt-get >/dev/null; then
    return # not Debian: CMake names what it does not find
  fi
  for group; do
    for package in $(packages_of "$group"); do
      if [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
        [ ${#missing[@]} -gt 0 ] || echo "run: these packages are missing and will be installed with apt-get:" >&2
        printf '  %-22s %s\n' "$package" "$(reason_of "$group")" >&2
        missing+=("$package")
      fi
    done
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  local root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "neither root nor sudo here; install as root: apt-get install ${missing[*]}"
    root=(sudo)
  fi
  mkdir -p build/logs
  if ! { "${root[@]}" apt-get update &&
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } \
    >build/logs/apt.log 2>&1; then
    tail -n 20 build/logs/apt.log >&2
    die "apt-get failed; the whole log is build/logs/apt.log"
  fi
}
