# Sourced. private_apt FOLDER SUITE...: makes apt-get work in FOLDER with lists and a state of its own for these suites
# of Debian, and reads their lists. Signatures are checked against Debian's keys, /etc/apt stays untouched, nothing is
# installed, and no root, mount or namespace is needed. The caller has functions `say` and `fail`.

quietly() { "$@" >"$apt/log" 2>&1 || { tail -n 5 "$apt/log" >&2; return 1; }; }

private_apt() {
  apt=$1
  shift
  local tool suite keys=/usr/share/keyrings/debian-archive-keyring.gpg
  for tool in apt-get dpkg-deb python3; do
    command -v "$tool" >/dev/null || fail "$tool is missing"
  done
  [[ -f $keys ]] || fail "$keys is missing (Debian package debian-archive-keyring)"
  # The mirror that this machine uses already, if it is Debian.
  mirror=$({ grep -rhoE '^[^#]*https?://[^ ]+/debian/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null || true; } |
    grep -oE 'https?://[^ ]+' | head -n 1)
  mirror=${mirror:-http://deb.debian.org/debian}
  rm -rf "$apt"
  mkdir -p "$apt"/{lists/partial,cache/archives/partial,state,none}
  : >"$apt/status"
  for suite; do
    echo "deb [signed-by=$keys] $mirror $suite main"
  done >"$apt/sources.list"
  cat >"$apt/apt.conf" <<CONF
Dir::State "$apt/state";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "$apt/none";
Dir::Etc::preferencesparts "$apt/none";
Dir::Etc::preferences "$apt/none/preferences";
APT::Architecture "amd64";
APT::Architectures { "amd64"; "arm64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
CONF
  export APT_CONFIG=$apt/apt.conf
  say "reading the package lists of $*"
  quietly apt-get -q -o APT::Update::Error-Mode=any update || fail "the package lists cannot be read from $mirror: no network?"
}
