package main

import (
	"encoding/json"
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
		"scratch": "s3", "batch": "true", "render": "true", "renderMemory": "5307", "blenderUrl": archive, "blenderChecksum": someDigest,
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
	recipe := func(uri any) string {
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
	variables := func(s synthesised) object {
		return props(s.named(t, "AWS::Lambda::Function", "Analyse"))["Environment"].(object)["Variables"].(object)
	}
	if got := variables(s)[blenderprogram.Variable]; got != nil {
		t.Errorf("with render, Blender is %v", got)
	}
	if got := variables(synth(t, object{"scratch": "s3"}))[blenderprogram.Variable]; got != blenderprogram.None {
		t.Errorf("without render, Blender is %v", got)
	}
	// An image that was built elsewhere serves all.
	named := synth(t, object{"scratch": "s3", "render": "true", "imageUri": someImage})
	usual := props(named.named(t, "AWS::Lambda::Function", "Encode"))["Code"]
	if got := props(named.named(t, "AWS::Lambda::Function", "Render"))["Code"]; resolved(got) != resolved(usual) {
		t.Errorf("with imageUri Render runs from %v and Encode from %v", got, usual)
	}
}
