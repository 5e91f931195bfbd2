package lambdafn_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/kinds"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/render/blender/blendertest"
	"github.com/mapreel/mapreel/pkg/tool"
)

// deployedTools are tools of each kind of input and of each join. The folder has a program that one of them runs.
func deployedTools(t *testing.T) tool.Deployed {
	t.Helper()
	folder := t.TempDir()
	program := filepath.Join(folder, "size.sh")
	const text = "#!/bin/sh\nwc -c < \"$INPUT_FILE_PATH\" > \"$TMP_OUTPUT_DIR/size.txt\"\necho $STORAGE_OBJECT_KEY >> \"$TMP_OUTPUT_DIR/size.txt\"\n"
	if err := os.WriteFile(program, []byte(text), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	list := `{"segment": {"seconds": 2}, "tools": [
		{"name": "levels", "each": "sound", "environment": {"UNIT": "bytes"}, "mode": "lambda",
			"script": "set -- $(cksum < \"$INPUT_FILE_PATH\")\necho \"{\\\"time\\\": 0, \\\"sum\\\": $1, \\\"$UNIT\\\": $2}\" > \"$TMP_OUTPUT_DIR/levels.jsonl\"\ncp \"$INPUT_FILE_PATH\" \"$TMP_OUTPUT_DIR\"\n",
			"outputs": [{"suffix": [".jsonl"], "join": "lines"}, {"suffix": [".wav"], "join": "audio"}]},
		{"name": "count", "each": {"tool": "levels", "suffix": [".jsonl"]}, "script": "wc -l < \"$INPUT_FILE_PATH\" > \"$TMP_OUTPUT_DIR/n.txt\"\n",
			"outputs": [{"path": "counts/"}]},
		{"name": "same", "each": "frames", "mode": "batch", "script": "cp \"$INPUT_FILE_PATH\"/* \"$TMP_OUTPUT_DIR\"\n",
			"outputs": [{"suffix": [".jpg"], "join": "video", "films": [
				{"video": [{"preset": "ultrafast"}]}, {"name": "package", "container": "cmaf", "package": {"seconds": 2}, "video": [{"preset": "ultrafast"}]}, {"container": "poster"}]}]},
		{"name": "size", "command": ["` + program + `"], "outputs": [{"path": "size/"}]}]}`
	d, err := tool.ParseDeployed([]byte(list))
	if err != nil {
		t.Fatal(err)
	}
	d.Folder = folder
	return d
}

// order asks the deployment for tools.
func order(c *cloud, names ...string) map[string]any {
	return map[string]any{"source": "s3://" + c.bucket + "/in/film.mp4", "destination": "s3://" + c.bucket + "/out/", "tools": names}
}

// Tools get the same input and leave the same files on functions and Batch jobs as on one machine.
func TestFunctionsRunTools(t *testing.T) {
	deployed := deployedTools(t)
	c := newCloudWith(t, deployed)
	film := clip(t, "film.mp4")
	put(t, c, "in/film.mp4", film)
	r := c.deploy(t).record()
	if _, err := r.execute("arn:execution:tools", order(c, "levels", "count", "same", "size")); err != nil {
		t.Fatal(err)
	}
	r.check(t, map[string]string{
		"tool/levels/00000": "Run on Lambda", "tool/count/00003": "Run on Lambda, else on Batch", "tool/same/00002": "Run on Batch",
		"tool/size/00000": "Run on Lambda, else on Batch", "tooljoin/levels/00": "Merge on Lambda, else on Batch",
	})
	if left := keys(t, c.scratch, ""); len(left) > 0 {
		t.Errorf("a job that is done leaves %q in scratch", left)
	}
	got := map[string][]byte{}
	for _, key := range keys(t, c.media, "out/") {
		addFile(got, strings.TrimPrefix(key, "out/"), read(t, c.media, key))
	}
	want := runLocally(t, deployed, film)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" || len(want) < 8 {
		t.Errorf("files (-here +on AWS):\n%s", diff)
	}
	for name, data := range want {
		if !bytes.Equal(data, got[name]) {
			t.Errorf("%s: %d bytes here, %d on AWS, which differ", name, len(data), len(got[name]))
		}
	}
}

