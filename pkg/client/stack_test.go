package client

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
)

// formation answers DescribeStacks.
func formation(t *testing.T, outputs map[string]string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("StackName") != "mapreel" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack does not exist</Message></Error></ErrorResponse>`)
			return
		}
		var b strings.Builder
		for name, value := range outputs {
			b.WriteString("<member><OutputKey>" + name + "</OutputKey><OutputValue>")
			_ = xml.EscapeText(&b, []byte(value))
			b.WriteString("</OutputValue></member>")
		}
		_, _ = io.WriteString(w, `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks><member>`+
			`<StackName>mapreel</StackName><StackId>arn:aws:cloudformation:eu-west-1:123456789012:stack/mapreel/x</StackId>`+
			`<StackStatus>CREATE_COMPLETE</StackStatus><CreationTime>2026-01-01T00:00:00Z</CreationTime><Outputs>`+b.String()+`</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`)
	}))
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PROFILE": "", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
}

func TestAStackIsFoundThroughItsOutputs(t *testing.T) {
	outputs := map[string]string{
		OutputMachine: "arn:aws:states:eu-west-1:123456789012:stateMachine:Machine-1", OutputTable: "ledger", OutputSources: "s3://media/in/ s3://films/",
		OutputDestinations: "s3://media/out/", OutputOwners: "films:210987654321",
	}
	formation(t, outputs)
	c, err := Open(t.Context(), Target{Stack: "mapreel"})
	if err != nil {
		t.Fatal(err)
	}
	if arn, err := c.arn("film-1"); err != nil || arn != "arn:aws:states:eu-west-1:123456789012:execution:Machine-1:film-1" {
		t.Errorf("film-1 is %s, %v", arn, err)
	}
	if *c.owner("films") != "210987654321" || *c.owner("media") != "123456789012" {
		t.Errorf("owners %+v", c.cloud.owners)
	}
	for _, test := range []struct {
		text        string
		destination bool
		want        string
	}{
		{"site/film.m3u8", true, "s3://media/out/site/film.m3u8"},
		{"s3://media/out/x.mp4", true, "s3://media/out/x.mp4"},
		{"s3://films/a.mov", false, "s3://films/a.mov"},
		{"s3://other/a.mov", false, ""},
		{"s3://media/in/x.mp4", true, ""},
		{"../x.mp4", true, ""},
		{"/x.mp4", true, ""},
		{"s3://media/out/../in/x.mp4", true, ""},
		{"https://x/y.mp4", true, ""},
	} {
		if got, err := c.Locate(test.text, test.destination); got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s is %q, %v; want %q", test.text, got, err, test.want)
		}
	}
	if _, err := Open(t.Context(), Target{Stack: "other"}); fault.KindOf(err) != fault.NotFound || fault.HintOf(err) == "" {
		t.Errorf("a stack that does not exist: %v", err)
	}
	delete(outputs, OutputSources)
	if _, err := Open(t.Context(), Target{Stack: "mapreel"}); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "it has no output Sources") {
		t.Errorf("a stack of something else: %v", err)
	}
	t.Setenv("AWS_REGION", "")
	if _, err := Open(t.Context(), Target{Stack: "mapreel"}); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "no AWS region is set") {
		t.Errorf("without a region: %v", err)
	}
}
