package client

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/mapreel/mapreel/pkg/blob/s3blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/intake"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/ledger/dynamo"
	"github.com/mapreel/mapreel/pkg/price"
)

// Names of a stack's outputs, which infra makes.
const (
	OutputMachine      = "StateMachineArn"
	OutputTable        = "LedgerTable"
	OutputSources      = "Sources"      // places, as intake.ParsePlaces reads them
	OutputDestinations = "Destinations" // likewise
	OutputOwners       = "BucketAccounts"
	OutputTools        = "Tools"       // names, separated by spaces; missing: none
	OutputToolsDigest  = "ToolsDigest" // of the tools' descriptions and of the files in the folder of the tools file
)

// cloud is what a stack has besides its state machine.
type cloud struct {
	s3           *s3.Client
	ledger       ledger.Ledger
	sources      []intake.Place
	destinations []intake.Place
	owners       s3blob.Owners
	tools        []string
	toolsDigest  string
	prices       price.Table
}

func openStack(ctx context.Context, name string, prices price.Table) (*Client, error) {
	c := &Client{cloud: &cloud{prices: prices}}
	conf, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "settings of AWS")
	}
	if conf.Region == "" {
		return nil, fault.WithHint(fault.New(fault.Invalid, "no AWS region is set"), "set AWS_REGION, or a region in the profile")
	}
	out, err := cloudformation.NewFromConfig(conf).DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	if hasCode(err, "ValidationError") || err == nil && len(out.Stacks) == 0 {
		return nil, fault.WithHint(fault.New(fault.NotFound, "there is no stack %s in %s", name, conf.Region),
			"see whether AWS_REGION and AWS_PROFILE name the region and the account of the deployment")
	}
	if err != nil {
		return nil, c.fail(err, "find the stack "+name)
	}
	outputs := map[string]string{}
	for _, o := range out.Stacks[0].Outputs {
		outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	account := ""
	if parts := strings.Split(aws.ToString(out.Stacks[0].StackId), ":"); len(parts) > 4 {
		account = parts[4]
	}
	if err := c.read(outputs, account); err != nil {
		return nil, fault.WithHint(fault.Wrap(fault.Invalid, err, "the stack "+name), "is it one of mapreel? If an older version deployed it, deploy it again")
	}
	c.sfn = sfn.NewFromConfig(conf)
	c.cloud.s3 = s3.NewFromConfig(conf)
	c.cloud.ledger = dynamo.New(dynamodb.NewFromConfig(conf), outputs[OutputTable])
	return c, nil
}

// read takes what it needs from the outputs of a stack.
func (c *Client) read(outputs map[string]string, account string) (err error) {
	for _, name := range []string{OutputMachine, OutputTable, OutputSources, OutputDestinations} {
		if outputs[name] == "" {
			return fault.New(fault.Invalid, "it has no output %s", name)
		}
	}
	c.machine = outputs[OutputMachine]
	if c.cloud.sources, err = intake.ParsePlaces(outputs[OutputSources]); err != nil {
		return err
	}
	if c.cloud.destinations, err = intake.ParsePlaces(outputs[OutputDestinations]); err != nil {
		return err
	}
	c.cloud.tools, c.cloud.toolsDigest = strings.Fields(outputs[OutputTools]), outputs[OutputToolsDigest]
	c.cloud.owners, err = s3blob.ParseOwners(account, outputs[OutputOwners])
	return err
}

// Tools returns the names of the tools of a stack, and a digest that tells its tools from those that it had before.
func (c *Client) Tools() (names []string, digest string) { return c.cloud.tools, c.cloud.toolsDigest }
