# shellcheck shell=bash
# What scripts/run, test, package and compare-osu share: words to the user, packages, and building a preset.
# The caller sets `set -euo pipefail` and `program` (its name in messages).

# shellcheck disable=SC2154  # program is the caller's
say() { printf '%s: %s\n' "$program" "$*" >&2; }

# die STATUS SENTENCE
die() {
  local status=$1
  shift
  say "$*"
  exit "$status"
}

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
logs="$repository/build/logs"

# --- Packages ---------------------------------------------------------------------------------------------------------

# Each row is PACKAGE|PROBE|WHY. The probe says that the thing is there without the package: a command, a pkg-config
# module (pc:NAME), or nothing (-), in which case only the package counts.
# shellcheck disable=SC2034  # for the scripts that source this file
build_packages=(
  "g++|g++|the compiler"
  "cmake|cmake|configures the build"
  "ninja-build|ninja|runs the build"
  "pkg-config|pkg-config|finds hwloc"
  "libopenmpi-dev|mpicc|MPI, which is measured and carries the control messages"
  "openmpi-bin|mpirun|starts the ranks"
  "libhwloc-dev|pc:hwloc|cores, NUMA nodes and PCI devices"
  "libfmt-dev|pc:fmt|text output"
  "libexpat1-dev|pc:expat|topology files of NCCL and hwloc"
  "libcxxopts-dev|pc:cxxopts|the command line"
  "libtomlplusplus-dev|pc:tomlplusplus|target files"
  "zlib1g-dev|pc:zlib|compressed logs"
  "nlohmann-json3-dev|pc:nlohmann_json|result files"
)
# Only better with it: PACKAGE|PROBE|WHAT ONE DOES WITHOUT.
# shellcheck disable=SC2034
optional_packages=(
  "libibverbs-dev|pc:libibverbs|checks by RDMA verbs"
)
# For scripts/package and its test.
# shellcheck disable=SC2034
package_packages=(
  "dpkg-dev|dpkg-shlibdeps|finds out which packages the program needs"
  "file|file|tells CPack which files are programs"
)

installed_packages=0

# Names of the rows that are neither installed nor found by their probe, one per line.
missing_of() {
  local row package probe names=()
  for row in "$@"; do names+=("${row%%|*}"); done
  local have=""
  if command -v dpkg-query >/dev/null; then
    have=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${names[@]}" 2>/dev/null || true)
  fi
  for row in "$@"; do
    IFS='|' read -r package probe _ <<<"$row"
    [[ $'\n'$have$'\n' == *$'\n'"$package installed"$'\n'* ]] && continue
    case $probe in
      -) ;;
      pc:*) pkg-config --exists "${probe#pc:}" 2>/dev/null && continue ;;
      *) command -v "$probe" >/dev/null && continue ;;
    esac
    printf '%s\n' "$package"
  done
}

# The third field of the row of PACKAGE: why_of PACKAGE ROW…
why_of() {
  local package=$1 row
  shift
  for row in "$@"; do
    [[ ${row%%|*} == "$package" ]] && printf '%s' "${row##*|}" && return
  done
}

# as_root COMMAND…: by sudo unless already root.
as_root() {
  if [[ $EUID == 0 ]]; then
    "$@"
  else
    sudo "$@"
  fi
}

# apt_install PACKAGE…: quiet; on failure the last lines of apt's own words.
apt_install() {
  mkdir -p "$logs"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    -o DPkg::Lock::Timeout=300 "$@" >"$logs/apt.log" 2>&1 </dev/null
}

os_name() {
  local name
  name=$(sed -n 's/^PRETTY_NAME="\(.*\)"$/\1/p' /etc/os-release 2>/dev/null) || true
  printf '%s' "${name:-this system}"
}

apt_updated=0
apt_update() {
  [[ $apt_updated == 0 ]] || return 0
  apt_updated=1
  mkdir -p "$logs"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q -o DPkg::Lock::Timeout=300 \
    >"$logs/apt-update.log" 2>&1 </dev/null ||
    say "apt-get update failed (build/logs/apt-update.log); going on with the package lists that are here"
}

