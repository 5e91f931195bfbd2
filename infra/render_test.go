package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	blenderprogram "github.com/mapreel/mapreel/pkg/render/blender"
	"github.com/mapreel/mapreel/pkg/work"
)

// Analyse asks Blender what a scene has, and Render renders it. All others run from the usual image.
func TestScenesRunInAnImageWithBlender(t *testing.T) {
	const archive = "https://download.example.org/blender-4.2.0-linux-x64.tar.xz"
	s := synth(t, object{
		"scratch": "s3", "batch": "true", "gpu": "true", "render": "true", "renderMemory": "5307", "blenderUrl": archive, "blenderChecksum": someDigest,
	})
	text, err := os.ReadFile(filepath.Join(s.folder, "mapreel.assets.json"))
	if err != nil {
		t.Fatal(err)
	}
	var assets struct {
		DockerImages map[string]struct {
			Source struct {
				DockerFile      string
				DockerBuildArgs map[string]string
			}
		}
	}
	if err := json.Unmarshal(text, &assets); err != nil {
		t.Fatal(err)
	}
	recipes := map[string]string{} // by what names the image in the template
	for hash, a := range assets.DockerImages {
		recipes[hash] = a.Source.DockerFile
		of := a.Source.DockerBuildArgs
		if blender := a.Source.DockerFile == "functions/render.Dockerfile"; blender != (of["BLENDER_URL"] == archive) || blender != (of["BLENDER_SHA256"] == someDigest) {
			t.Errorf("%s is built with %q", a.Source.DockerFile, of)
		}
	}
	recipe := func(uri any) string { return recipeOf(t, recipes, uri) }
	for _, class := range s.chosen.allClasses() {
		want, memory := "functions/Dockerfile", 0.
		if class == work.ClassRender || class == work.ClassAnalyse {
			want, memory = "functions/render.Dockerfile", 5307
		}
		f := props(s.named(t, "AWS::Lambda::Function", constructID(class)))
		if got := recipe(f["Code"].(object)["ImageUri"]); got != want {
			t.Errorf("the function %s runs from %s, want %s", class, got, want)
		}
		if got := f["MemorySize"].(float64); memory > 0 && got != memory {
			t.Errorf("the function %s has %v MiB, want %v", class, got, memory)
		}
	}
	for _, class := range s.chosen.unitClasses() {
		want := "functions/Dockerfile"
		if class == work.ClassRender {
			want = "functions/render.Dockerfile"
		}
		d := props(s.named(t, "AWS::Batch::JobDefinition", constructID(class)+"Job"))
		if got := recipe(d["ContainerProperties"].(object)["Image"]); got != want {
			t.Errorf("the job of %s runs from %s, want %s", class, got, want)
		}
	}
	d := props(s.named(t, "AWS::Batch::JobDefinition", "RenderGpuJob"))["ContainerProperties"].(object)
	if got := recipe(d["Image"]); got != "functions/render.Dockerfile" || !strings.Contains(fmt.Sprint(d["ResourceRequirements"]), "GPU") {
		t.Errorf("the job that renders on a GPU runs from %s and has %v", got, d["ResourceRequirements"])
	}
	checkBlender(t, s, nil)
	// An image that was built elsewhere serves all.
	named := synth(t, object{"scratch": "s3", "render": "true", "imageUri": someImage})
	usual := props(named.named(t, "AWS::Lambda::Function", "Encode"))["Code"]
	if got := props(named.named(t, "AWS::Lambda::Function", "Render"))["Code"]; resolved(got) != resolved(usual) {
		t.Errorf("with imageUri Render runs from %v and Encode from %v", got, usual)
	}
}

// Debian's Blender has no kernels for a GPU, so no job that renders has one.
func TestOnlyAnOfficialBlenderHasAGPU(t *testing.T) {
	official := object{"blenderUrl": "https://example.com/blender.tar.xz", "blenderChecksum": someDigest}
	for _, c := range []struct {
		more object
		want float64
	}{{nil, 0}, {official, 1}, {object{"imageUri": someImage}, 1}} {
		context := map[string]any{"scratch": "s3", "gpu": "true", "render": "true"}
		maps.Copy(context, c.more)
		s, err := parseSettings(context)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.class(work.ClassRender).gpuJob.gpus; got != c.want {
			t.Errorf("with %v, a job that renders has %v GPUs, want %v", c.more, got, c.want)
		}
	}
	for name := range synth(t, object{"scratch": "s3", "gpu": "true", "render": "true"}).resources {
		if strings.HasPrefix(name, "RenderGpu") {
			t.Errorf("with Debian's Blender there is a resource %s", name)
		}
	}
}

// A deployment without the setting has nothing of rendering but the variable that forbids Blender, and neither has the API with it.
func TestNoScenesRunWithoutTheSetting(t *testing.T) {
	s := synth(t, object{"scratch": "s3", "batch": "true", "api": "true"})
	checkBlender(t, s, blenderprogram.None)
	api := props(s.named(t, "AWS::Lambda::Function", "Api"))["Environment"].(object)["Variables"].(object)
	if got := api[blenderprogram.Variable]; got != blenderprogram.None {
		t.Errorf("Blender of the API is %v", got)
	}
	for name := range s.resources {
		if strings.HasPrefix(name, "Render") {
			t.Errorf("there is a resource %s", name)
		}
	}
	text, err := os.ReadFile(filepath.Join(s.folder, "mapreel.assets.json"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "render.Dockerfile") {
		t.Error("the image with Blender is built")
	}
}

// checkBlender checks the variable that names Blender, of all functions and jobs that work on units.
func checkBlender(t *testing.T, s synthesised, want any) {
	t.Helper()
	for _, class := range s.chosen.allClasses() {
		f := props(s.named(t, "AWS::Lambda::Function", constructID(class)))
		if got := f["Environment"].(object)["Variables"].(object)[blenderprogram.Variable]; got != want {
			t.Errorf("Blender of the function %s is %v, want %v", class, got, want)
		}
	}
	for name, d := range s.of("AWS::Batch::JobDefinition") {
		var got any
		for _, v := range props(d)["ContainerProperties"].(object)["Environment"].([]any) {
			if v.(object)["Name"] == blenderprogram.Variable {
				got = v.(object)["Value"]
			}
		}
		if got != want {
			t.Errorf("Blender of the job %s is %v, want %v", name, got, want)
		}
	}
}

// recipeOf returns what the image at a URI of a template is built from. recipes has that by the hash which the URI holds; without one, the
// URI itself is returned.
func recipeOf(t *testing.T, recipes map[string]string, uri any) string {
	t.Helper()
	text, err := json.Marshal(uri)
	if err != nil {
		t.Fatal(err)
	}
	for hash, name := range recipes {
		if strings.Contains(string(text), hash) {
			return name
		}
	}
	return string(text)
}
