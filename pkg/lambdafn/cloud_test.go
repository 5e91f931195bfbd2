package lambdafn_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mapreel/mapreel/internal/toy"
	"github.com/mapreel/mapreel/pkg/asl"
	"github.com/mapreel/mapreel/pkg/blob/s3blob"
	"github.com/mapreel/mapreel/pkg/blob/s3blob/s3test"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/lambdafn"
	"github.com/mapreel/mapreel/pkg/lambdafn/lambdatest"
	"github.com/mapreel/mapreel/pkg/lambdafn/runtimeapi"
	"github.com/mapreel/mapreel/pkg/ledger/dynamo"
	"github.com/mapreel/mapreel/pkg/ledger/dynamo/dynamotest"
	"github.com/mapreel/mapreel/pkg/render/blender/blendertest"
	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/work"
	"github.com/mapreel/mapreel/statemachine"
)

// toyClass is the environment variable that makes the test binary a function of a class whose registry has the toy only.
const toyClass = "MAPREEL_TEST_CLASS"

func TestMain(m *testing.M) {
	s3test.ServeInChild()
	blendertest.ServeInChild()
	if class := os.Getenv(toyClass); class != "" {
		registry := func(context.Context) (work.Registry, error) { return toy.Add(work.Registry{}), nil }
		os.Exit(lambdafn.Main(context.Background(), work.Class(class), registry))
	}
	code := m.Run()
	if built.folder != "" {
		_ = os.RemoveAll(built.folder)
	}
	os.Exit(code)
}

// cloud is what a deployment consists of: S3 and DynamoDB as servers, the program of the functions, and the environment that
// infra gives it.
type cloud struct {
	programs string // folder of the built program; "" where the test binary is the program: see toyClass
	tools    []tool.Tool
	env      []string
	media    *s3blob.Store
	bucket   string // of media
	scratch  *s3blob.Store
	ledger   *dynamo.Ledger
}

// newCloud builds the program of the functions and starts the servers.
func newCloud(t *testing.T) *cloud {
	t.Helper()
	return newCloudWith(t, tool.Deployed{})
}

// newCloudWith builds the program with tools, as infra has it done.
func newCloudWith(t *testing.T, deployed tool.Deployed) *cloud {
	t.Helper()
	c := newServers(t)
	c.programs, c.tools = build(t, deployed), deployed.Tools
	return c
}

// built holds the folders of built programs by the tools that they have. Tests share a program, because linking it takes seconds.
var built struct {
	sync.Mutex
	folder  string // holds them all; TestMain removes it
	folders map[string]string
}

// build builds the program of the functions with tools and returns its folder.
func build(t *testing.T, deployed tool.Deployed) string {
	t.Helper()
	list, err := json.Marshal(deployed)
	if err != nil {
		t.Fatal(err)
	}
	built.Lock()
	defer built.Unlock()
	if folder := built.folders[string(list)]; folder != "" {
		return folder
	}
	if built.folder == "" {
		if built.folder, err = os.MkdirTemp("", "mapreel-lambdafn-"); err != nil { //nolint:usetesting // outlives the test
			t.Fatal(err)
		}
		built.folders = map[string]string{}
	}
	folder := filepath.Join(built.folder, strconv.Itoa(len(built.folders)))
	listFile, overlayFile := filepath.Join(t.TempDir(), "tools.json"), filepath.Join(t.TempDir(), "overlay.json")
	at, err := filepath.Abs(filepath.Join(root, "functions", "worker", "tools.json"))
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{at: listFile}})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{listFile: list, overlayFile: overlay} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-w", "-overlay", overlayFile, "-o", folder+"/", "./functions/...")
	command.Dir = root
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("building the functions: %v\n%s", err, out)
	}
	built.folders[string(list)] = folder
	return folder
}

