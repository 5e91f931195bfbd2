package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mapreel/mapreel/internal/mediatest"
	"github.com/mapreel/mapreel/pkg/asl"
	"github.com/mapreel/mapreel/pkg/blob/s3blob"
	"github.com/mapreel/mapreel/pkg/blob/s3blob/s3test"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/lambdafn/lambdatest"
	"github.com/mapreel/mapreel/pkg/lambdafn/runtimeapi"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/ledger/dynamo"
	"github.com/mapreel/mapreel/pkg/ledger/dynamo/dynamotest"
	blenderprogram "github.com/mapreel/mapreel/pkg/render/blender"
	"github.com/mapreel/mapreel/pkg/render/blender/blendertest"
	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/work"
	"github.com/mapreel/mapreel/statemachine"
)

// call is a call of AWS that a role made. The place is a bucket by its purpose: "source", "destination", "scratch"; or
// "table", "function" or "queue".
type call struct {
	role   string // class, or "machine"
	action string // "s3:GetObject"
	place  string
	key    string // of an object; of a function or job definition its name; "" for a whole bucket
	prefix string // that a bucket is listed with; "-" where it is asked for without one
}

// recorder notes the calls of every role, each once.
type recorder struct {
	mu    sync.Mutex
	calls map[call]bool
	items string // the scratch bucket
}

func (r *recorder) note(c call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls[c] = true
}

// place returns the purpose of what lies at a key of a bucket.
func (r *recorder) place(bucket, key string) string {
	switch {
	case bucket == r.items:
		return "scratch"
	case strings.HasPrefix(key, "in/"):
		return "source"
	}
	return "destination"
}

// between returns a server between a role and a service. It passes requests on as they are, since they are signed.
func (r *recorder) between(t *testing.T, role, endpoint string, note func(role string, in *http.Request, body []byte, status int)) string {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(target)
		p.Out.Host = p.In.Host
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, in *http.Request) {
		var body []byte
		if in.URL.Query().Has("delete") {
			body, _ = io.ReadAll(in.Body)
			in.Body = io.NopCloser(bytes.NewReader(body))
		}
		s := &statusWriter{ResponseWriter: w}
		proxy.ServeHTTP(s, in)
		note(role, in, body, s.status)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// s3 notes the permissions that a request to S3 needs (User Guide, "Required permissions for Amazon S3 API operations").
func (r *recorder) s3(role string, in *http.Request, body []byte, status int) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(in.URL.Path, "/"), "/")
	q := in.URL.Query()
	object := func(action, bucket, key string) {
		r.note(call{role, "s3:" + action, r.place(bucket, key), key, ""})
		for _, inKMS := range map[string][]string{"GetObject": {"Decrypt"}, "PutObject": {"GenerateDataKey"}}[action] {
			r.note(call{role, "kms:" + inKMS, r.place(bucket, key), "", ""})
		}
	}
	list := func(action, prefix string) {
		r.note(call{role, "s3:" + action, r.place(bucket, key+prefix), "", prefix})
	}
	switch {
	case key == "" && q.Has("uploads"):
		list("ListBucketMultipartUploads", q.Get("prefix"))
	case key == "" && in.Method == http.MethodGet:
		list("ListBucket", q.Get("prefix"))
	case key == "" && q.Has("delete"):
		var objects struct {
			Object []struct{ Key string }
		}
		if err := xml.Unmarshal(body, &objects); err != nil {
			panic(err)
		}
		for _, o := range objects.Object {
			object("DeleteObject", bucket, o.Key)
		}
	case in.Method == http.MethodGet || in.Method == http.MethodHead:
		object("GetObject", bucket, key)
		if status == http.StatusNotFound { // without the permission to list, the answer would be 403
			r.note(call{role, "s3:ListBucket", r.place(bucket, key), "", "-"})
		}
	case in.Method == http.MethodDelete && q.Has("uploadId"):
		object("AbortMultipartUpload", bucket, key)
	case in.Method == http.MethodDelete:
		object("DeleteObject", bucket, key)
	case in.Method == http.MethodPut || in.Method == http.MethodPost:
		object("PutObject", bucket, key)
		if q.Has("uploadId") {
			r.note(call{role, "kms:Decrypt", r.place(bucket, key), "", ""})
		}
		if from := in.Header.Get("X-Amz-Copy-Source"); from != "" {
			from, err := url.PathUnescape(strings.TrimPrefix(from, "/"))
			if err != nil {
				panic(err)
			}
			bucket, key, _ := strings.Cut(from, "/")
			object("GetObject", bucket, key)
		}
	default:
		panic("a request that this test does not know: " + in.Method + " " + in.URL.String())
	}
}

