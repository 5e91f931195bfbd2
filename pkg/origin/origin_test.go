package origin_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mapreel/mapreel/pkg/blob/httpblob"
	"github.com/mapreel/mapreel/pkg/blob/s3blob/s3test"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/kinds"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/origin"
)

func TestMain(m *testing.M) {
	s3test.ServeInChild()
	os.Exit(m.Run())
}

// A job reads its source from a bucket and writes a file, a package and a preview there: the same bytes as in a folder.
func TestAJobFromBucketToBucket(t *testing.T) {
	server := s3test.Start(t)
	client := server.Client(func(o *s3.Options) { o.HTTPClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} }) // the server waits for open connections
	bucket := server.NewBucket(t)
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": s3test.AccessKey, "AWS_SECRET_ACCESS_KEY": s3test.SecretKey, "AWS_ENDPOINT_URL": server.Endpoint, "AWS_REGION": "",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
	film := filepath.Join(t.TempDir(), "film.mkv")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=10:d=4", "-f", "lavfi", "-i", "sine=d=4",
		"-c:v", "libx264", "-preset", "ultrafast", "-g", "20", "-c:a", "aac", film).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(film)
	if err != nil {
		t.Fatal(err)
	}
	key := "in/a film.mkv"
	if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(data)}); err != nil {
		t.Fatal(err)
	}
	tools, err := ffmpeg.Find(t.Context(), ffmpeg.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	run(t, tools, film, folder)
	run(t, tools, "s3://"+bucket+"/"+key, "s3://"+bucket+"/out")
	for _, name := range []string{"film.mp4", "film.preview.json", "site.m3u8"} {
		if _, err := os.Stat(filepath.Join(server.Root, bucket, "out", name)); err != nil {
			t.Error(err)
		}
	}
	want, err := os.ReadFile(filepath.Join(folder, "film.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(server.Root, bucket, "out", "film.mp4")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v: the files differ: %d and %d bytes", err, len(got), len(want))
	}
	if there, err := local.Exists(t.Context(), origin.Settings{}, "s3://"+bucket+"/out/film.mp4"); err != nil || !there {
		t.Errorf("Exists: %v, %v", there, err)
	}
	// Nothing is begun where nothing can be written, or there is nothing to read.
	for source, to := range map[string]string{film: "s3://absent-bucket/out", "s3://" + bucket + "/in/none.mkv": "s3://" + bucket + "/out"} {
		err := start(t, tools, source, to)
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s to %s: %v (%v)", source, to, err, fault.KindOf(err))
		}
	}
}

func run(t *testing.T, tools ffmpeg.Tools, source, destination string) {
	t.Helper()
	if err := start(t, tools, source, destination); err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T, tools ffmpeg.Tools, source, destination string) error {
	t.Helper()
	video := []any{map[string]any{"preset": "ultrafast"}}
	request, err := json.Marshal(map[string]any{
		"source": source, "destination": destination, "segment": map[string]any{"seconds": 2},
		"outputs": []any{
			map[string]any{"name": "film", "container": "mp4", "video": video},
			map[string]any{"name": "site", "container": "hls", "video": video, "package": map[string]any{"seconds": 2, "thumbnails": "none"}},
			map[string]any{"name": "film", "container": "poster"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = local.Run(t.Context(), request, local.Options{Scratch: filepath.Join(t.TempDir(), "scratch"), Registry: kinds.All(tools, kinds.Options{}), Jobs: 2})
	return err
}

func TestAddressesAreTakenApart(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]struct {
		public string
		secret httpblob.Secret
	}{
		"https://Example.com/a%20b.mkv":         {"https://example.com/a%20b.mkv", httpblob.Secret{}},
		"https://anna:p%40ss@h:8443/f.ts?t=1&u": {"https://h:8443/f.ts", httpblob.Secret{User: "anna", Password: "p@ss", Query: "t=1&u"}},
		"http://token@h/f?#frag":                {"http://h/f", httpblob.Secret{User: "token"}},
		"s3://bucket/a?b#c":                     {"s3://bucket/a?b#c", httpblob.Secret{}},
		"/a/b?c":                                {"/a/b?c", httpblob.Secret{}},
	} {
		public, secret, err := origin.Conceal(location)
		if err != nil || public != want.public || secret != want.secret {
			t.Errorf("%s: %q, %+v, %v", location, public, secret, err)
		}
	}
	if _, _, err := origin.Conceal("https://anna:hunter2@h:port/f?topsecret"); err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "topsecret") {
		t.Errorf("got %v", err)
	}
}

func TestRootsThatAreURLs(t *testing.T) {
	t.Parallel()
	roots := []string{"/films", "s3://b/in/", "https://example.com/films/", "https://example.com/open"}
	for location, want := range map[string]bool{
		"s3://b/in/a.mkv": true, "s3://b/in2/a.mkv": false, "s3://b/in/../secret": false, "s3://other/in/a": false,
		"https://example.com/films/a.mkv": true, "https://example.com/films/d/a%20b.mkv": true, "https://example.com/films/%2e%2e/a.mkv": false,
		"https://example.com/films/../a.mkv": false, "https://example.com/films/a.mkv?x=1": false, "https://u@example.com/films/a.mkv": false,
		"http://example.com/films/a.mkv": false, "https://example.com.evil/films/a.mkv": false, "https://example.com/open": false,
		"https://example.com/films\\@evil/a": false, "/films/a.mkv": false,
	} {
		if got := origin.Below(location, roots); got != want {
			t.Errorf("%s: got %v, want %v", location, got, want)
		}
	}
}

func TestNamesAndPlacesOfLocations(t *testing.T) {
	t.Parallel()
	for location, want := range map[string]string{"s3://b/d/a.mkv": "a.mkv", "https://h/d/a%20b.mkv": "a b.mkv", "pipe:3f": "stdin", "https://h": "source"} {
		if got := origin.NameOf(location); got != want {
			t.Errorf("%s: %q, want %q", location, got, want)
		}
	}
	for destination, want := range map[string]string{"s3://b/d/": "s3://b/d/a", "s3://b": "s3://b/a", "/d/": "/d/a"} {
		if got := origin.Join(destination, "a"); got != want {
			t.Errorf("%s: %q, want %q", destination, got, want)
		}
	}
	for _, location := range []string{"s3://", "s3://b", "s3://b/", "s3:///k", "/b/k"} {
		if _, _, err := origin.SplitS3(location); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", location, err)
		}
	}
}
