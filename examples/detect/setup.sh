#!/bin/sh
# Fetches ONNX Runtime and a model from npm packages into the folder .setup, and builds detect there. None of it belongs in the
# repository: the model's authors name no licence.
set -eu
cd "$(dirname "$0")"
mkdir -p .setup
dir=$(mktemp -d .setup/new.XXXXXX) # beside the results, so that a file is there whole or not at all
trap 'rm -rf "$dir"' EXIT

# fetch PACKAGE VERSION ARCHIVE SHA256 unpacks a package into $dir/package.
fetch() {
	(cd "$dir" && npm pack --silent "$1@$2" >/dev/null && echo "$4  $3" | sha256sum -c --quiet && tar -xzf "$3")
}

if [ ! -e .setup/libonnxruntime.so.1 ]; then
	fetch onnxruntime-node 1.30.0 onnxruntime-node-1.30.0.tgz 6e3390d6b783e7be946fad629292799da28d0b42f84856e50d2c1b0383291e75
	case $(uname -m) in aarch64) arch=arm64 ;; *) arch=x64 ;; esac
	mv "$dir/package/bin/napi-v6/linux/$arch/libonnxruntime.so.1" .setup/
	rm -r "$dir/package"
fi
CGO_ENABLED=1 go build -o .setup/detect .
if [ ! -e .setup/centernet.onnx ]; then
	fetch @vladmandic/human 3.3.6 vladmandic-human-3.3.6.tgz 425e9c51dbbca0c8934362b170cb0d54c2529c11c654b3c03092b16e9d6ad3f7
	.setup/detect convert "$dir/package/models/centernet.json" "$dir/centernet.onnx"
	mv "$dir/centernet.onnx" .setup/
fi