func (r *recorder) dynamo(role string, in *http.Request, _ []byte, _ int) {
	_, operation, _ := strings.Cut(in.Header.Get("X-Amz-Target"), ".")
	r.note(call{role, "dynamodb:" + operation, "table", "", ""})
}

// workers is a deployment on test servers, whose functions are the processes of functions/worker.
type workers struct {
	*recorder
	t         *testing.T
	program   string
	bucket    string // of sources and outputs
	media     *s3blob.Store
	scratch   *s3blob.Store
	ledger    *dynamo.Ledger
	env       map[work.Class][]string
	functions map[work.Class]*lambdatest.Function
	before    func(state string) // called before a task; may be nil
	chosen    settings
	connect   func(role string) []string
}

// newWorkers starts a function of each class. files is the folder that stands for the file system; "" is scratch in S3.
func newWorkers(t *testing.T, program, files string, deployed tool.Deployed) *workers {
	t.Helper()
	s3, dynamodb := s3test.Start(t), dynamotest.Start(t)
	table, items := dynamodb.NewTable(t), s3.NewBucket(t)
	w := &workers{
		recorder: &recorder{calls: map[call]bool{}, items: items}, t: t, program: program, bucket: s3.NewBucket(t),
		ledger: dynamo.New(dynamodb.Client(nil), table),
		env:    map[work.Class][]string{}, functions: map[work.Class]*lambdatest.Function{}, chosen: settings{render: files == ""},
	}
	for bucket, store := range map[string]**s3blob.Store{w.bucket: &w.media, items: &w.scratch} {
		var err error
		if *store, err = s3blob.New(s3.Client(nil), bucket, "", s3blob.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	if files == "" {
		w.chosen.deployed = deployed
	}
	scratch := "s3://" + items
	if files != "" {
		scratch = files
	}
	// connect returns the environment of a role's process, whose calls are recorded.
	w.connect = func(role string) []string {
		return []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir(), "AWS_EC2_METADATA_DISABLED=true",
			"AWS_REGION=" + s3test.Region, "AWS_ACCESS_KEY_ID=" + s3test.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s3test.SecretKey,
			"AWS_ENDPOINT_URL_S3=" + w.between(t, role, s3.Endpoint, w.s3),
			"AWS_ENDPOINT_URL_DYNAMODB=" + w.between(t, role, dynamodb.Endpoint, w.dynamo),
			"MAPREEL_TABLE=" + table,
		}
	}
	self, err := os.Executable() // stands for Blender
	if err != nil {
		t.Fatal(err)
	}
	for _, class := range append(w.chosen.allClasses(), w.chosen.toolClasses(false)...) {
		role := string(class)
		if w.env[class] != nil {
			continue
		}
		w.env[class] = append(w.connect(role), "MAPREEL_ITEMS="+items, "MAPREEL_SCRATCH="+scratch, "MAPREEL_BATCH=cpu",
			"MAPREEL_RUN=48h", "MAPREEL_REDRIVE=336h", blenderprogram.Variable+"="+self)
		w.functions[class] = lambdatest.Start(t, role, w.command(class))
	}
	return w
}

func (w *workers) command(class work.Class, env ...string) *exec.Cmd {
	cmd := exec.Command(w.program, string(class)) //nolint:noctx // lambdatest ends it, or it ends itself
	cmd.Env = append(slices.Clone(w.env[class]), env...)
	return cmd
}

// execute runs the machine on a request, as the execution of that name; redriven makes it a redrive.
func (w *workers) execute(execution string, request object, redriven bool) error {
	w.t.Helper()
	resources := statemachine.Resources{
		Partition: "aws", Analyse: runtimeapi.ARN("analyse"), Finish: runtimeapi.ARN("finish"), BatchQueue: "cpu", GpuQueue: statemachine.Absent,
		Functions: map[string]string{}, JobDefinitions: map[string]string{},
	}
	for _, class := range w.chosen.unitClasses() {
		resources.Functions[string(class)] = runtimeapi.ARN(string(class))
		resources.JobDefinitions[string(class)] = string(class)
	}
	definition, err := statemachine.Substitute(resources)
	if err != nil {
		w.t.Fatal(err)
	}
	machine, err := asl.Load(definition)
	if err != nil {
		w.t.Fatal(err)
	}
	observed := func(task asl.Task) asl.Task {
		return func(ctx context.Context, in asl.TaskInput) (json.RawMessage, error) {
			if w.before != nil {
				w.before(in.State)
			}
			return task(ctx, in)
		}
	}
	input, err := json.Marshal(request)
	if err != nil {
		w.t.Fatal(err)
	}
	x := asl.Execution{
		ID: "arn:execution:" + execution, Input: input, Items: w.list,
		Tasks: map[string]asl.Task{
			"arn:aws:states:::lambda:invoke": observed(asl.LambdaInvoke(w.invoke)), "arn:aws:states:::batch:submitJob.sync": observed(w.submit),
		},
	}
	if redriven {
		x.Redrives, x.Redriven = 1, time.Now()
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 3*time.Minute)
	defer cancel()
	_, err = machine.Run(ctx, x)
	return err
}

func (w *workers) invoke(ctx context.Context, arn string, payload json.RawMessage) (json.RawMessage, error) {
	class := arn[strings.LastIndex(arn, ":")+1:]
	w.note(call{"machine", "lambda:InvokeFunction", "function", class, ""})
	return w.functions[work.Class(class)].Invoke(ctx, payload, 2*time.Minute)
}

// submit runs a Batch job of a class, with the role of its job definition, which may do what the function's may.
func (w *workers) submit(_ context.Context, in asl.TaskInput) (json.RawMessage, error) {
	var job struct {
		JobQueue, JobDefinition string
		Tags                    map[string]string
		ContainerOverrides      struct {
			Environment []struct{ Name, Value string }
		}
	}
	if err := json.Unmarshal(in.Arguments, &job); err != nil {
		return nil, err
	}
	w.note(call{"machine", "batch:SubmitJob", "queue", job.JobQueue, ""})
	w.note(call{"machine", "batch:SubmitJob", "definition", job.JobDefinition, ""})
	if len(job.Tags) > 0 {
		w.note(call{"machine", "batch:TagResource", "job", "a-job", ""})
	}
	v := job.ContainerOverrides.Environment[0]
	out, err := w.command(work.Class(job.JobDefinition), v.Name+"="+v.Value).CombinedOutput()
	if err != nil {
		return nil, &runtimeapi.Error{Name: "States.TaskFailed", Text: fmt.Sprintf("%v\n%s", err, out)}
	}
	return json.RawMessage(`{}`), nil
}

func (w *workers) list(ctx context.Context, source asl.ItemSource) (io.ReadCloser, error) {
	w.note(call{"machine", "s3:GetObject", "scratch", source.Key, ""})
	w.note(call{"machine", "kms:Decrypt", "scratch", "", ""})
	return w.scratch.Open(ctx, source.Key, 0, -1)
}

func (w *workers) put(key, file string) {
	w.t.Helper()
	f, err := os.Open(file)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	if _, err := w.media.Put(w.t.Context(), key, f); err != nil {
		w.t.Fatal(err)
	}
}

// sources makes the clips that the jobs read.
func sources(t *testing.T) (film, tape, song string) {
	t.Helper()
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		if text != "" {
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return name
	}
	titles := file("titles.srt", "1\n00:00:00,500 --> 00:00:01,500\nOne\n\n2\n00:00:02,000 --> 00:00:03,000\nTwo\n")
	chapters := file("chapters.txt", ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=2000\ntitle=A\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=2000\nEND=4000\ntitle=B\n")
	cover, film, tape, song := file("cover.jpg", ""), file("film.mkv", ""), file("tape.ts", ""), file("song.flac", "")
	mediatest.Run(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=1:duration=1", cover)
	picture := []string{"-v", "error", "-f", "lavfi", "-i", "testsrc2=size=96x54:rate=12:duration=4", "-f", "lavfi", "-i", "sine=f=330:d=4"}
	coded := []string{"-c:v", "libx264", "-preset", "ultrafast", "-g", "12", "-c:a", "aac"}
	mediatest.Run(t, "ffmpeg", slices.Concat(picture, []string{"-i", titles, "-i", chapters, "-map_metadata", "3", "-map", "0", "-map", "1", "-map", "2"},
		coded, []string{"-c:s", "srt", "-attach", cover, "-metadata:s:t", "mimetype=image/jpeg", film})...)
	mediatest.Run(t, "ffmpeg", slices.Concat(picture, coded, []string{tape})...)
	mediatest.Run(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=f=330:d=4", song)
	return film, tape, song
}

// runJobs runs a job of each sort, and collects garbage.
func (w *workers) runJobs(film, tape, song string) {
	t := w.t
	t.Helper()
	for key, file := range map[string]string{"in/film.mkv": film, "in/tape.ts": tape, "in/song.flac": song, "in/lost.mkv": film} {
		w.put(key, file)
	}
	request := func(source string, outputs ...object) object {
		for _, o := range outputs {
			if o["video"] == nil && source != "song.flac" {
				o["video"] = []any{object{"preset": "ultrafast"}}
			}
		}
		return object{
			"source": "s3://" + w.bucket + "/in/" + source, "destination": "s3://" + w.bucket + "/out/",
			"segment": object{"seconds": 2}, "outputs": outputs,
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	whole := request("film.mkv", object{"name": "film"}, object{"name": "film-mkv", "container": "mkv", "video": []any{object{"preset": "ultrafast", "burn": object{"track": "1"}}}},
		object{"name": "film-webm", "container": "webm", "video": []any{object{"codec": "vp9"}}},
		object{"name": "show", "container": "cmaf", "package": object{"seconds": 2, "encryption": object{"keys": "s3://" + w.bucket + "/in/film.keys", "keyUrl": "https://keys.example.com/{kid}"}}})
	keys := filepath.Join(t.TempDir(), "film.keys")
	must(os.WriteFile(keys, []byte("00112233445566778899aabbccddeeff:ffeeddccbbaa99887766554433221100\n"), 0o600))
	w.put("in/film.keys", keys)
	must(w.execute("whole", whole, false))

	split := request("tape.ts", object{"name": "tape", "targetSize": "200k"})
	split["compute"] = object{"mode": "batch"}
	must(w.execute("split", split, false))
	must(w.execute("sound", request("song.flac", object{"name": "song"}), false))
	joined := request("film.mkv", object{"name": "joined"})
	joined["join"] = []string{"s3://" + w.bucket + "/in/lost.mkv"}
	must(w.execute("joined", joined, false))

	var failed *asl.Error
	if err := w.execute("missing", request("missing.mkv", object{"name": "missing"}), false); !errors.As(err, &failed) || failed.Name != "NotFound" {
		t.Errorf("a job without a source ends with %v", err)
	}
	lost := request("lost.mkv", object{"name": "lost"}, object{"name": "kept", "container": "cmaf", "package": object{"seconds": 2}})
	var once sync.Once
	w.before = func(state string) {
		if state != "Analyse the source" {
			once.Do(func() { must(w.media.Delete(t.Context(), "in/lost.mkv")) })
		}
	}
	if err := w.execute("lost", lost, false); !errors.As(err, &failed) {
		t.Fatalf("a job without its source ends with %v", err)
	}
	w.before = nil
	event, err := json.Marshal(object{"source": "aws.states", "detail": object{
		"executionArn": "arn:execution:lost", "status": "FAILED", "error": failed.Name, "cause": failed.Cause,
	}})
	must(err)
	_, err = w.functions[work.ClassFinish].Invoke(t.Context(), event, time.Minute)
	must(err)
	w.put("in/lost.mkv", film)
	must(w.execute("lost", lost, true))
	must(w.media.Delete(t.Context(), "out/lost.mp4"))
	must(w.execute("again", lost, false)) // everything else is in its place
	w.collect("arn:execution:again")
}

// renderScenes renders two versions of a scene, and keeps the frames of both in one folder.
func (w *workers) renderScenes() {
	t := w.t
	t.Helper()
	script := blendertest.Script{About: blendertest.About()}
	script.About.Width, script.About.Height = 64, 36
	script.About.Sounds, script.About.SoundRate, script.About.SoundChannels = true, 48_000, 2
	for _, first := range []int{1, 2} { // the second version lacks a frame of the first
		script.About.First = first
		data, err := json.Marshal(script)
		if err != nil {
			t.Fatal(err)
		}
		for key, data := range map[string][]byte{"in/shot.blend": data, "in/textures/wood.png": []byte("wood")} {
			if _, err := w.media.Put(t.Context(), key, bytes.NewReader(data)); err != nil {
				t.Fatal(err)
			}
		}
		scene := object{
			"source": "s3://" + w.bucket + "/in/shot.blend", "destination": "s3://" + w.bucket + "/out/",
			"render":  object{"files": []string{"textures"}, "tiles": []string{"1x2", "2x1"}[first-1]},
			"outputs": []object{{"name": fmt.Sprintf("shot-%d", first)}, {"name": "shots", "container": "frames"}},
		}
		if err := w.execute(fmt.Sprintf("scene-%d", first), scene, false); err != nil {
			t.Fatal(err)
		}
	}
}

// runTools runs all tools.
func (w *workers) runTools() {
	w.t.Helper()
	var names []string
	for _, t := range w.chosen.deployed.Tools {
		names = append(names, t.Name)
	}
	request := object{"source": "s3://" + w.bucket + "/in/film.mkv", "destination": "s3://" + w.bucket + "/out/", "tools": names}
	if err := w.execute("tools", request, false); err != nil {
		w.t.Fatal(err)
	}
}

// buildWorker builds the program of the functions with tools.
func buildWorker(t *testing.T, deployed tool.Deployed) string {
	t.Helper()
	folder := t.TempDir()
	at, err := filepath.Abs("../functions/worker/tools.json")
	if err != nil {
		t.Fatal(err)
	}
	list, overlay, program := filepath.Join(folder, "tools.json"), filepath.Join(folder, "overlay.json"), filepath.Join(folder, "worker")
	for name, content := range map[string]any{list: deployed, overlay: object{"Replace": object{at: list}}} {
		data, err := json.Marshal(content)
		if err == nil {
			err = os.WriteFile(name, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-w", "-overlay", overlay, "-o", program, "../functions/worker")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// collect has the function collect what a job that is done, and one that has expired, have left.
func (w *workers) collect(execution string) {
	t := w.t
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	done, err := w.ledger.JobOf(t.Context(), execution)
	must(err)
	doc, err := json.Marshal(work.Plan{ID: "expired", Outputs: []string{"s3://" + w.bucket + "/out/expired.mp4"}})
	must(err)
	past := time.Now().Add(-time.Hour)
	must(w.ledger.PutJob(t.Context(), ledger.Job{ID: "expired", State: ledger.JobRunning, Execution: "e", Expires: past, Doc: doc}))
	must(w.ledger.Plan(t.Context(), "expired", slices.Values([]ledger.Unit{{ID: "video/00000"}}), past))
	for _, id := range []string{done.ID, "expired"} {
		_, err := w.scratch.Put(t.Context(), id+"/items-encode.json", strings.NewReader("[]"))
		must(err)
	}
	out, err := w.functions[work.ClassCollect].Invoke(t.Context(), []byte("{}"), time.Minute)
	must(err)
	var got engine.Collected
	must(json.Unmarshal(out, &got))
	if len(got.Jobs) != 2 {
		t.Errorf("collected %s, want what two jobs have left", out)
	}
}
