// Package client starts, watches, stops and redrives jobs, on a mapreel server or on a deployment on AWS, and moves their files.
//
//	c, err := client.Open(ctx, client.Target{Stack: "mapreel"})
//	job, _, err := c.Submit(ctx, "film-1", request)
//	job, err = c.Follow(ctx, job.Name, func(j client.Job) { fmt.Println(j.Status) })
//
// Both speak the Step Functions API, and both have a ledger with the progress of each group of units: on AWS in DynamoDB, while a
// server tells what its own has. Where it has forgotten a job, the counts of its map runs are left.
package client

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/price"
)

// DefaultEndpoint is where mapreel serve listens unless it is told otherwise.
const DefaultEndpoint = "http://127.0.0.1:8083"

// machineName is the name of the state machine of a server.
const machineName = "mapreel"

// Target says where jobs run: on a server, or on a stack if that has a name.
type Target struct {
	Endpoint string      // URL of a server; "": DefaultEndpoint
	Token    string      // that the server asks for; may be empty
	Prices   price.Table // of what jobs on a stack cost
	Stack    string      // name of a CloudFormation stack, found with the SDK's own credentials and region
}

// Client talks to one server or one stack.
type Client struct {
	sfn      *sfn.Client
	machine  string // ARN of the state machine
	endpoint string // of a server; "" for a stack
	secret   string // of a server: its token, or any text
	cloud    *cloud // nil for a server
}

// Open finds the state machine of a target.
func Open(ctx context.Context, t Target) (*Client, error) {
	if t.Stack != "" {
		return openStack(ctx, t.Stack, t.Prices)
	}
	return openServer(ctx, t)
}

func openServer(ctx context.Context, t Target) (*Client, error) {
	c := &Client{endpoint: t.Endpoint}
	if c.endpoint == "" {
		c.endpoint = DefaultEndpoint
	}
	u, err := url.Parse(c.endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fault.WithHint(fault.New(fault.Invalid, "%q is not the URL of a server", c.endpoint), "for example: "+DefaultEndpoint)
	}
	secret := t.Token
	if secret == "" {
		secret = "none" // a server without a token checks no signature
	}
	c.secret = secret
	c.sfn = sfn.New(sfn.Options{
		BaseEndpoint: &c.endpoint, Region: "local", Credentials: credentials.NewStaticCredentialsProvider(machineName, secret, ""),
	})
	list, err := c.sfn.ListStateMachines(ctx, &sfn.ListStateMachinesInput{})
	if err != nil {
		return nil, c.fail(err, "ask "+c.endpoint)
	}
	for _, m := range list.StateMachines {
		if aws.ToString(m.Name) == machineName {
			c.machine = aws.ToString(m.StateMachineArn)
			return c, nil
		}
	}
	return nil, fault.New(fault.NotFound, "%s has no state machine %s", c.endpoint, machineName)
}

// OnServer reports whether jobs run on a server, and whether that is this machine.
func (c *Client) OnServer() (server, here bool) {
	if c.cloud != nil {
		return false, false
	}
	u, err := url.Parse(c.endpoint)
	return true, err == nil && isLoopback(u.Hostname())
}

// arn returns the ARN of the execution that a user names, by its name or by its ARN.
func (c *Client) arn(job string) (string, error) {
	if strings.HasPrefix(job, "arn:") {
		if parts := strings.SplitN(job, ":", 7); len(parts) < 7 || parts[2] != "states" || parts[5] != "execution" {
			return "", fault.New(fault.Invalid, "%s is not the ARN of an execution", job)
		}
		return job, nil
	}
	if job == "" || strings.ContainsAny(job, ":/ \t\n") {
		return "", fault.New(fault.Invalid, "%q is not the name of a job", job)
	}
	return strings.Replace(c.machine, ":stateMachine:", ":execution:", 1) + ":" + job, nil
}

// sleep waits, and returns the cause of the end of ctx if that comes first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
