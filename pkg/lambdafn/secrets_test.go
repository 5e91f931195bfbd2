package lambdafn_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/mapreel/mapreel/internal/mototest"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/lambdafn"
	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/work"
)

const (
	secretARN    = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:media/words-AbC123"
	parameterARN = "arn:aws:ssm:eu-west-1:123456789012:parameter/media/licence"
	secretValue  = "hunter2-of-the-words"
)

// secretServer answers as Secrets Manager and the Parameter Store do, for the values that it has by ARN.
type secretServer struct {
	*httptest.Server
	mu     sync.Mutex
	values map[string]string
	asked  int
	scopes []string // of the signatures
}

func newSecretServer(t *testing.T) *secretServer {
	t.Helper()
	s := &secretServer{values: map[string]string{secretARN: secretValue, parameterARN: "licence-7"}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.answer))
	t.Cleanup(s.Close)
	return s
}

func (s *secretServer) answer(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	s.scopes = append(s.scopes, r.Header.Get("Authorization"))
	var in struct {
		SecretID       string `json:"SecretId"`
		Name           string
		WithDecryption bool
	}
	err := json.NewDecoder(r.Body).Decode(&in)
	value, known := s.values[in.SecretID+in.Name]
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	target := r.Header.Get("X-Amz-Target")
	switch {
	case err != nil || !known:
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"__type": "AccessDeniedException", "Message": "not authorized"}`)
	case value == "throttled":
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"__type": "ThrottlingException", "Message": "Rate exceeded"}`)
	case value == "later":
		w.WriteHeader(http.StatusServiceUnavailable)
	case target == "secretsmanager.GetSecretValue" && value == "binary":
		fmt.Fprint(w, `{"SecretBinary": "AAEC"}`)
	case target == "secretsmanager.GetSecretValue":
		fmt.Fprintf(w, `{"SecretString": %q}`, value)
	case target == "AmazonSSM.GetParameter" && in.WithDecryption:
		fmt.Fprintf(w, `{"Parameter": {"Value": %q}}`, value)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// settings are the variables with which clients find the server.
func (s *secretServer) settings() []string {
	return []string{"AWS_ENDPOINT_URL_SECRETS_MANAGER=" + s.URL, "AWS_ENDPOINT_URL_SSM=" + s.URL}
}