// mediaFolder matches the folder of a package's media, whose name is that of the job.
var mediaFolder = regexp.MustCompile(`/[0-9a-f]{8}/`)

// addFile adds a file to those of a job, without the name of the job.
func addFile(files map[string][]byte, name string, data []byte) {
	switch filepath.Ext(name) {
	case ".m3u8", ".mpd", ".json", ".vtt":
		data = mediaFolder.ReplaceAll(data, []byte("/JOB/"))
	}
	files[mediaFolder.ReplaceAllString(name, "/JOB/")] = data
}

// runLocally runs tools on this machine, and returns the files that they publish.
func runLocally(t *testing.T, deployed tool.Deployed, source string) map[string][]byte {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	destination := t.TempDir()
	request, err := json.Marshal(tool.Request{
		Source: source, Destination: destination, Tools: deployed.Tools, Folder: deployed.Folder, Segment: deployed.Segment,
	})
	if err != nil {
		t.Fatal(err)
	}
	tools, err := ffmpeg.Find(t.Context(), ffmpeg.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	registry := kinds.Tools(kinds.All(tools, kinds.Options{}), tools, []string{self, blendertest.Confined})
	if _, err := local.Run(t.Context(), request, local.Options{Scratch: t.TempDir(), Registry: registry}); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	here := os.DirFS(destination)
	err = fs.WalkDir(here, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := fs.ReadFile(here, name)
		addFile(files, name, data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// What a function cannot do in time, or without being killed, a Batch job does. Nothing of the first try is left.
func TestToolsAreHandedToBatch(t *testing.T) {
	folder := t.TempDir()
	list := `{"tools": [
		{"name": "slow", "timeout": 1, "script": "echo $$ > \"$TMP_OUTPUT_DIR/$$.txt\"\n[ -e \"$MAPREEL_TOOLS_DIR/batch\" ] || sleep 60\n", "outputs": [{"path": "slow/"}]},
		{"name": "large", "script": "echo $$ > \"$TMP_OUTPUT_DIR/$$.txt\"\n[ -e \"$MAPREEL_TOOLS_DIR/batch\" ] || kill -9 $$\n", "outputs": [{"path": "large/"}]}]}`
	deployed, err := tool.ParseDeployed([]byte(list))
	if err != nil {
		t.Fatal(err)
	}
	deployed.Folder = folder
	c := newCloudWith(t, deployed)
	put(t, c, "in/film.mp4", clip(t, "film.mp4"))
	for _, name := range []string{"slow", "large"} {
		r := c.deploy(t).record()
		note := r.before
		var onBatch []string
		r.before = func(state, unit string) {
			note(state, unit)
			if state != "Run on Batch" {
				return
			}
			onBatch = append(onBatch, unit)
			if left := slices.DeleteFunc(keys(t, c.scratch, ""), func(key string) bool { return !strings.Contains(key, "/tool/") }); len(left) > 0 {
				t.Errorf("the function left %q in scratch", left)
			}
			if err := os.WriteFile(filepath.Join(folder, "batch"), nil, 0o600); err != nil {
				t.Error(err)
			}
		}
		if _, err := r.execute("arn:execution:"+name, order(c, name)); err != nil {
			t.Fatal(err)
		}
		if want := []string{"tool/" + name + "/00000"}; !slices.Equal(onBatch, want) {
			t.Errorf("on Batch ran %q, want %q", onBatch, want)
		}
		if got := keys(t, c.media, "out/"+name+"/"); len(got) != 1 {
			t.Errorf("published are %q, want the one file of the second try", got)
		}
		if left := keys(t, c.scratch, ""); len(left) > 0 {
			t.Errorf("a job that is done leaves %q in scratch", left)
		}
		if err := os.Remove(filepath.Join(folder, "batch")); err != nil {
			t.Error(err)
		}
	}
}
