package lambdafn_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// The functions of package intake are the same program as those of the classes. Package intake tests what they answer.
func TestTheProgramServesTheAPI(t *testing.T) {
	const arn = "arn:aws:states:us-east-1:123456789012:"
	var started []string
	states := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started = append(started, r.Header.Get("X-Amz-Target"))
		fmt.Fprintf(w, `{"executionArn":"%sexecution:mapreel:film","startDate":1}`, arn)
	}))
	defer states.Close()
	c := newCloud(t)
	if _, err := c.media.Put(t.Context(), "in/film.mkv", strings.NewReader("film")); err != nil {
		t.Fatal(err)
	}
	web, trust := serveTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader("film"))
	}))
	place := "s3://" + c.bucket
	f := c.with("MAPREEL_MACHINE="+arn+"stateMachine:mapreel", "MAPREEL_SOURCES="+place+"/in/", "MAPREEL_DESTINATIONS="+place+"/out/",
		"AWS_ENDPOINT_URL_SFN="+states.URL, trust, "MAPREEL_WEB_SOURCES="+web+"/films/").start(t, "api")
	for body, want := range map[string]int{
		`{"source":"` + place + `/in/film.mkv","destination":"` + place + `/out/film/","outputs":[{"name":"film"}]}`:  202,
		`{"source":"` + place + `/in/none.mkv","destination":"` + place + `/out/film/","outputs":[{"name":"film"}]}`:  400,
		`{"source":"` + web + `/films/film.mkv","destination":"` + place + `/out/film/","outputs":[{"name":"film"}]}`: 202,
		`{"source":"` + web + `/other/film.mkv","destination":"` + place + `/out/film/","outputs":[{"name":"film"}]}`: 400,
	} {
		event, err := json.Marshal(map[string]any{"routeKey": "POST /jobs", "headers": map[string]string{"idempotency-key": "film"}, "body": body})
		if err != nil {
			t.Fatal(err)
		}
		out, err := f.Invoke(t.Context(), event, patience)
		var answer struct {
			StatusCode int
			Body       string
		}
		if err == nil {
			err = json.Unmarshal(out, &answer)
		}
		if err != nil || answer.StatusCode != want {
			t.Errorf("%s: error %v, answer %+v; want %d", body, err, answer, want)
		}
	}
	if len(started) != 2 || started[0] != "AWSStepFunctions.StartExecution" {
		t.Errorf("calls of Step Functions: %v", started)
	}
}