# install_missing MAY_INSTALL ROW…: installs what is missing of the rows, or ends with status 3 and the command to run.
install_missing() {
  local may_install=$1 package
  shift
  local missing=()
  mapfile -t missing < <(missing_of "$@")
  [[ ${#missing[@]} -gt 0 ]] || return 0
  local command="apt-get install -y --no-install-recommends ${missing[*]}"
  for package in "${missing[@]}"; do say "missing: $package ($(why_of "$package" "$@"))"; done
  if ! command -v apt-get >/dev/null; then
    die 3 "no apt-get here; install what Debian and Ubuntu call: ${missing[*]}"
  fi
  if [[ $may_install == 0 ]]; then
    die 3 "--no-install was given; to install them: sudo apt-get update && sudo $command"
  fi
  if [[ $EUID != 0 ]] && ! command -v sudo >/dev/null; then
    die 3 "neither root nor sudo here; run as root: apt-get update && $command"
  fi
  apt_update
  say "installing: $command"
  if ! apt_install "${missing[@]}"; then
    tail -n 15 "$logs/apt.log" >&2
    die 3 "apt-get could not install them on $(os_name); Debian 12, Ubuntu 24.04 and later have all of them; the whole log is build/logs/apt.log"
  fi
  installed_packages=1
}

# install_optional MAY_INSTALL ROW…: tries once, and says what one does without.
install_optional() {
  local may_install=$1 package refused
  shift
  local missing=()
  mapfile -t missing < <(missing_of "$@")
  for package in "${missing[@]}"; do
    refused="$repository/build/.refused-$package"
    if [[ $may_install == 1 && ! -e $refused ]] && command -v apt-get >/dev/null &&
      { [[ $EUID == 0 ]] || command -v sudo >/dev/null; }; then
      apt_update
      say "installing: apt-get install -y --no-install-recommends $package (for $(why_of "$package" "$@"))"
      if apt_install "$package"; then
        installed_packages=1
        continue
      fi
      touch "$refused"
    fi
    say "without $package: no $(why_of "$package" "$@") (to have it: sudo apt-get install $package$(
      [[ ! -e $refused ]] || printf '; it could not be installed here, see build/logs/apt.log'
    ))"
  done
}

# --- Building ---------------------------------------------------------------------------------------------------------

runner=()
processors=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

# Objects are shared between presets and checkouts where ccache is there.
use_ccache() {
  command -v ccache >/dev/null || return 0
  export CCACHE_DIR="${CCACHE_DIR:-$repository/build/ccache}" CCACHE_BASEDIR="$repository" CCACHE_NOHASHDIR=1
  export CCACHE_SLOPPINESS="${CCACHE_SLOPPINESS:-time_macros}"
}

require_build_folder() {
  mkdir -p "$repository/build" 2>/dev/null || true
  [[ -w $repository/build ]] || die 3 "cannot write to $repository/build; work in a copy of your own"
}

# run_logged NAME COMMAND…: output to build/logs/NAME.log.
run_logged() {
  local log="$logs/$1.log"
  shift
  mkdir -p "$logs"
  "$@" >"$log" 2>&1 </dev/null
}

# cached PRESET VARIABLE: its value in the CMake cache of the preset, or nothing.
cached() {
  local cache="$repository/build/$1/CMakeCache.txt"
  [[ -f $cache ]] || return 0
  sed -n "s|^$2:[A-Z]*=||p" "$cache"
}

# configure PRESET [-DVARIABLE=VALUE…]: when something it depends on is new; ninja itself looks after the rest.
configure() {
  local preset=$1 folder="$repository/build/$1" argument changed=0
  shift
  if [[ -f $folder/CMakeCache.txt && $(cached "$preset" CMAKE_HOME_DIRECTORY) != "$repository" ]]; then
    say "build/$preset was made for another folder; configuring it afresh"
    rm -rf "$folder"
  fi
  if command -v ccache >/dev/null; then
    # An existing tree keeps the launcher it has: changing it would rebuild everything.
    [[ -f $folder/build.ninja ]] || set -- "$@" -DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache
  fi
  [[ -f $folder/build.ninja && $installed_packages == 0 ]] || changed=1
  for argument in "$@"; do
    argument=${argument#-D}
    [[ $(cached "$preset" "${argument%%[:=]*}") == "${argument#*=}" ]] || changed=1
  done
  [[ $changed == 1 ]] || return 0
  (cd "$repository" && run_logged "$preset-configure" cmake --preset "$preset" "$@")
}

# build PRESET [TARGET…], with the caller's `runner` before ninja where there is one.
build() {
  local preset=$1
  shift
  run_logged "$preset-build" "${runner[@]}" ninja -C "$repository/build/$preset" -j "$processors" "$@"
}

# The last words of a failed step, without ninja's and ctest's lines about what went well.
show_log() {
  local log="$logs/$1.log" lines=${2:-40}
  [[ -s $log ]] || return 0
  {
    printf -- '--- %s\n' "build/logs/$1.log, last lines:"
    grep -vE '^\[[0-9]+/[0-9]+\] |^ +Start +[0-9]+: |^ *[0-9]+/[0-9]+ Test .* Passed ' "$log" | tail -n "$lines"
    printf -- '---\n'
  } >&2
}
