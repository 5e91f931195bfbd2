package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/client"
	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/tool/toolfile"
	"github.com/mapreel/mapreel/pkg/work"
)

// writeTools writes a tools file, and a program into the same folder. It returns the path of the tools file.
func writeTools(t *testing.T, text string) string {
	t.Helper()
	folder, err := os.MkdirTemp(folder, "tools-") //nolint:usetesting // other tests read the stack that is made of it
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "tools.yaml")
	for name, content := range map[string]string{file: text, filepath.Join(folder, "detect.sh"): "#!/bin/sh\ntrue\n"} {
		if err := os.WriteFile(name, []byte(content), 0o700); err != nil { //nolint:gosec // one is run
			t.Fatal(err)
		}
	}
	return file
}

const someTools = `
segment: {seconds: 20}
tools:
  - {name: levels, each: sound, script: "true\n", timeout: 60, environment: {PASSWORD: hunter2}}
  - {name: film-words, each: sound, script: "true\n", image: "registry.example.com/words:3", memory: 6000, vcpus: 8, outputs: [{path: words/}]}
  - {name: labels, each: {tool: film-words}, script: "true\n", image: "registry.example.com/words:3", mode: lambda, outputs: [{path: labels/}]}
  - {name: detect, each: frames, command: [./detect.sh], gpu: true, memory: 15000, image: "nvidia/cuda:12", outputs: [{join: video}]}
`

// Each tool has a function and a job definition of its size, from its own image, or only the one that its mode says.
func TestToolsHaveFunctionsAndJobs(t *testing.T) {
	s := synth(t, object{"scratch": "s3", "batch": "true", "gpu": "true", "tools": writeTools(t, someTools)})
	recipes := map[string]string{} // what an image is built from, by what names it in the template
	contexts := map[string]string{}
	for hash, a := range dockerAssets(t, s) {
		recipes[hash] = strings.Join(append([]string{a.DockerFile}, slices.Sorted(maps.Values(a.DockerBuildArgs))...), " ")
		contexts[a.DockerFile] = filepath.Join(s.folder, a.Directory)
	}
	recipe := func(uri any) string { return recipeOf(t, recipes, uri) }
	type sizes struct {
		Image                 string
		Memory, Timeout, CPUs float64
		GPUs                  string
	}
	const recipeOfTools = "functions/tool.Dockerfile"
	words := recipeOfTools + " registry.example.com/words:3"
	functions, jobs := map[string]sizes{}, map[string]sizes{}
	for name, f := range s.of("AWS::Lambda::Function") {
		if strings.HasPrefix(name, "Tool") {
			p := props(f)
			functions[name[:len(name)-8]] = sizes{Image: recipe(p["Code"].(object)["ImageUri"]), Memory: p["MemorySize"].(float64), Timeout: p["Timeout"].(float64)}
		}
	}
	for name, d := range s.of("AWS::Batch::JobDefinition") {
		if !strings.HasPrefix(name, "Tool") {
			continue
		}
		c := props(d)["ContainerProperties"].(object)
		size := sizes{Image: recipe(c["Image"])}
		for _, r := range c["ResourceRequirements"].([]any) {
			value, err := json.Number(r.(object)["Value"].(string)).Float64()
			if err != nil {
				t.Fatal(err)
			}
			switch r.(object)["Type"] {
			case "MEMORY":
				size.Memory = value
			case "VCPU":
				size.CPUs = value
			case "GPU":
				size.GPUs = r.(object)["Value"].(string)
			}
		}
		jobs[name[:len(name)-8]] = size
	}
	wantFunctions := map[string]sizes{
		"Toollevels":    {Image: recipeOfTools, Memory: 3008, Timeout: 360},
		"Toolfilmwords": {Image: words, Memory: 6960, Timeout: 900},
		"Toollabels":    {Image: words, Memory: 3008, Timeout: 900},
	}
	wantJobs := map[string]sizes{
		"ToollevelsJob":    {Image: recipeOfTools, Memory: 3500, CPUs: 2},
		"ToolfilmwordsJob": {Image: words, Memory: 6960, CPUs: 8},
		"TooldetectGpuJob": {Image: recipeOfTools + " nvidia/cuda:12", Memory: 15960, CPUs: 4, GPUs: "1"},
	}
	if diff := cmp.Diff(wantFunctions, functions); diff != "" {
		t.Errorf("functions (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantJobs, jobs); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
	checkBuiltIn(t, contexts["functions/Dockerfile"])
	checkBuiltIn(t, contexts[recipeOfTools])
	if names, digest := valueOf(s, client.OutputTools), valueOf(s, client.OutputToolsDigest); names != "detect film-words labels levels" || digest == "" {
		t.Errorf("the stack tells its clients of the tools %q with the digest %q", names, digest)
	}
	text, err := os.ReadFile(s.template())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "hunter2") {
		t.Error("the template has the environment of a tool")
	}
}

// valueOf returns the value of an output of the stack; "" if there is none.
func valueOf(s synthesised, name string) string {
	output, _ := s.outputs[name].(object)
	value, _ := output["Value"].(string)
	return value
}

// checkBuiltIn checks that the folder from which an image is built has the tools.
func checkBuiltIn(t *testing.T, context string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(context, "functions", "worker", "tools.json"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := tool.ParseDeployed(text)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Tools) != 4 || d.Tools[3].Command[0] != toolFiles+"/detect.sh" || d.Segment.Seconds != 20e9 || d.Digest == "" || d.Folder != toolFiles {
		t.Errorf("built in are %+v", d)
	}
	info, err := os.Stat(filepath.Join(context, toolFilesFolder, "detect.sh"))
	if err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("the program of a tool: %v, %v", info, err)
	}
}