func TestSecretsAreReadFromWhereTheirARNsLead(t *testing.T) {
	server := newSecretServer(t)
	for _, v := range append(server.settings(), "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_REGION=us-east-1", "AWS_MAX_ATTEMPTS=1") {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	secrets := lambdafn.NewSecrets()
	for range 2 { // the second time, they are known
		for arn, want := range map[string]string{secretARN: secretValue, parameterARN: "licence-7"} {
			if got, err := secrets.Read(t.Context(), "eu-west-1", arn); got != want || err != nil {
				t.Errorf("%s is %q, %v; want %q", arn, got, err, want)
			}
		}
	}
	if server.asked != 2 || !strings.Contains(server.scopes[0], "/eu-west-1/") {
		t.Errorf("asked %d times, want 2; the first request was signed as %q, want the region of the ARN", server.asked, server.scopes[0])
	}
	server.values = map[string]string{"binary": "binary", "empty": "", "later": "later", "throttled": "throttled"}
	for arn, want := range map[string]fault.Kind{
		"denied": fault.Invalid, "binary": fault.Invalid, "empty": fault.Invalid, "later": fault.Transient, "throttled": fault.Transient,
	} {
		got, err := secrets.Read(t.Context(), "eu-west-1", arn)
		if fault.KindOf(err) != want || got != "" {
			t.Errorf("%s is %q, %v; want an error of kind %s", arn, got, err, want)
		}
		if arn == "denied" && !strings.Contains(fault.HintOf(err), "allow this role") {
			t.Errorf("the hint is %q", fault.HintOf(err))
		}
	}
	over, stop := context.WithDeadlineCause(t.Context(), time.Now(), fault.New(fault.OutOfTime, "the function's time is over"))
	defer stop()
	if _, err := secrets.Read(over, "eu-west-1", "later"); fault.KindOf(err) != fault.OutOfTime {
		t.Errorf("when the time is over, the error is %v, want that of the context", err)
	}
}

// The function of a tool reads its secrets, and what the tool prints of them is nowhere.
func TestToolsOfADeploymentGetTheirSecrets(t *testing.T) {
	deployed, err := tool.ParseDeployed([]byte(`{"tools": [
		{"name": "good", "mode": "lambda", "script": "echo $KEY $LICENCE > \"$TMP_OUTPUT_DIR/values.txt\"\n", "outputs": [{"path": "good/"}],
			"secrets": {"KEY": "` + secretARN + `", "LICENCE": "` + parameterARN + `"}},
		{"name": "bad", "mode": "lambda", "script": "echo the key is $KEY\nexit 1\n", "outputs": [{"path": "bad/"}], "secrets": {"KEY": "` + secretARN + `"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	c := newCloudWith(t, deployed)
	put(t, c, "in/film.mp4", clip(t, "film.mp4"))
	d := c.with(newSecretServer(t).settings()...).deploy(t)
	if _, err := d.execute("arn:execution:good", order(c, "good")); err != nil {
		t.Fatal(err)
	}
	published := keys(t, c.media, "out/good/")
	if len(published) == 0 {
		t.Error("the tool published nothing")
	}
	for _, key := range published {
		if got := string(read(t, c.media, key)); got != secretValue+" licence-7\n" {
			t.Errorf("the tool got %q", got)
		}
	}
	_, failure := d.execute("arn:execution:bad", order(c, "bad"))
	if failure == nil || !strings.Contains(failure.Error(), "the key is …") {
		t.Errorf("the tool that fails ends with %v, want its last line without the secret", failure)
	}
	kept := []string{fmt.Sprint(failure)}
	for _, name := range []string{"good", "bad"} {
		job, err := c.ledger.JobOf(t.Context(), "arn:execution:"+name)
		if err != nil {
			t.Fatal(err)
		}
		unit, err := c.ledger.Unit(t.Context(), job.ID, "tool/"+name+"/00000")
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal([]any{job, unit})
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, string(text), d.functions[work.ToolClass(name)].Log.String())
		if strings.Contains(string(text), "arn:aws:secretsmanager") {
			t.Errorf("the ledger says where the secret of %s is", name)
		}
	}
	for _, text := range kept {
		if strings.Contains(text, secretValue) {
			t.Errorf("the secret is in %s", text)
		}
	}
}

// The answers of secretServer were written by hand. moto's are those of another reader of AWS's documentation.
func TestSecretsAreReadFromMoto(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": mototest.Start(t, "secrets are tested on answers written by hand only"), "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1",
	} {
		t.Setenv(name, value)
	}
	conf, err := config.LoadDefaultConfig(t.Context(), config.WithRegion("eu-west-1"))
	if err != nil {
		t.Fatal(err)
	}
	secret, err := secretsmanager.NewFromConfig(conf).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
		Name: aws.String("media/words"), SecretString: aws.String(secretValue),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ssm.NewFromConfig(conf).PutParameter(t.Context(), &ssm.PutParameterInput{
		Name: aws.String("/media/licence"), Value: aws.String("licence-7"), Type: "SecureString",
	}); err != nil {
		t.Fatal(err)
	}
	secrets := lambdafn.NewSecrets()
	for arn, want := range map[string]string{*secret.ARN: secretValue, parameterARN: "licence-7"} {
		place, ok := tool.Secret{ARN: arn}.Place()
		if got, err := secrets.Read(t.Context(), place.Region, arn); got != want || err != nil || !ok {
			t.Errorf("%s is %q, %v (%v); want %q", arn, got, err, ok, want)
		}
	}
	if got, err := secrets.Read(t.Context(), "eu-west-1", secretARN+"other"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a secret that is not there is %q, %v", got, err)
	}
}
