// Package remote has the commands that work with jobs elsewhere: on a mapreel server, or on a deployment on AWS.
package remote

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/prices"
	"github.com/mapreel/mapreel/pkg/client"
	"github.com/mapreel/mapreel/pkg/fault"
)

// Env holds what a command reads and writes. Whatever is written passes a filter for terminals.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Dir            string // that relative paths start from
	// Estimate prints what a request will take that this machine can read the source of.
	Estimate func(ctx context.Context, request json.RawMessage, asJSON bool) error
}

// Command is one of Commands.
type Command interface {
	Run(ctx context.Context, env Env) error
}

// Commands are the commands of this package, for the grammar of the command line.
type Commands struct {
	Submit  Submit  `cmd:"" help:"Start a job on a server or on AWS."`
	Status  Status  `cmd:"" help:"Show a job of a server or of AWS, or all that run."`
	Watch   Watch   `cmd:"" help:"Show the progress of a job of a server or of AWS until it ends."`
	List    List    `cmd:"" help:"List the jobs of a server or of AWS."`
	Logs    Logs    `cmd:"" help:"Print the history of a job of a server or of AWS, and why units failed."`
	Stop    Stop    `cmd:"" help:"Stop a job of a server or of AWS."`
	Redrive Redrive `cmd:"" help:"Do what a failed or stopped job of a server or of AWS left undone."`
	Fetch   Fetch   `cmd:"" help:"Copy the outputs of a job to this machine."`
}

// Target says where jobs run.
type Target struct {
	Endpoint  string `group:"Where" placeholder:"URL" help:"A mapreel server. Default: http://127.0.0.1:8083. Also $$MAPREEL_ENDPOINT."`
	Stack     string `group:"Where" placeholder:"NAME" help:"A deployment on AWS, by the name of its CloudFormation stack, with the credentials and the region of the AWS command line. Also $$MAPREEL_STACK."`
	TokenFile string `group:"Where" placeholder:"FILE" help:"File that holds the token of a server. Also $$MAPREEL_TOKEN itself."`
}

// exits is the last paragraph of each command's help.
const exits = "Exit codes: 0 done; 1 failed; 2 the request or the usage is wrong; 4 stopped at its budget; 130 interrupted."

// maxToken is the length in bytes from which on a file is no token.
const maxToken = 4 << 10

// open connects with the target. A flag wins over the environment.
func (t Target) open(ctx context.Context) (*client.Client, error) {
	to := client.Target{Endpoint: t.Endpoint, Stack: t.Stack, Token: os.Getenv("MAPREEL_TOKEN"), Prices: prices.Table(os.Stderr)}
	if to.Endpoint != "" && to.Stack != "" {
		return nil, fault.New(fault.Invalid, "--endpoint and --stack exclude each other")
	}
	if to.Endpoint == "" && to.Stack == "" {
		to.Endpoint, to.Stack = os.Getenv("MAPREEL_ENDPOINT"), os.Getenv("MAPREEL_STACK")
		if to.Endpoint != "" && to.Stack != "" {
			return nil, fault.WithHint(fault.New(fault.Invalid, "MAPREEL_ENDPOINT and MAPREEL_STACK are both set"), "choose with --endpoint or --stack")
		}
	}
	if t.TokenFile != "" {
		f, err := os.Open(t.TokenFile)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "--token-file")
		}
		defer f.Close() //nolint:errcheck // only read
		text, err := io.ReadAll(io.LimitReader(f, maxToken))
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "--token-file")
		}
		to.Token = strings.TrimSpace(string(text))
	}
	return client.Open(ctx, to)
}

// printJSON prints a value with indents.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return fault.Wrap(fault.Internal, enc.Encode(v), "print")
}
