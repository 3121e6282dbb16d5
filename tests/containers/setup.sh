#!/usr/bin/env bash
# Installs what the container and the browser tests need on Debian 12, as root. Nothing is started here.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
packages=(podman runc crun netavark aardvark-dns docker.io docker-registry debootstrap apache2-utils
  chromium chromium-driver postgresql)
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${packages[@]}"