// The digest of a deployment changes with the description of a tool and with any file in the folder of the tools file.
func TestToolsAreToldApartByTheirFiles(t *testing.T) {
	file := writeTools(t, someTools)
	root := t.TempDir()
	digests := map[string]string{}
	build := func(change string) {
		t.Helper()
		deployed, err := toolfile.Read(file, toolFiles)
		if err != nil {
			t.Fatal(err)
		}
		built, digest, err := withTools(settings{toolsFile: file, deployed: deployed}, root, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(built, "functions", "worker", "tools.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range []string{digest, string(text)} { // of the stack, and of the plans of jobs
			if earlier, ok := digests[d]; ok && earlier != change {
				t.Errorf("%s and %s: the same", earlier, change)
			}
			digests[d] = change
		}
	}
	program := filepath.Join(filepath.Dir(file), "detect.sh")
	build("as it was")
	build("as it was")
	if len(digests) != 2 {
		t.Errorf("the same tools have %d digests", len(digests)/2)
	}
	if err := os.WriteFile(program, []byte("#!/bin/sh\nfalse\n"), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	build("another program")
	if err := os.Rename(program, filepath.Join(filepath.Dir(file), "other.sh")); err != nil {
		t.Fatal(err)
	}
	build("another name")
}

type dockerAsset struct {
	Directory, DockerFile string
	DockerBuildArgs       map[string]string
}

// dockerAssets returns the images that are built, by what names them in the template.
func dockerAssets(t *testing.T, s synthesised) map[string]dockerAsset {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.folder, "mapreel.assets.json"))
	if err != nil {
		t.Fatal(err)
	}
	var assets struct {
		DockerImages map[string]struct{ Source dockerAsset }
	}
	if err := json.Unmarshal(text, &assets); err != nil {
		t.Fatal(err)
	}
	list := map[string]dockerAsset{}
	for hash, a := range assets.DockerImages {
		list[hash] = a.Source
	}
	return list
}

// Without the setting there is nothing of tools.
func TestNoToolsWithoutTheSetting(t *testing.T) {
	s := synth(t, object{"scratch": "s3", "batch": "true", "api": "true"})
	for name := range s.resources {
		if strings.HasPrefix(name, "Tool") {
			t.Errorf("there is a resource %s", name)
		}
	}
	for _, a := range dockerAssets(t, s) {
		if a.DockerFile == "functions/tool.Dockerfile" {
			t.Error("the image of a tool is built")
		}
	}
	for _, role := range []string{"EncodeRole", "AudioRole", "MergeRole"} {
		for _, statement := range s.statements(t, role) {
			if strings.Contains(strings.Join(statement.resources, " "), "/tool") {
				t.Errorf("%s may %v on %v", role, statement.actions, statement.resources)
			}
		}
	}
}

