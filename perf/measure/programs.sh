# shellcheck shell=bash
# programs.sh (sourced by bash): what the measurements run, made or fetched where it is missing. No
# other server is installed on the host: installed, its service would start and stay.

# find_program ROOT TARGET...: unless ADIT_BIN names a program, adit with these targets in build/perf,
# optimized; ADIT_BIN and ADIT_BENCH_DIR then say where.
find_program() {
  local root=$1 build=$1/build/perf
  shift
  if [ -z "${ADIT_BIN:-}" ]; then
    install_missing "${BUILD_PACKAGES[@]}" libbenchmark-dev
    echo "Building $* (build/perf)" >&2
    mkdir -p "$build"
    { cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DADIT_TESTS=OFF &&
      cmake --build "$build" --target "$@"; } >"$build/build.log" 2>&1 ||
      { tail -20 "$build/build.log" >&2; return 1; }
    ADIT_BIN=$(find_adit "$build")
    ADIT_BENCH_DIR=$build/perf
  fi
  export ADIT_BIN ADIT_BENCH_DIR=${ADIT_BENCH_DIR:-}
}

# unpack_softether DIR: Debian's packages of SoftEther below DIR/softether, unless they are installed.
unpack_softether() {
  local dir=$1
  [ ! -x /usr/libexec/softether/vpnserver/vpnserver ] || return 0
  [ ! -x "$dir/softether/usr/libexec/softether/vpnserver/vpnserver" ] || return 0
  install_missing libreadline8 libssl3 zlib1g
  echo "Unpacking SoftEther below $dir/softether" >&2
  rm -rf "$dir/softether.new"
  mkdir -p "$dir/softether.new"
  (
    cd "$dir/softether.new" || exit
    { apt-get -qq update; apt-get -qq download softether-vpnserver softether-vpncmd softether-common; } \
      >/dev/null 2>&1 || exit
    for package in *.deb; do dpkg-deb -x "$package" . || exit; done
    rm -f -- *.deb
  ) && mv "$dir/softether.new" "$dir/softether" || echo "SoftEther's packages are not to be had" >&2
}

# make_kernel_root ROOT DIR: the root file system of strongSwan, xl2tpd and pppd, DIR/guest. Only where
# the kernel could use it: the row is skipped elsewhere, and says so.
make_kernel_root() {
  [ -e /dev/ppp ] || return 0
  install_missing mmdebstrap
  "$1/gateway/demo/mkguest" "$2" || echo "no root file system for the kernel's stack" >&2
}
