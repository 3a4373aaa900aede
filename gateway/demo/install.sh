# install.sh (sourced by bash): the Debian 12 packages of this project, and a way to install what of
# them is missing.

BUILD_PACKAGES=(g++ cmake ninja-build pkg-config libabsl-dev libbotan-2-dev libtomlplusplus-dev
  libspdlog-dev libcli11-dev libcap-dev libnftables-dev)
# Many packets at once, on the one architecture that it is written for.
[ "$(dpkg --print-architecture)" != amd64 ] || BUILD_PACKAGES+=(libipsec-mb-dev)
TEST_PACKAGES=(libgtest-dev libgmock-dev libtins-dev nlohmann-json3-dev zlib1g-dev libbenchmark-dev
  nftables python3 dnsmasq-base tshark)

# install_missing PACKAGE...: says what it installs; says nothing if there is nothing to do.
install_missing() {
  local package missing=()
  for package in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
      missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ]; then
    echo "As root, first: apt-get install --no-install-recommends ${missing[*]}" >&2
    return 1
  fi
  echo "Installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update && apt-get -qq -y install --no-install-recommends "${missing[@]}" >/dev/null
}