// A tool reads what it is run for, and writes its own results.
func TestAToolReachesItsOwnObjects(t *testing.T) {
	s := synth(t, object{"scratch": "s3", "batch": "true", "gpu": "true", "tools": writeTools(t, someTools)})
	key := func(unit string) string { return work.ArtifactKey("0a1b", unit, 1, 0, "bin") }
	for _, test := range []struct {
		role, action, bucket, key string
		want                      bool
	}{
		{"ToollevelsRole", "s3:PutObject", "Scratch", key("tool/levels/00001"), true},
		{"ToollevelsRole", "s3:GetObject", "Media", "in/film.mp4", true},
		{"ToollevelsRole", "s3:PutObject", "Scratch", key("tool/film-words/00001"), false},
		{"ToollevelsRole", "s3:PutObject", "Scratch", key("video/00001"), false},
		{"ToollevelsRole", "s3:GetObject", "Scratch", key("tool/film-words/00001"), false},
		{"ToollevelsRole", "s3:PutObject", "Media", "out/film.mp4", false},
		{"ToollabelsRole", "s3:GetObject", "Scratch", key("tool/film-words/00001"), true},
		{"ToollabelsRole", "s3:GetObject", "Media", "in/film.mp4", false},
		{"TooldetectGpuJobRole", "s3:PutObject", "Scratch", key("tool/detect/00001"), true},
		{"EncodeRole", "s3:GetObject", "Scratch", key("tool/detect/00001"), true},
		{"EncodeRole", "s3:PutObject", "Scratch", key("tool/detect/00001"), false},
	} {
		if got := allows(s.statements(t, test.role), test.action, test.bucket, test.key); got != test.want {
			t.Errorf("%s may %s on %s: %v, want %v", test.role, test.action, test.key, got, test.want)
		}
	}
}

// A tool that the deployment could not run is refused before anything is deployed.
func TestToolsThatCannotRunAreRefused(t *testing.T) {
	for _, test := range []struct {
		tools    string
		settings object
		want     string
	}{
		{"{name: a, script: \"true\\n\"}", object{"scratch": "efs"}, "needs scratch=s3"},
		{"{name: a, script: \"true\\n\"}", object{"imageUri": someImage}, "has no effect with imageUri"},
		{"{name: a, script: \"true\\n\", secrets: [KEY]}", nil, "a: secrets: a deployment needs to know where the value is: secrets: {NAME: ARN}"},
		{"{name: a, script: \"true\\n\", secrets: {KEY: \"arn:aws:s3:::bucket\"}}", nil, "/tools/0/secrets/KEY: must be the whole ARN of a secret"},
		{"{name: a, script: \"true\\n\", network: true}", object{"batch": "true"}, "a: network: on Batch, a tool with a network reaches the credentials"},
		{"{name: a, script: \"true\\n\", network: true, gpu: true}", object{"gpu": "true"}, "a: network: on Batch, a tool with a network reaches the credentials"},
		{"{name: a, script: \"true\\n\", gpu: true}", nil, "a: gpu: needs a GPU queue; add -c gpu=true"},
		{"{name: a, script: \"true\\n\", gpu: true, mode: lambda}", object{"gpu": "true"}, "a: gpu: functions have none"},
		{"{name: a, script: \"true\\n\", mode: batch}", nil, "a: mode: batch needs a queue; add -c batch=true"},
		{"{name: a, script: \"true\\n\", timeout: 1000}", nil, "a: timeout: a function has 900 seconds"},
		{"{name: a, script: \"true\\n\", timeout: 1000, mode: lambda}", object{"batch": "true"}, "a: timeout: a function has 900 seconds"},
		{"{name: a, script: \"true\\n\", memory: 10000}", nil, "a: memory: a function has 10240 MiB"},
		{"{name: a, script: \"true\\n\", timeout: 40000}", object{"batch": "true"}, "a: timeout: a Batch job has 6 hours"},
		{"{name: a, script: \"true\\n\", vcpus: 192}", object{"batch": "true", "maxVcpus": "100"}, "a job takes 192"},
		{"{name: a, script: \"true\\n\", mode: batch, memory: 65000}", object{"batch": "true", "instanceFamilies": "m6a.4xlarge,c7i.2xlarge"}, "a: its Batch job takes 2 vCPUs and 65960 MiB of memory"},
		{"{name: a, script: \"true\\n\", gpu: true, memory: 500000}", object{"gpu": "true"}, "no instance of gpuInstanceFamilies=g4dn has more"},
		{"{name: a, script: \"true\\n\", image: \"-x\"}", nil, "a: image: this is no name of a container image"},
		{"{name: a-b, script: \"true\\n\"}, {name: a_b, script: \"true\\n\", outputs: [{path: b/}]}", nil, "a-b and a_b differ in hyphens alone"},
		{"{name: a, script: none.sh}", nil, "/tools/0/script: cannot read the script none.sh"},
	} {
		given := object{"scratch": "s3", "tools": writeTools(t, "tools: ["+test.tools+"]")}
		maps.Copy(given, test.settings)
		if _, err := parseSettings(given); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s with %v: got %v, want %q", test.tools, test.settings, err, test.want)
		}
	}
	for _, given := range []object{{"scratch": "s3"}, {"scratch": "s3", "batch": "true"}} {
		given["tools"] = writeTools(t, "tools: [{name: a, script: \"true\\n\", network: true, mode: lambda}]")
		if _, err := parseSettings(given); err != nil {
			t.Errorf("a function with a network: %v", err)
		}
	}
}
