#!/bin/sh
# Fetches ONNX Runtime and a model of npm packages into the folder .setup, and builds detect there. Nothing of it belongs into the
# repository: the model's authors name no licence.
set -eu
cd "$(dirname "$0")"
mkdir -p .setup
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
if [ ! -e .setup/libonnxruntime.so.1 ]; then
	(cd "$dir" && npm pack --silent onnxruntime-node@1.30.0 >/dev/null && tar -xzf onnxruntime-node-1.30.0.tgz)
	case $(uname -m) in aarch64) arch=arm64 ;; *) arch=x64 ;; esac
	mv "$dir/package/bin/napi-v6/linux/$arch/libonnxruntime.so.1" .setup/
	rm -r "$dir/package"
fi
go build -o .setup/detect .
if [ ! -e .setup/centernet.onnx ]; then
	(cd "$dir" && npm pack --silent @vladmandic/human@3.3.6 >/dev/null && tar -xzf vladmandic-human-3.3.6.tgz)
	.setup/detect convert "$dir/package/models/centernet.json" .setup/centernet.onnx
fi
