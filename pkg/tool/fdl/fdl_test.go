package fdl

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/tool"
)

var update = flag.Bool("update", false, "rewrite the table of docs/tools.md")

func translate(t *testing.T, text string) (Result, error) {
	t.Helper()
	var tree map[string]any
	if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatal(err)
	}
	return Translate(tree)
}

// workflow has the shape of SCAR's av-workflow: sound and frames of a video go to two functions.
const workflow = `
functions:
  aws:
  - lambda:
      name: scar-av-Split
      init_script: split.sh
      memory: 1024
      execution_mode: batch
      log_level: DEBUG
      container:
        image: grycap/ffmpeg:latest
        timeout_threshold: 15
      input:
      - storage_provider: s3
        path: scar-av/input
      output:
      - storage_provider: s3
        path: scar-av/sound
        suffix: [wav]
      - storage_provider: s3
        path: scar-av/frames/
        prefix: frame
        suffix: [jpg, png]
    batch:
      vcpus: 4
      memory: 4096
      compute_resources:
        max_v_cpus: 8
        instance_types: [m5.xlarge]
      multi_node_parallel: {enabled: false, number_nodes: 4}
  - lambda:
      name: speech
      init_script: speech.sh
      execution_mode: lambda-batch
      timeout: 200
      container:
        image: grycap/audio2srt
        environment:
          Variables: {LANG: en, BEAM: 5, API_KEY: abc}
      environment:
        Variables: {VERBOSE: true}
      input:
      - {storage_provider: s3, path: scar-av/sound}
      output:
      - {storage_provider: s3, path: scar-av/results, suffix: [srt]}
    iam: {role: "arn:aws:iam::1:role/x"}
  - lambda:
      name: objects
      init_script: objects.sh
      execution_mode: batch
      container: {image: grycap/darknet}
      input:
      - {storage_provider: s3, path: scar-av/frames}
      output:
      - {storage_provider: s3, path: scar-av/results}
    batch: {enable_gpu: true}
storage_providers:
  s3: {}
`

func TestAWorkflowBecomesAChainOfTools(t *testing.T) {
	t.Parallel()
	got, err := translate(t, workflow)
	if err != nil {
		t.Fatal(err)
	}
	none := map[string]string{}
	want := []tool.Tool{
		{
			Name: "scar-av-split", Script: "split.sh", Image: "grycap/ffmpeg:latest", Each: tool.Each{Part: tool.File}, Mode: "batch", Memory: 4096, VCPUs: 4,
			Timeout: 86400, Environment: none, Outputs: []tool.Output{
				{Path: "scar-av/sound", Suffix: []string{"wav"}}, {Path: "scar-av/frames", Prefix: []string{"frame"}, Suffix: []string{"jpg", "png"}},
			},
		},
		{
			Name: "speech", Script: "speech.sh", Image: "grycap/audio2srt", Each: tool.Each{Tool: "scar-av-split", Suffix: []string{"wav"}}, Mode: "lambda-batch",
			Memory: 1024, VCPUs: 1, Timeout: 86400, Environment: map[string]string{"LANG": "en", "BEAM": "5", "API_KEY": "abc", "VERBOSE": "true"},
			Outputs: []tool.Output{{Path: "scar-av/results", Suffix: []string{"srt"}}},
		},
		{
			Name: "objects", Script: "objects.sh", Image: "grycap/darknet", Each: tool.Each{Tool: "scar-av-split", Prefix: []string{"frame"}, Suffix: []string{"jpg", "png"}},
			Mode: "batch", Memory: 1024, VCPUs: 1, GPU: true, Timeout: 86400, Environment: none, Outputs: []tool.Output{{Path: "scar-av/results/objects"}},
		},
	}
	if diff := cmp.Diff(want, got.Tools); diff != "" {
		t.Errorf("tools (-want +got):\n%s", diff)
	}
	var notes []string
	for _, n := range got.Notes {
		notes = append(notes, n.String())
	}
	all := strings.Join(notes, "\n")
	for _, want := range []string{
		"/functions/aws/0/lambda/name: the tool is named scar-av-split", "/functions/aws/0/lambda/log_level: ignored", "/container/timeout_threshold: ignored",
		"/functions/aws/0/batch/compute_resources: ignored", "/multi_node_parallel/number_nodes: ignored", "/functions/aws/1/iam: ignored",
		"/functions/aws/0/lambda/input/0: it runs for the source of mapreel run, not for each upload to scar-av/input",
		"/functions/aws/1/lambda/input/0: it runs once for all files that scar-av-split leaves", "/Variables/API_KEY: the environment is recorded",
		"/functions/aws/1/lambda/timeout: it bounds the attempt on Lambda alone", "/functions/aws/2/lambda/output/0/path: speech publishes there, too",
		"/functions/aws/1/lambda/output/0/storage_provider: ignored: results are published below the destination",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no note has %q", want)
		}
	}
	if strings.Contains(all, "BEAM") || strings.Contains(all, "vcpus") {
		t.Errorf("notes of what was read:\n%s", all)
	}
}

