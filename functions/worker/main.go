// Command worker is the program of every Lambda function and Batch job. Its argument is the class of the function, or what the
// function takes in:
//
//	worker analyse | split | encode | audio | render | tool-NAME | merge | finish | collect
//	worker api | upload | notify
//
// It also starts itself with the argument confine, to keep Blender and tools apart. With the argument record-environment it records the
// variables of the image of a tool, when that is built.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"github.com/mapreel/mapreel/pkg/estimate/filmjob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film/merge"
	"github.com/mapreel/mapreel/pkg/intake"
	"github.com/mapreel/mapreel/pkg/kinds"
	"github.com/mapreel/mapreel/pkg/lambdafn"
	"github.com/mapreel/mapreel/pkg/process"
	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/tool/confine"
	"github.com/mapreel/mapreel/pkg/work"
)

// confined is the first argument of the process that keeps Blender and tools apart.
const confined = "confine"

func main() {
	if len(os.Args) == 3 && os.Args[1] == confined {
		os.Exit(confine.Main(os.Args[2]))
	}
	if len(os.Args) == 2 && os.Args[1] == "record-environment" {
		os.Exit(recordEnvironment(environmentFile))
	}
	// Its credentials are in its environment or its memory, and it runs ffmpeg on files of strangers.
	if err := process.DenyInspection(); err != nil {
		fmt.Fprintln(os.Stderr, "worker: keep other processes from reading this one's memory:", err)
		os.Exit(1)
	}
	if len(os.Args) == 2 {
		if handle, ok := intakes[os.Args[1]]; ok {
			os.Exit(lambdafn.Serve(context.Background(), open(handle)))
		}
	}
	if len(os.Args) != 2 || !work.Class(os.Args[1]).Known() {
		fmt.Fprintln(os.Stderr, "usage: worker analyse | split | encode | audio | render | tool-NAME | merge | finish | collect | api | upload | notify")
		os.Exit(2)
	}
	class := work.Class(os.Args[1])
	if class == work.ClassMerge {
		debug.SetGCPercent(merge.GCPercent)
	}
	os.Exit(lambdafn.Main(context.Background(), class, find))
}

// find returns what this image can run. A function works on one unit at a time, and a container of Batch on one alone. With a shared
// file system, the files of other jobs are within reach.
func find(ctx context.Context) (work.Registry, error) {
	self, err := os.Executable()
	if err != nil {
		return work.Registry{}, fault.Wrap(fault.Internal, err, "path of this program")
	}
	deployed, err := tool.ParseDeployed(toolsJSON)
	if err != nil {
		return work.Registry{}, err
	}
	env, err := readEnvironment(environmentFile)
	if err != nil {
		return work.Registry{}, err
	}
	options := kinds.Options{Self: []string{self, confined}, Alone: strings.HasPrefix(os.Getenv("MAPREEL_SCRATCH"), "s3://")}
	given := kinds.Given{Env: env, Secret: secretsOf(deployed, os.LookupEnv, lambdafn.NewSecrets().Read)}
	return kinds.FindDeployed(ctx, programs(), options, deployed, given)
}

// toolsJSON are the tools of the deployment, of type tool.Deployed. In the source there are none: infra builds images with those that
// -c tools=FILE names.
//
//go:embed tools.json
var toolsJSON []byte

// intakes are the functions that stand before and after the state machine.
var intakes = map[string]func(*intake.Service, context.Context, json.RawMessage) (any, error){
	"api":    (*intake.Service).API,
	"upload": (*intake.Service).Upload,
	"notify": (*intake.Service).Notify,
}

// open returns a handler that opens the service at its first event.
func open(handle func(*intake.Service, context.Context, json.RawMessage) (any, error)) lambdafn.Handler {
	var service *intake.Service
	return func(ctx context.Context, event json.RawMessage) (any, error) {
		if service == nil { // Lambda passes one event at a time to a process
			var err error
			if service, err = openService(ctx); err != nil {
				return nil, err
			}
		}
		return handle(service, ctx, event)
	}
}

// openService opens the service with AWS, and gives it what estimates requests.
func openService(ctx context.Context) (*intake.Service, error) {
	service, err := intake.Open(ctx, os.Getenv)
	if err != nil {
		return nil, err
	}
	deployment, err := filmjob.ParseDeployment(os.Getenv(intake.DeploymentVariable))
	if err != nil {
		return nil, err
	}
	if service.Tools, err = tool.ParseDeployed(toolsJSON); err != nil {
		return nil, err
	}
	service.Estimate = (&filmjob.Estimator{Registry: find, Resolve: service.Resolve, Deployment: deployment}).Estimate
	return service, nil
}