// newServers starts S3 and DynamoDB.
func newServers(t *testing.T) *cloud {
	t.Helper()
	s3, dynamodb := s3test.Start(t), dynamotest.Start(t)
	table, items := dynamodb.NewTable(t), s3.NewBucket(t)
	c := &cloud{bucket: s3.NewBucket(t), ledger: dynamo.New(dynamodb.Client(nil), table)}
	c.media, c.scratch = store(t, s3, c.bucket), store(t, s3, items)
	c.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_EC2_METADATA_DISABLED=true",
		"AWS_REGION=" + s3test.Region, "AWS_ACCESS_KEY_ID=" + s3test.AccessKey, "AWS_SECRET_ACCESS_KEY=" + s3test.SecretKey,
		"AWS_ENDPOINT_URL_S3=" + s3.Endpoint, "AWS_ENDPOINT_URL_DYNAMODB=" + dynamodb.Endpoint,
		"MAPREEL_TABLE=" + table, "MAPREEL_ITEMS=" + items, "MAPREEL_SCRATCH=s3://" + items, "MAPREEL_BATCH=cpu",
	}
	return c
}

const root = "../.."

func store(t *testing.T, server *s3test.Server, bucket string) *s3blob.Store {
	t.Helper()
	s, err := s3blob.New(server.Client(nil), bucket, "", s3blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// with returns the cloud with more settings. Later ones replace earlier ones.
func (c *cloud) with(env ...string) *cloud {
	other := *c
	other.env = append(append([]string{}, c.env...), env...)
	return &other
}

// command returns the program as a function or a Batch job of a class, with a temporary folder of its own. It logs to the
// returned buffer.
func (c *cloud) command(t *testing.T, class work.Class, env ...string) (*exec.Cmd, *lambdatest.Output) {
	t.Helper()
	cmd := exec.Command(filepath.Join(c.programs, "worker"), string(class)) //nolint:noctx // the test kills it, or waits for it
	if c.programs == "" {
		cmd = exec.Command(os.Args[0]) //nolint:noctx // likewise
		env = append(env, toyClass+"="+string(class))
	}
	cmd.Env = append(append(cmd.Env, c.env...), env...)
	cmd.Env = append(cmd.Env, "TMPDIR="+t.TempDir())
	log := &lambdatest.Output{}
	cmd.Stdout, cmd.Stderr = log, log
	return cmd, log
}

// patience is how long an invocation may take: less than Lambda's 15 minutes, more than a busy machine needs.
const patience = 2 * time.Minute

// start starts a function of a class as Lambda does.
func (c *cloud) start(t *testing.T, class work.Class) *lambdatest.Function {
	t.Helper()
	cmd, _ := c.command(t, class)
	return lambdatest.Start(t, string(class), cmd)
}

func arn(class work.Class) string { return runtimeapi.ARN(string(class)) }

// deployment is the state machine with running functions as its tasks.
type deployment struct {
	*cloud
	t         *testing.T
	functions map[work.Class]*lambdatest.Function
	before    func(state, unit string) // called before a task is run; may be nil
}

// unitClasses lists the classes that run units in a deployment with -c render=true and -c tools=FILE.
func (c *cloud) unitClasses() []work.Class {
	list := append(work.UnitClasses(), work.ClassRender)
	for _, t := range c.tools {
		list = append(list, work.ToolClass(t.Name))
	}
	return list
}

// classes lists the classes of functions.
func (c *cloud) classes() []work.Class {
	return append(c.unitClasses(), work.ClassAnalyse, work.ClassFinish, work.ClassCollect)
}

func (c *cloud) deploy(t *testing.T) *deployment {
	t.Helper()
	d := &deployment{cloud: c, t: t, functions: map[work.Class]*lambdatest.Function{}}
	for _, class := range c.classes() {
		d.functions[class] = c.start(t, class)
	}
	return d
}

// execute runs the machine that infra deploys on a request, as the execution of that name.
func (d *deployment) execute(execution string, req any) (engine.Outcome, error) {
	d.t.Helper()
	resources := statemachine.Resources{
		Partition: "aws", Analyse: arn(work.ClassAnalyse), Finish: arn(work.ClassFinish), BatchQueue: queues[false], GpuQueue: queues[true],
		Functions: map[string]string{}, JobDefinitions: map[string]string{},
	}
	for _, class := range d.unitClasses() {
		resources.Functions[string(class)] = arn(class)
		for _, gpu := range []bool{false, true} {
			key := statemachine.JobDefinitionKey(string(class), gpu)
			resources.JobDefinitions[key] = definitionOf(key)
		}
	}
	invoke := asl.LambdaInvoke(func(ctx context.Context, name string, payload json.RawMessage) (json.RawMessage, error) {
		for class, f := range d.functions {
			if arn(class) == name {
				return f.Invoke(ctx, payload, patience)
			}
		}
		return nil, fmt.Errorf("there is no function %q", name)
	})
	observed := func(task asl.Task) asl.Task {
		return func(ctx context.Context, in asl.TaskInput) (json.RawMessage, error) {
			if d.before != nil {
				d.before(in.State, unitIn(in.Arguments))
			}
			return task(ctx, in)
		}
	}
	tasks := map[string]asl.Task{
		"arn:aws:states:::lambda:invoke": observed(invoke), "arn:aws:states:::batch:submitJob.sync": observed(d.submit),
	}
	definition, err := statemachine.Substitute(resources)
	if err != nil {
		d.t.Fatal(err)
	}
	machine, err := asl.Load(definition)
	if err != nil {
		d.t.Fatal(err)
	}
	input, err := json.Marshal(req)
	if err != nil {
		d.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	out, err := machine.Run(ctx, asl.Execution{ID: execution, Input: input, Tasks: tasks, Items: d.items})
	if err != nil {
		return engine.Outcome{}, err
	}
	var outcome engine.Outcome
	if err := json.Unmarshal(out, &outcome); err != nil {
		d.t.Fatalf("output of the machine: %v: %s", err, out)
	}
	return outcome, nil
}

// unitName finds the unit in the arguments of a task, also within the text of a Batch job's environment.
var unitName = regexp.MustCompile(`"unit\\?":\\?"([^"\\]+)`)

// unitIn returns the unit that a task runs; "" where it runs none.
func unitIn(arguments []byte) string {
	if m := unitName.FindSubmatch(arguments); m != nil {
		return string(m[1])
	}
	return ""
}

// items opens what the Map reads, as Step Functions does.
func (d *deployment) items(ctx context.Context, source asl.ItemSource) (io.ReadCloser, error) {
	return d.scratch.Open(ctx, source.Key, 0, -1)
}

// queues are the job queues: that of GPU instances, and the other one.
var queues = map[bool]string{false: "queue", true: "gpu-queue"}

// definitionOf names the job definition with a key of Resources.JobDefinitions.
func definitionOf(key string) string { return "definition-of-" + strings.ReplaceAll(key, "/", "-") }

// submit stands for Batch: it runs the job definition's command with the environment of the job.
func (d *deployment) submit(_ context.Context, in asl.TaskInput) (json.RawMessage, error) {
	var submitted struct {
		JobQueue, JobDefinition string
		ContainerOverrides      struct {
			Environment []struct{ Name, Value string }
		}
	}
	if err := json.Unmarshal(in.Arguments, &submitted); err != nil {
		return nil, err
	}
	env := []string{"AWS_BATCH_JOB_ID=job-1", "AWS_BATCH_JOB_ATTEMPT=1"}
	for _, v := range submitted.ContainerOverrides.Environment {
		env = append(env, v.Name+"="+v.Value)
	}
	for _, class := range d.unitClasses() {
		key := statemachine.JobDefinitionKey(string(class), submitted.JobQueue == queues[true])
		if submitted.JobDefinition != definitionOf(key) {
			continue
		}
		cmd, log := d.command(d.t, class, env...)
		var failed *exec.ExitError
		if err := cmd.Run(); errors.As(err, &failed) {
			return nil, &runtimeapi.Error{Name: "States.TaskFailed", Text: fmt.Sprintf("%v\n%s", err, log)}
		} else if err != nil {
			return nil, err
		}
		return json.RawMessage(`{}`), nil
	}
	return nil, fmt.Errorf("a job of the definition %q in the queue %q", submitted.JobDefinition, submitted.JobQueue)
}