func TestServicesOfOSCARBecomeTools(t *testing.T) {
	t.Parallel()
	got, err := translate(t, `
functions:
  oscar:
  - oscar-cluster:
      name: plants
      image: deephdc/plants
      script: plants.sh
      memory: 2Gi
      cpu: '1.5'
      log_level: CRITICAL
      expose: {}
      environment: {Variables: {INPUT_TYPE: json}}
      input: [{storage_provider: minio.default, path: plants/in}]
      output: [{storage_provider: minio, path: plants/mid}]
  - oscar-cluster:
      name: labels
      image: x
      script: labels.sh
      input: [{storage_provider: minio, path: /plants/mid/}]
storage_providers:
  minio: {default: {endpoint: "https://minio.example", region: us-east-1}}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []tool.Tool{
		{
			Name: "plants", Image: "deephdc/plants", Script: "plants.sh", Memory: 2048, VCPUs: 2, Each: tool.Each{Part: tool.File},
			Environment: map[string]string{"INPUT_TYPE": "json"}, Outputs: []tool.Output{{Path: "plants/mid"}},
		},
		{
			Name: "labels", Image: "x", Script: "labels.sh", Memory: 256, Each: tool.Each{Tool: "plants", Part: ""}, Environment: map[string]string{},
			Outputs: []tool.Output{{Path: "labels"}},
		},
	}
	if diff := cmp.Diff(want, got.Tools); diff != "" {
		t.Errorf("tools (-want +got):\n%s", diff)
	}
}

func TestWhatCannotBeTranslatedIsRefusedByName(t *testing.T) {
	t.Parallel()
	lambda := func(more string) string {
		return "functions:\n  aws:\n  - lambda:\n      name: a\n      init_script: a.sh\n      " + more + "\n"
	}
	beside := func(more string) string { return lambda("memory: 512") + "    " + more + "\n" }
	for _, c := range []struct{ text, want string }{
		{lambda("container: {image_file: x.tar.gz}"), "/functions/aws/0/lambda/container/image_file: an image in a file"},
		{lambda("run_script: x.sh"), "/functions/aws/0/lambda/run_script: a script of one invocation"},
		{lambda("memory: much"), "/functions/aws/0/lambda/memory: must be a whole number"},
		{lambda("memory: 64"), "/functions/aws/0/lambda: memory of its tool: "},
		{lambda("execution_mode: ec2"), "/functions/aws/0/lambda/execution_mode: must be lambda, batch or lambda-batch"},
		{lambda("colour: red"), "/functions/aws/0/lambda/colour: is no field of FDL"},
		{lambda("output: [{path: ../x}]"), "/functions/aws/0/lambda: outputs/0/path of its tool: must be a folder below"},
		{lambda("output: [{storage_provider: s3}]"), "/functions/aws/0/lambda/output/0: has no path"},
		{lambda("input: [{path: x}]\n      output: [{path: x}]"), "its output is its own input"},
		{lambda("environment: {Variables: {TMP_OUTPUT_DIR: x}}"), "mapreel sets TMP_OUTPUT_DIR itself"},
		{beside("api_gateway: {name: x}"), "/functions/aws/0/api_gateway: there is no file to map"},
		{beside("batch: {multi_node_parallel: {enabled: true}}"), "/functions/aws/0/batch/multi_node_parallel/enabled: a tool runs on one machine"},
		{beside("batch: [3]"), "/functions/aws/0/batch/0: is no field of FDL"},
		{"functions: {aws: [{lambda: {name: cow, container: {image: cowsay}}}]}", "a tool does not run an image's own command: name one with init_script"},
		{"functions: {aws: [{lambda: {init_script: x}}]}", "/functions/aws/0/lambda: has no name"},
		{"functions: {aws: [{lambda: {name: a, init_script: x}}, {lambda: {name: A, init_script: x}}]}", "/functions/aws/1/lambda/name: /functions/aws/0/lambda has the same name a"},
		{"functions: {oscar: [{c: {name: a, script: x, mount: {path: x}}}]}", "/functions/oscar/0/c/mount: a tool has no mounts"},
		{"functions: {oscar: [{c: {name: a, script: x, environment: {secrets: {T: x}}}}]}", "/functions/oscar/0/c/environment/secrets/T: values of secrets"},
		{"functions: {oscar: [{c: {name: a, script: x, memory: lots}}]}", "/functions/oscar/0/c/memory: must be an amount of memory"},
		{lambda("memory: 512") + "storage_providers: {s3: {default: {access_key: x, secret_key: y}}}", "/storage_providers/s3/default/access_key: credentials do not belong in a file"},
		{"functions: {}", "/functions: there is no function"},
		{"functions: [a]", "/functions/0: is no field of FDL"},
		{"functions: {aws: [x]}", "/functions/aws/0: must be an object or a list"},
		{"lambda: {name: x}", "/lambda: is no field of FDL"},
		{"functions: {aws: [{lambda: {name: a, init_script: x, output: [{path: p}]}}, {lambda: {name: b, init_script: x, output: [{path: q}]}}, " +
			"{lambda: {name: c, init_script: x, input: [{path: p}, {path: q}]}}]}", "/functions/aws/2/lambda/input/1: a tool has one input"},
	} {
		got, err := translate(t, c.text)
		var ps film.Problems
		if fault.KindOf(err) != fault.Invalid || !errors.As(err, &ps) || !strings.Contains(ps.Error(), c.want) {
			t.Errorf("%s\ngot %+v, %v, want %q", c.text, got, err, c.want)
		}
		if len(got.Tools) > 0 && err == nil {
			t.Errorf("%s\nis translated", c.text)
		}
	}
}

func TestTheDocumentationListsEveryField(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- fields -->\n", "<!-- end of fields -->\n"
	var table strings.Builder
	table.WriteString(begin + "| field | | becomes, or why not |\n| --- | --- | --- |\n")
	for _, f := range fields {
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", f.path, f.verdict, f.why)
	}
	file := filepath.Join("..", "..", "..", "docs", "tools.md")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(data), begin)
	old, after, found := strings.Cut(rest, end)
	if !found {
		t.Fatalf("%s has no table of fields", file)
	}
	if *update {
		if err := os.WriteFile(file, []byte(before+table.String()+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(table.String(), begin+old); diff != "" {
		t.Errorf("%s is outdated; run: go test ./pkg/tool/fdl -update\n(-fields +file):\n%s", file, diff)
	}
}
