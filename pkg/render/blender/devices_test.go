package blender

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mapreel/mapreel/pkg/render"
)

// Blender gets the nodes that compute on a GPU, and none that draws on a screen. On processors it gets none.
func TestDeviceNodesAreThoseThatCompute(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	at := func(name string) string { return filepath.Join(folder, name) }
	err := errors.Join(os.MkdirAll(at("dri"), 0o700), os.Mkdir(at("nvidia-caps"), 0o700), os.WriteFile(at("nvidia-caps/nvidia-cap12"), nil, 0o600))
	for _, name := range []string{"nvidiactl", "nvidia0", "nvidia11", "nvidia-uvm-tools", "nvidia-modeset", "dri/card0", "dri/renderD128", "kfd", "null", "video0"} {
		err = errors.Join(err, os.WriteFile(at(name), nil, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	want := []string{at("nvidiactl"), at("nvidia0"), at("nvidia11"), at("nvidia-caps/nvidia-cap12"), at("dri/renderD128"), at("kfd")}
	if got := devices(render.Settings{Device: render.GPU}, folder); !slices.Equal(got, want) {
		t.Errorf("for a GPU: %q, want %q", got, want)
	}
	for _, s := range []render.Settings{{}, {Device: render.CPU}} {
		if got := devices(s, folder); got != nil {
			t.Errorf("for %q: %q", s.Device, got)
		}
	}
	if !LacksUVM(folder) {
		t.Error("the node of CUDA's memory is not missed")
	}
	if err := os.WriteFile(at("nvidia-uvm"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := devices(render.Settings{Device: render.GPU}, folder); LacksUVM(folder) || !slices.Contains(got, at("nvidia-uvm")) {
		t.Errorf("once it is there: %q", got)
	}
	if LacksUVM(t.TempDir()) {
		t.Error("it is missed where there is no driver of NVIDIA")
	}
}
